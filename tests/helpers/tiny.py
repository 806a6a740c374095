"""A run so small that a test can make it: 12 synthetic people, a narrow ResNet-18."""

from configs import synthetic
from pclhd_jax.models.resnet import TRUNKS, BasicBlock, Trunk


def tiny_config(root, recipe="paper"):
    c = synthetic.get_config(recipe)
    c.data.source = str(root)
    c.data.prepared, c.data.cache = f"{root}-prepared", f"{root}-cache"
    c.data.height, c.data.width = 32, 16
    c.data.synthetic.train_ids, c.data.synthetic.val_ids, c.data.synthetic.test_ids = 9, 3, 4
    c.data.synthetic.shots = 4
    c.model.width = 0.125
    c.cluster.k1, c.cluster.k2, c.cluster.joint_k1, c.cluster.joint_k2 = 6, 2, 8, 3
    c.cluster.eps, c.cluster.min_samples = 0.7, 2
    for stage, epochs in ((c.stage1, 1), (c.stage2, 2)):
        stage.epochs = epochs
        stage.batches_per_epoch = 3
        stage.clusters_per_batch = 4
        stage.visible_shots = 2
        stage.infrared_shots = 2
    c.prototypes.num_dynamic = 3
    c.augment_pad = 2
    c.evaluation.trials = 2
    c.feature_batch_size = 32
    c.keep_checkpoints = 3
    return c


def tiniest_config(root, recipe="paper"):
    """An epoch of each stage with a trunk of one block, for processes that each compile anew."""
    TRUNKS[4] = Trunk(BasicBlock, (0, 0, 0, 1))
    c = tiny_config(root, recipe)
    c.model.depth = 4
    c.stage1.epochs = c.stage2.epochs = 1
    c.stage1.batches_per_epoch, c.stage2.batches_per_epoch = 24, 2
    c.checkpoint_every_steps = 4
    return c
