"""Every jitted program of an experiment, by name, with the shapes that it is called with."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pclhd_jax.batches.batch import Batch, Batches
from pclhd_jax.clustering.neighbour_search import BLOCK_ROWS, TILE_ROWS, search_block
from pclhd_jax.method.prototypes import PrototypeBank, num_rows
from pclhd_jax.method.schedules import epoch_inputs
from pclhd_jax.method.state import make_optimizer
from pclhd_jax.method.step_data import Banks
from pclhd_jax.settings.schedule import When
from pclhd_jax.settings.sections import Settings
from pclhd_jax.training.experiment import (
    fixed_of,
    make_feature_steps,
    make_model,
    make_train_steps,
    sampling_of,
    state_shapes,
)

# Rows of the visible, infrared and joint bank that SYSU-MM01's 395 training people may fill: an
# early epoch finds up to twice as many clusters.
CLUSTERS = (1024, 512, 768)
EXACT = "exact"  # float32 that no matrix unit rounds


class Program(NamedTuple):
    call: Callable[..., Any]  # jitted
    shapes: tuple[Any, ...]  # a pytree of ShapeDtypeStruct for every argument
    pictures: int  # that one call takes; 0 where it takes features
    products: str  # what its products are of: the model's type, or EXACT


def programs_of(settings: Settings, clusters: Sequence[int] = CLUSTERS) -> dict[str, Program]:
    """The steps of both stages, both feature steps, and a product of the neighbour search.

    clusters: of visible, infrared and both pictures.

    Raises ValueError for settings that cannot be.
    """
    model = make_model(settings)
    fixed = fixed_of(settings, model, make_optimizer(settings.optimizer.weight_decay))
    steps, state = make_train_steps(fixed), state_shapes(settings)
    height, width, D = settings.data.height, settings.data.width, model.feature_width
    key = jax.eval_shape(partial(jax.random.key, 0))
    inputs = shapes_of(epoch_inputs(When(2, 0), settings.loss))

    def bank(num_clusters: int, S: int) -> PrototypeBank:
        K = num_rows(num_clusters)
        return PrototypeBank(real(K, D), real(K, D), real(K, S, D), shape(jnp.bool, K))

    def batch(stage: int, matched: bool) -> Batch:
        sampling = sampling_of(settings, stage)
        V = sampling.clusters_per_batch * sampling.visible_shots
        R = sampling.clusters_per_batch * sampling.infrared_shots
        pictures = [shape(jnp.uint8, n, height, width, 3) for n in (V, R)]
        labels = [shape(jnp.int32, n) for n in (V, R)]
        return Batch(*pictures, *labels, *(labels if matched else (None, None)))

    def count(stage: int, passes: int) -> int:
        sampling = sampling_of(settings, stage)
        shots = sampling.visible_shots + sampling.infrared_shots
        return passes * sampling.clusters_per_batch * shots

    own_K, joint_K = clusters[:2], clusters[2]
    S, B = settings.prototypes.num_dynamic, settings.feature_batch_size
    banks1 = Banks(*(bank(K, 0) for K in own_K))
    joint_bank = bank(joint_K, 0) if settings.loss.joint else None
    banks2 = Banks(*(bank(K, S) for K in own_K), joint_bank)
    joint_batch = batch(2, False) if settings.loss.joint else None
    encoder = {"params": state.params, "batch_stats": state.batch_stats}
    images, dtype = shape(jnp.uint8, B, height, width, 3), settings.model.dtype
    return {
        "stage 1 step": Program(
            steps[1], (state, banks1, Batches(batch(1, False)), inputs, key), count(1, 1), dtype
        ),
        "stage 2 step": Program(
            steps[2],
            (state, banks2, Batches(batch(2, True), joint_batch), inputs, key),
            count(2, 1 + settings.loss.joint),
            dtype,
        ),
        **{
            f"{modality} features": Program(step, (encoder, images), B, dtype)
            for modality, step in make_feature_steps(model, settings.cluster.unit_features).items()
        },
        "neighbours of a block": Program(
            jax.jit(partial(search_block, k=settings.cluster.k1 + 1)),
            (real(BLOCK_ROWS, D), real(TILE_ROWS, D), None, shape(jnp.int32)),
            0,
            EXACT,
        ),
    }


def shape(dtype: Any, *sizes: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(sizes, dtype)


def real(*sizes: int) -> jax.ShapeDtypeStruct:
    return shape(jnp.float32, *sizes)


def shapes_of(tree: Any) -> Any:
    return jax.tree.map(lambda x: shape(jnp.result_type(x), *jnp.shape(x)), tree)
