"""Which pictures a step takes, with the labels of their clusters."""
