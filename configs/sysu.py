"""SYSU-MM01, ResNet-50, full size.

    python -m pclhd_jax.main --config=configs/sysu.py --config.data.source=DIR

Published (PCLHD, NeurIPS 2024; not measured on this code), Rank-1 / mAP in %:
all-search 64.4 / 58.7, indoor search 69.5 / 74.4.
Hours: the PyTorch lineage reports about 6 per stage on 2 RTX 3090.
"""

import ml_collections
from pclhd_jax.configs import common


def get_config(recipe: str = "paper") -> ml_collections.ConfigDict:
    return common.base(recipe)
