"""One file per verb: it reads flags, makes one call and prints the result."""
