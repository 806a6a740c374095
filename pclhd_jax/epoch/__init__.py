"""One epoch, a file per part in the order in which they happen."""
