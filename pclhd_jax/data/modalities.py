"""The two kinds of pictures, in the order of every pair: visible first."""

MODALITIES = ("visible", "infrared")
