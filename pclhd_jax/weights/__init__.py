"""Weights in and out: torch names, files, ImageNet's start."""

from pclhd_jax.weights.agw_torch import agw_from_torch, agw_to_torch

__all__ = ["agw_from_torch", "agw_to_torch"]
