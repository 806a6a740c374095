r"""RegDB, ResNet-50, full size; one model for each of the ten splits.

    python -m pclhd_jax.main --config=configs/regdb.py \
        --config.data.source=DIR --config.trial=1

Published (PCLHD, NeurIPS 2024; not measured on this code), Rank-1 / mAP in %:
visible to thermal 84.3 / 80.7, thermal to visible 82.7 / 78.4.
"""

import ml_collections
from pclhd_jax.configs import common


def get_config(recipe: str = "paper") -> ml_collections.ConfigDict:
    c = common.base(recipe)
    c.data.layout = "regdb"
    c.data.source = "data/regdb"
    c.cluster.eps = 0.3
    c.stage1.batches_per_epoch = c.stage2.batches_per_epoch = 100
    c.stage1.visible_shots = 8  # 64 visible pictures of two views meet 128 thermal ones
    return c
