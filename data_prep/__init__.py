"""Prepare data sets; draw the synthetic one."""
