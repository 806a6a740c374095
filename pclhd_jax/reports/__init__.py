"""What a run tells: records, curves, lines, tables and plots."""
