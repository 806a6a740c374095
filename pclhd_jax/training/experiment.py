"""What stays put from the start of a run to its end, built from its settings."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from pclhd_jax.batches.apart_and_joint import Sampling
from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.method import steps
from pclhd_jax.method.gradients import stage1_gradients, stage2_gradients
from pclhd_jax.method.loss_scale import start_scale
from pclhd_jax.method.state import (
    TrainState,
    init_state,
    init_variables,
    make_optimizer,
    start_state,
)
from pclhd_jax.method.step_data import TermSettings
from pclhd_jax.models.agw import AGW
from pclhd_jax.models.resnet import trunk_of_depth
from pclhd_jax.processes.agreement import check_same_pictures
from pclhd_jax.processes.devices import describe_devices
from pclhd_jax.processes.exchange import first_then_all, same_as_first
from pclhd_jax.processes.mesh import check_divisible, make_mesh, replicate
from pclhd_jax.processes.progress import say
from pclhd_jax.settings.sections import STAGES, settings_of
from pclhd_jax.training.run_pictures import RunPictures, load_all_pictures, load_test_pictures
from pclhd_jax.weights.starting import overlay, read_starting_weights


class Run(NamedTuple):
    """What a run computes with. Where it only evaluates there are feature steps alone.

    All steps are jitted. Beside it: `training.services`.
    """

    config: Any
    mesh: Mesh
    pictures: RunPictures
    feature_steps: dict[str, Callable]  # by modality; unit features, to be scored
    cluster_feature_steps: dict[str, Callable] | None = None  # for clusters, centroids; unit or not
    train_steps: dict[int, Callable] | None = None  # by stage
    gradient_steps: dict[int, Callable] | None = None  # by stage, see method.gradients


def start_run(config: Any) -> Run:
    """For training: check the settings, load the pictures, bind and jit the steps.

    Raises:
      ValueError: settings that cannot work, with the remedy.
      As `load_all_pictures`.
    """
    config, mesh = settings_of(config), make_mesh()
    say(describe_devices())
    check_devices(config, mesh)
    model = make_model(config)
    fixed = fixed_of(config, model, optimizer_of(config))
    pictures = first_then_all(load_all_pictures, config)
    check_same_pictures(pictures.digests)
    return Run(
        config,
        mesh,
        pictures,
        make_feature_steps(model, True),
        make_feature_steps(model, config.cluster.unit_features),
        make_train_steps(fixed),
        make_gradient_steps(fixed),
    )


def start_evaluation(config: Any) -> Run:
    """For evaluation alone: test pictures and feature steps, nothing to train with.

    Raises:
      ValueError: settings that cannot work, with the remedy.
      As `load_test_pictures`.
    """
    config, mesh = settings_of(config), make_mesh()
    say(describe_devices())
    check_divisible(config.feature_batch_size, mesh, "config.feature_batch_size")
    pictures = first_then_all(load_test_pictures, config)
    check_same_pictures(pictures.digests)
    return Run(config, mesh, pictures, make_feature_steps(make_model(config), True))


@cache  # a second run in one process, as in a notebook, compiles nothing anew
def make_train_steps(fixed: steps.Fixed) -> dict[int, Callable]:
    return {
        stage: jax.jit(partial(step, fixed=fixed), donate_argnums=(0, 1))
        for stage, step in ((1, steps.stage1_step), (2, steps.stage2_step))
    }


@cache
def make_gradient_steps(fixed: steps.Fixed) -> dict[int, Callable]:
    return {
        stage: jax.jit(partial(gradients, fixed=fixed))
        for stage, gradients in ((1, stage1_gradients), (2, stage2_gradients))
    }


@cache  # by its arguments as they are written: no defaults, so that equal ones are one key
def make_feature_steps(model: AGW, unit_features: bool, /) -> dict[str, Callable]:
    return {
        modality: jax.jit(
            partial(steps.feature_step, model=model, modality=modality, unit_features=unit_features)
        )
        for modality in MODALITIES
    }


def make_model(config: Any) -> AGW:
    trunk_of_depth(config.model.depth)  # raises for one that there is not
    model = config.model
    return AGW(
        depth=model.depth,
        width=model.width,
        dtype=jnp.dtype(model.dtype),
        bn_groups=config.bn_groups,
        remat=model.remat,
    )


def starting_weights(config: Any) -> dict[tuple[str, ...], Any]:
    """What config.init's file gives, by path; none if it names none."""
    return read_starting_weights(
        make_model(config), imagenet=config.init.imagenet, agw=config.init.agw
    )


def optimizer_of(config: Any) -> optax.GradientTransformation:
    return make_optimizer(config.optimizer.weight_decay)


def fresh_state(
    config: Any, mesh: Mesh, weights: dict[tuple[str, ...], Any] | None = None
) -> TrainState:
    """Random weights from config.seed, and over them `starting_weights`; on every device."""
    size = {"height": config.data.height, "width": config.data.width}
    variables = init_variables(make_model(config), **size, key=jax.random.key(config.seed))
    scale = start_scale(config.model.dtype)
    state = start_state(overlay(variables, weights or {}), optimizer_of(config), scale)
    return replicate(mesh, same_as_first(state))


def state_shapes(config: Any) -> TrainState:
    """Shapes and types of a state, nothing computed: what a checkpoint is restored into."""
    return jax.eval_shape(
        partial(
            init_state,
            make_model(config),
            optimizer_of(config),
            height=config.data.height,
            width=config.data.width,
        ),
        key=jax.random.key(config.seed),
    )


def fixed_of(config: Any, model: AGW, tx: optax.GradientTransformation) -> steps.Fixed:
    settings = TermSettings(config.loss, config.prototypes)
    return steps.Fixed(model, tx, settings, config.augment_pad, config.encoder_decay)


def sampling_of(config: Any, stage: int) -> Sampling:
    counts = ("batches_per_epoch", "clusters_per_batch", "visible_shots", "infrared_shots")
    of_stage = getattr(config, f"stage{stage}")
    return Sampling(*(getattr(of_stage, name) for name in counts), config.sampler)


def check_devices(config: Any, mesh: Mesh) -> None:
    """Raises ValueError for batches that do not divide over the devices."""
    check_divisible(config.feature_batch_size, mesh, "config.feature_batch_size")
    for stage in STAGES:
        sampling = sampling_of(config, stage)
        for name in ("visible_shots", "infrared_shots"):
            rows = sampling.clusters_per_batch * getattr(sampling, name)
            check_divisible(rows, mesh, f"config.stage{stage}.{name}")
