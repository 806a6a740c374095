"""The embedded synthetic set at a smaller budget, so that dozens of runs fit on two cores.

    python -m benchmarks.ablation --config=configs/synthetic_ablation.py --study ladder

Pictures of 72 x 36, 12 epochs of stage 2 in place of 20; about a third of the time of
configs/synthetic.py. What was measured with it: docs/ablation.md.
"""

import ml_collections
from pclhd_jax.configs import synthetic


def get_config(recipe: str = "paper") -> ml_collections.ConfigDict:
    c = synthetic.get_config(recipe)
    # Not 64 x 32: there XLA's convolutions on a CPU take twice the time of these for fewer pixels.
    c.data.height = 72
    c.data.width = 36
    c.stage2.epochs = 12
    c.optimizer.decay_every_epochs = 9
    return c
