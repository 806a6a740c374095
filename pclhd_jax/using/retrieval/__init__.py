"""A trained encoder at work: embeddings of pictures, an index of them, search in it."""

from pclhd_jax.using.retrieval.embedder import Embedder

__all__ = ["Embedder"]
