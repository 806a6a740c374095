"""Retrieval protocols and their metrics."""
