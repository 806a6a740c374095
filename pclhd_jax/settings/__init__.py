"""The settings of a run: their names, limits and files."""
