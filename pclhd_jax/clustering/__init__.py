"""Pseudo labels from features: neighbours, Jaccard distance, DBSCAN, matching. Host code."""
