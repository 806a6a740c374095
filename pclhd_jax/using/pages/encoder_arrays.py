"""Arrays that need the run's encoder and pictures; what draws them needs neither."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.data.pictures.prepared import is_prepared
from pclhd_jax.data.protocol import Protocol
from pclhd_jax.method.augment import normalise
from pclhd_jax.models.resnet import trunk_of_depth
from pclhd_jax.processes.exchange import same_as_first
from pclhd_jax.processes.mesh import replicate
from pclhd_jax.saving.workdir import read_pictures
from pclhd_jax.settings.kept import read_settings
from pclhd_jax.settings.sections import Settings
from pclhd_jax.training.experiment import make_model, start_evaluation
from pclhd_jax.training.run_pictures import RunPictures, load_all_pictures
from pclhd_jax.training.scores import test_features
from pclhd_jax.using.encoder import Encoder, load_encoder


class Seen(NamedTuple):
    """The test pictures of a run and what its encoder makes of them."""

    encoder: Encoder
    protocols: list[Protocol]
    pictures: dict[str, np.ndarray]  # uint8 (N, H, W, 3) by modality
    z: dict[str, np.ndarray]  # unit rows (N, D) by modality


def see_test_pictures(workdir: Path, pictures_root: str | None = None) -> Seen:
    """Features of all test pictures, by the newest sound checkpoint.

    pictures_root: where the pictures are now; None: where the run's settings say.

    Raises:
      FileNotFoundError: no checkpoint, or no pictures where the settings say.
      ValueError: settings of another version, damaged checkpoints, other pictures than the run's,
        nobody whose identity is known.
    """
    encoder = load_encoder(workdir)
    settings = settings_at(encoder.settings, pictures_root)
    run = start_evaluation(settings)
    check_same_lists(workdir, settings, run.pictures.digests, "test")
    if not run.pictures.protocols:
        raise ValueError(
            f"nobody's identity is known in {settings.data.source}; an identities.csv "
            "beside the pictures names some to query with (docs/data.md)"
        )
    z = test_features(run, replicate(run.mesh, same_as_first(encoder.variables)))
    by_modality = dict(zip(MODALITIES, z, strict=True))
    return Seen(encoder, run.pictures.protocols, run.pictures.test_NHWC, by_modality)


def training_pictures(workdir: Path, pictures_root: str | None = None) -> RunPictures:
    """The pictures that a run's features and labels are of, row by row.

    pictures_root: as for `see_test_pictures`.

    Raises:
      FileNotFoundError, ValueError: as `see_test_pictures`.
    """
    settings = settings_at(read_settings(workdir), pictures_root)
    pictures = load_all_pictures(settings)
    check_same_lists(workdir, settings, pictures.digests, "train")
    return pictures


def position_shares(encoder: Encoder, images_BHWC: np.ndarray, modality: str) -> np.ndarray:
    """(B, h, w) float32: what share of a picture's feature each position of the last map makes.

    images_BHWC: uint8, of one modality. See `shares`.
    """
    model = make_model(encoder.settings)
    last = f"layer4_{trunk_of_depth(model.depth).blocks_per_stage[-1] - 1}"
    step = jax.jit(partial(_last_map_and_feature, model=model, modality=modality, last=last))
    return np.asarray(shares(*step(encoder.variables, images_BHWC)))


def _last_map_and_feature(
    variables: Any, images_BHWC: jax.Array, *, model: Any, modality: str, last: str
) -> tuple[jax.Array, jax.Array]:
    x_BHWC = normalise(images_BHWC)
    pair = (x_BHWC, None) if modality == "visible" else (None, x_BHWC)
    z_BD, captured = model.apply(
        variables,
        *pair,
        train=False,
        capture_intermediates=lambda module, method: module.name == last,
        mutable=["intermediates"],
    )
    (y_BhwD,) = captured["intermediates"][last]["__call__"]
    return y_BhwD, z_BD


def shares(y_BhwD: jax.Array, z_BD: jax.Array) -> jax.Array:
    """(B, h, w), each picture's sum is 1.

    Pooling takes the mean of cubes (`models.agw.gem_pool`): a position's share of that mean is its
    cube over the sum of all. The mean of these shares over channels, each weighted by the square of
    the unit feature z, whose squares sum to 1. A channel that is zero everywhere is spread evenly.
    """
    cube_BhwD = y_BhwD.astype(jnp.float32) ** 3
    sum_B11D = cube_BhwD.sum(axis=(1, 2), keepdims=True)
    even = 1 / (y_BhwD.shape[1] * y_BhwD.shape[2])
    share_BhwD = jnp.where(sum_B11D > 0, cube_BhwD / jnp.where(sum_B11D > 0, sum_B11D, 1), even)
    return jnp.einsum("bhwd,bd->bhw", share_BhwD, z_BD**2)


def settings_at(settings: Settings, pictures_root: str | None) -> Settings:
    """The run's settings, with the pictures where they are now. Raises FileNotFoundError.

    Nothing is drawn, prepared or written in another folder of pictures. `check_same_lists` says
    whether they are the run's.
    """
    data = settings.data
    if pictures_root:
        data = replace(
            data,
            source=pictures_root,
            prepared="",
            allow_partial=True,
            cache=data.cache if os.path.isdir(data.cache) else "",
            camera_pattern="" if is_prepared(pictures_root) else data.camera_pattern,
            synthetic=None,
        )
    if not os.path.isdir(data.source):
        named = "--pictures_root" if pictures_root else "config.data.source"
        raise FileNotFoundError(
            f"no pictures at {data.source} ({named}); say where they are now with "
            "--pictures_root DIR, or give the command in the folder that the run was started in"
        )
    return replace(settings, data=data)


def check_same_lists(workdir: Path, settings: Settings, digests: dict[str, str], kind: str) -> None:
    """Raises ValueError where the pictures are not those that the run was trained on."""
    kept = read_pictures(workdir)
    changed = sorted(
        split for split in digests if split.startswith(kind) and digests[split] != kept.get(split)
    )
    if changed:
        raise ValueError(
            f"the pictures at {settings.data.source} are not those of the run: the lists "
            f"{', '.join(changed)} differ from pictures.json; --pictures_root DIR names another "
            "folder"
        )
