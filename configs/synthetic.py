"""The embedded synthetic set, a small encoder: the whole method on a CPU in minutes.

    python -m pclhd_jax.main --config=configs/synthetic.py

Draws its pictures on first use. Scores and minutes: README.
"""

import ml_collections

from configs import common


def get_config(recipe: str = "paper") -> ml_collections.ConfigDict:
    c = common.base(recipe)
    c.data.source = "data/synthetic"
    c.data.height = 96
    c.data.width = 48
    # Drawn into `source` if there is no such folder yet, in SYSU-MM01's layout.
    c.data.synthetic = ml_collections.ConfigDict()
    c.data.synthetic.train_ids = 60
    c.data.synthetic.val_ids = 12
    c.data.synthetic.test_ids = 48
    c.data.synthetic.shots = 5
    c.data.synthetic.seed = 0
    c.model.depth = 18
    c.model.width = 0.25

    for stage in (c.stage1, c.stage2):
        stage.epochs = 8
        stage.batches_per_epoch = 24
        stage.clusters_per_batch = 8
        stage.visible_shots = 4
        stage.infrared_shots = 8
    c.optimizer.decay_every_epochs = 6
    c.augment_pad = 4
    c.encoder_decay = 0.98  # the average must follow within a few hundred steps
    c.loss.ramp_epochs = 3 if recipe == "paper" else 0
    c.feature_batch_size = 128
    return c
