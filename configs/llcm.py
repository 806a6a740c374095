"""LLCM, ResNet-50, full size.

    python -m pclhd_jax.main --config=configs/llcm.py --config.data.source=DIR

Published: no number of PCLHD on LLCM is known to us. All settings are those of SYSU-MM01, chosen
for the like size of the set and not tuned: [ours].
"""

import ml_collections
from pclhd_jax.configs import common


def get_config(recipe: str = "paper") -> ml_collections.ConfigDict:
    c = common.base(recipe)
    c.data.layout = "llcm"
    c.data.source = "data/llcm"
    return c
