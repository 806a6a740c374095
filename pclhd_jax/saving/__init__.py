"""What outlives a process: checkpoints, their digests, the lock, the disk."""
