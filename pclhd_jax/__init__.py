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

__version__ = "0.1.0"
