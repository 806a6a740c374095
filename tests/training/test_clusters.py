"""The labels of an epoch and the features that its dynamic prototypes are drawn from."""

import jax.numpy as jnp
import numpy as np

from pclhd_jax.batches.apart_and_joint import TrainPictures
from pclhd_jax.method.state import TrainState
from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.settings.schedule import When
from pclhd_jax.training.clusters import labels_and_momentum_features
from pclhd_jax.training.experiment import Run
from pclhd_jax.training.features import Features
from pclhd_jax.training.run_pictures import RunPictures
from pclhd_jax.training.services import Services
from tests.helpers.tiny import tiny_config


def three_groups(rng, count):
    """(N, 8) unit rows, picture i near the axis i % 3."""
    z_ND = np.eye(8)[np.arange(count) % 3] + 0.05 * rng.normal(size=(count, 8))
    return np.float32(z_ND / np.linalg.norm(z_ND, axis=1, keepdims=True))


def are_groups(labels_N):
    """Every picture is in a cluster, and each cluster is of one group."""
    pairs = set(zip(labels_N.tolist(), (np.arange(len(labels_N)) % 3).tolist(), strict=True))
    return labels_N.min() == 0 and len(pairs) == labels_N.max() + 1


def test_dynamic_prototypes_come_from_unit_features_of_the_momentum_encoder(tmp_path):
    config, rng = tiny_config(tmp_path, "released"), np.random.default_rng(0)
    z = Features(three_groups(rng, 30), three_groups(rng, 24))
    pixels = (np.zeros((len(z_ND), 2, 1, 3), np.uint8) for z_ND in z)
    pictures = RunPictures({}, [], {}, TrainPictures(*pixels, None, None))

    def step(variables, images_BHWC):
        return jnp.full((len(images_BHWC), 4), variables["params"])

    # There are no steps for features that are to be clustered: none must be asked for.
    run = Run(config, make_mesh(), pictures, {"visible": step, "infrared": step})
    state = TrainState(
        params=1.0, batch_stats=0, momentum_params=2.0, momentum_batch_stats=0, opt_state=0
    )
    for when in (When(1, 0), When(2, 0)):
        labels, momentum_z = labels_and_momentum_features(run, Services(tmp_path), when, state, z)
        assert are_groups(labels.visible_N) and are_groups(labels.infrared_N)
        if when.stage == 1:
            assert momentum_z is None
        else:
            assert [z_ND.shape for z_ND in momentum_z] == [(30, 4), (24, 4)]
            assert all((z_ND == 2).all() for z_ND in momentum_z)
