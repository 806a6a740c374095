"""PCLHD in JAX: unsupervised visible-infrared person re-identification.

Axes, written as suffixes of array names throughout the package:

    B batch rows            N pictures of one modality (or of both)
    K, L clusters           D feature width (2048 for ResNet-50)
    S dynamic prototypes    P clusters in a batch
    Q queries               G gallery pictures
    H W C image height, width, channels

`z` is an L2-normalised feature of the online encoder, `momentum_z` the same of
the momentum (EMA) encoder.
"""

from pathlib import Path as _Path

__version__ = "0.1.0"

# In the wheel, configs/ and data_prep/ are in this folder; in a checkout they are beside it.
# `pclhd_jax.configs` finds both, even if another package is called `configs`.
_here = _Path(__file__).resolve().parent
if not (_here / "configs").is_dir():
    __path__.append(str(_here.parent))
