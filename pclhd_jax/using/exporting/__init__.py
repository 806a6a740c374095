"""An encoder as a file that other programs run."""
