"""Bytes and pixels: pictures read, decoded, cached, and sets that are prepared."""
