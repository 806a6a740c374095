"""Pictures: what is on disk, in memory and in a batch. Host code."""
