"""The embedded synthetic set, a small encoder: the whole method on a CPU in minutes.

    python -m pclhd_jax.main --config=configs/synthetic.py

Draws its pictures on first use. Scores and minutes: README.
"""

import ml_collections
from pclhd_jax.configs import common


def get_config(recipe: str = "paper") -> ml_collections.ConfigDict:
    c = common.base(recipe)
    c.data.source = "data/synthetic"
    c.data.height = 96
    c.data.width = 48
    # Drawn into `source` if there is no such folder yet, in SYSU-MM01's layout.
    c.data.synthetic = ml_collections.ConfigDict()
    c.data.synthetic.train_ids = 110
    c.data.synthetic.val_ids = 10
    c.data.synthetic.test_ids = 40
    c.data.synthetic.shots = 4  # pictures per identity and camera: 16 visible, 8 infrared
    c.data.synthetic.height = 128  # as drawn; a run shrinks them to its own size
    c.data.synthetic.width = 64
    c.data.synthetic.seed = 0
    c.data.synthetic.difficulty = "medium"  # easy, medium, hard: data_prep/synthetic_difficulty.py
    c.model.depth = 18
    c.model.width = 0.25

    for stage, epochs in ((c.stage1, 8), (c.stage2, 20)):
        stage.epochs = epochs
        stage.batches_per_epoch = 24
        stage.clusters_per_batch = 8
        stage.visible_shots = 4
        stage.infrared_shots = 8
    c.optimizer.learning_rate = 1e-3  # from random weights: ImageNet's take 3.5e-4
    c.optimizer.decay_every_epochs = 16
    c.augment_pad = 4
    c.encoder_decay = 0.98  # the average must follow within a few hundred steps

    # An identity has 16 + 8 pictures here and about 56 + 30 in SYSU-MM01: smaller neighbourhoods.
    c.cluster.eps = 0.5
    c.cluster.k1 = 12
    c.cluster.k2 = 4
    c.cluster.joint_k1 = 24
    c.cluster.joint_k2 = 16
    if c.recipe == "paper":
        c.loss.ramp_epochs = 3
    c.feature_batch_size = 128
    return c
