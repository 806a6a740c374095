"""What stays put from the start of a run to its end, built from the config."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from pclhd_jax import steps
from pclhd_jax.clustering.epoch import ClusterSettings
from pclhd_jax.data.batches import Sampling
from pclhd_jax.models.agw import AGW
from pclhd_jax.sharding import check_divisible, make_mesh, replicate
from pclhd_jax.state import TrainState, init_state, make_optimizer
from pclhd_jax.terms import TermSettings
from pclhd_jax.workload import Workload, load_workload

STAGES = (1, 2)


class Run(NamedTuple):
    config: Any
    mesh: Mesh
    work: Workload
    tx: optax.GradientTransformation
    train_steps: dict[int, Callable]  # by stage, jitted
    feature_steps: dict[str, Callable]  # by modality, jitted


def start_run(config: Any) -> Run:
    """Check the settings, load the pictures, bind and jit the steps.

    Raises:
      ValueError: settings that cannot work, with the remedy.
      As `load_workload`.
    """
    mesh = make_mesh()
    check_settings(config, mesh)
    model = make_model(config)
    tx = make_optimizer(config.optimizer.weight_decay)
    fixed = fixed_of(config, model, tx)
    train_steps = {
        stage: jax.jit(partial(step, fixed=fixed), donate_argnums=(0, 1))
        for stage, step in ((1, steps.stage1_step), (2, steps.stage2_step))
    }
    feature_steps = {
        modality: jax.jit(partial(steps.feature_step, model=model, modality=modality))
        for modality in ("visible", "infrared")
    }
    return Run(config, mesh, load_workload(config), tx, train_steps, feature_steps)


def schedule(config: Any) -> list[tuple[int, int]]:
    """(stage, epoch in the stage) of every epoch of the run."""
    return [(s, e) for s in STAGES for e in range(config[f"stage{s}"].epochs)]


def make_model(config: Any) -> AGW:
    return AGW(config.model.depth, config.model.width, jnp.dtype(config.model.dtype))


def fresh_state(run: Run) -> TrainState:
    """Random weights from config.seed, on every device."""
    config = run.config
    state = init_state(
        make_model(config),
        run.tx,
        height=config.data.height,
        width=config.data.width,
        key=jax.random.key(config.seed),
    )
    return replicate(run.mesh, state)


def fixed_of(config: Any, model: AGW, tx: optax.GradientTransformation) -> steps.Fixed:
    loss = config.loss
    terms = TermSettings(
        temperature=loss.temperature,
        own_margin=loss.own_margin,
        hybrid_margin=loss.hybrid_margin,
        cross_weight=loss.cross_weight,
        bank_momentum=config.prototypes.momentum,
        dynamic_query=loss.dynamic_query,
        dynamic_choice=loss.dynamic_choice,
    )
    return steps.Fixed(model, tx, terms, config.augment_pad, config.encoder_decay)


def sampling_of(config: Any, stage: int) -> Sampling:
    stage_config = config[f"stage{stage}"]
    return Sampling(*(stage_config[name] for name in Sampling._fields))


def cluster_settings(config: Any) -> ClusterSettings:
    return ClusterSettings(*(config.cluster[name] for name in ClusterSettings._fields))


def check_settings(config: Any, mesh: Mesh) -> None:
    """Raises ValueError for a word that names nothing or a batch that does not divide."""
    choices = {
        "loss.dynamic_query": ("online", "momentum"),
        "loss.dynamic_choice": ("extremes", "random"),
        "model.dtype": ("float32", "bfloat16"),
    }
    for name, allowed in choices.items():
        section, key = name.split(".")
        if config[section][key] not in allowed:
            raise ValueError(
                f"config.{name} is {config[section][key]!r}; it must be {' or '.join(allowed)}"
            )
    if not schedule(config):
        raise ValueError("no epoch to run; raise config.stage1.epochs or config.stage2.epochs")
    check_divisible(config.feature_batch_size, mesh, "config.feature_batch_size")
    for stage in STAGES:
        sampling = sampling_of(config, stage)
        for name in ("visible_shots", "infrared_shots"):
            rows = sampling.clusters_per_batch * getattr(sampling, name)
            check_divisible(rows, mesh, f"config.stage{stage}.{name}")
