"""Training, from the settings to the last epoch: each part of an epoch is a file."""
