"""The figures of the authors' released program, as settings, banks, features and batches."""

import os
from pathlib import Path

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from configs import common
from pclhd_jax.batches.batch import Batch
from pclhd_jax.clustering.cluster_settings import cluster_settings
from pclhd_jax.method.prototypes import PrototypeBank, num_rows
from pclhd_jax.settings.schedule import When

FIGURES = Path(
    os.environ.get("PCLHD_RELEASED_FIGURES") or Path(__file__).parents[1] / "data" / "released"
)
STEP = dict(np.load(FIGURES / "step.npz"))
LABELS = dict(np.load(FIGURES / "labels.npz"))


class FeaturesAsWeights(nn.Module):
    """In the encoder's place: its 'weights' are the features, whatever the pictures."""

    num_visible: int
    num_infrared: int
    width: int

    @nn.compact
    def __call__(self, visible, infrared, train=False):
        zeros = nn.initializers.zeros
        self.variable("batch_stats", "unused", jnp.zeros, 1)
        rows = [
            self.param(name, zeros, (n, self.width))
            for name, n in (("visible", self.num_visible), ("infrared", self.num_infrared))
        ]
        return jnp.concatenate(rows)


def released_config():
    c = common.base("released")
    c.loss.temperature = float(STEP["temperature"])
    c.loss.hybrid_margin = c.loss.own_margin = float(STEP["margin"])
    c.loss.cross_weight = float(STEP["cross_weight"])
    c.prototypes.momentum = float(STEP["momentum"])
    return c


def bank(name):
    """Padded to a bucket, as in a run."""
    centroid_KD = STEP[f"centroid_{name}"]
    K, D = centroid_KD.shape

    def padded(x):
        rows = np.zeros((num_rows(K), *x.shape[1:]))
        rows[:K] = x
        return jnp.asarray(rows)  # in the precision of the test

    dynamic_KSD = STEP.get(f"dynamic_{name}", np.zeros((K, 0, D)))
    live_K = jnp.arange(num_rows(K)) < K
    return PrototypeBank(
        padded(centroid_KD), padded(STEP[f"hard_{name}"]), padded(dynamic_KSD), live_K
    )


def encoder_of(prefix):
    """(model, params): features of the figures, the two views of a visible picture apart."""
    visible, infrared = (jnp.asarray(STEP[f"{prefix}features_{m}"]) for m in "vr")
    return FeaturesAsWeights(len(visible), len(infrared), visible.shape[1]), {
        "visible": visible,
        "infrared": infrared,
    }


def batch_of(prefix):
    """Pictures without content; the labels of one view, since a step repeats them for the other."""
    labels_v, labels_r = (STEP[f"{prefix}labels_{m}"].astype(np.int32) for m in "vr")
    labels_v, second = np.split(labels_v, 2)
    np.testing.assert_array_equal(labels_v, second)
    blank = np.zeros((1, 4, 2, 3), np.uint8)
    batch = Batch(
        blank.repeat(len(labels_v), 0), blank.repeat(len(labels_r), 0), labels_v, labels_r
    )
    if prefix:
        return batch
    return batch._replace(
        visible_matches_B=STEP["v_to_r"][labels_v].astype(np.int32),
        infrared_matches_B=STEP["r_to_v"][labels_r].astype(np.int32),
    )


def cluster_settings_of_the_figures(stage):
    config = common.base("released")
    for name in ("k1", "k2", "joint_k1", "joint_k2", "min_samples"):
        config.cluster[name] = int(LABELS[name])
    config.cluster.eps = float(LABELS["eps"])
    return cluster_settings(config, When(stage, 0))


def modality_of_joint():
    counts = [len(LABELS[f"features_{m}_ND"]) for m in ("visible", "infrared")]
    return np.repeat([0, 1], counts)
