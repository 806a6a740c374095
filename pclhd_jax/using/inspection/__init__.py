"""What a checkpoint holds, and whether it is sound; nothing is written."""

from pclhd_jax.using.inspection.contents import load_params, load_state

__all__ = ["load_params", "load_state"]
