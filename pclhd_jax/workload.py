"""What a run works on, as its config names it: pictures in memory and protocols to score."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pclhd_jax.batches.apart_and_joint import TrainPictures
from pclhd_jax.data.lists import Pictures, list_digest
from pclhd_jax.evaluation.protocols import (
    Protocol,
    folders_protocols,
    llcm_protocols,
    regdb_protocols,
    sysu_protocols,
)
from pclhd_jax.pictures.cache import cached_pictures
from pclhd_jax.pictures.prepared import is_prepared
from pclhd_jax.pictures.source import PictureSource, check_layout, open_raw, open_records
from pclhd_jax.processes.progress import Progress, say

FILTERS = {"train": "bicubic", "test": "lanczos"}


class Workload(NamedTuple):
    """Everything in host memory or mapped into it; pictures are uint8 (N, H, W, 3).

    The identities of the training pictures serve the cluster-quality report alone (-1: unknown);
    test pictures are keyed by modality. Without test pictures there is no protocol.
    """

    train: TrainPictures
    visible_identities_N: np.ndarray
    infrared_identities_N: np.ndarray
    test_NHWC: dict[str, np.ndarray]
    protocols: list[Protocol]
    digests: dict[str, str]  # of the list of every split


class TestWork(NamedTuple):
    """The part of a `Workload` that evaluation needs."""

    __test__ = False  # pytest looks for names like this one

    test_NHWC: dict[str, np.ndarray]
    protocols: list[Protocol]
    digests: dict[str, str]


def load_test(config: Any) -> TestWork:
    """The protocols and their pictures alone. Raises as `load_workload`."""
    source = open_source(config)
    protocols = make_protocols(config, source.lists)
    return TestWork(load_test_pictures(config, source), protocols, digests_of(source))


def load_workload(config: Any) -> Workload:
    """Read the lists, and decode every picture once in the life of the cache.

    Raises:
      ValueError: an unknown config.data.layout, or a data set that is not whole.
      As the readers: missing folders, split files, unreadable pictures.
    """
    source = open_source(config)
    lists = source.lists
    train = lists["train_visible"], lists["train_infrared"]
    return Workload(
        TrainPictures(
            load(config, source, "train_visible"),
            load(config, source, "train_infrared"),
            *(p.cameras_N if config.data.use_cameras else None for p in train),
        ),
        *(p.identities_N for p in train),
        load_test_pictures(config, source),
        make_protocols(config, lists),
        digests_of(source),
    )


def digests_of(source: PictureSource) -> dict[str, str]:
    return {split: list_digest(pictures) for split, pictures in source.lists.items()}


def open_source(config: Any) -> PictureSource:
    """The set at config.data.source, through its prepared copy unless config.data.prepared is ''.

    config.data.source may be a prepared set itself.
    """
    data = config.data
    check_layout(data.layout)
    if data.synthetic:
        draw_if_missing(data)
    if not data.prepared and not is_prepared(data.source):
        return open_raw(
            data.layout, data.source, trial=config.trial, camera_pattern=data.camera_pattern
        )
    if is_prepared(data.source) and data.camera_pattern:
        raise ValueError(
            f"config.data.camera_pattern is {data.camera_pattern!r}, and {data.source} is "
            "prepared: its cameras are settled; leave the pattern out, or name the original folder"
        )
    try:
        return open_records(data.layout, prepared_copy(config), trial=config.trial)
    except ModuleNotFoundError as error:  # not every machine that computes has TFDS
        raise ValueError(
            f"reading the prepared set needs {error.name}, which is not installed; "
            "pip install -r requirements.txt, or read the original folder as it is: "
            "--config.data.prepared="
        ) from error


def prepared_copy(config: Any) -> Path:
    """The folder of the prepared set, which is made on first use."""
    from data_prep.prepare import prepare

    data = config.data
    return prepare(
        data.layout,
        data.source,
        data.prepared,
        trial=config.trial,
        camera_pattern=data.camera_pattern,
        # The synthetic set has its own counts, not those of the set whose layout it borrows.
        allow_partial=data.allow_partial or bool(data.synthetic),
    )


def make_protocols(config: Any, lists: dict[str, Pictures]) -> list[Protocol]:
    """All that the layout is scored by; none without test pictures."""
    if "test_visible" not in lists:
        return folders_protocols(None)
    test = lists["test_visible"], lists["test_infrared"]
    evaluation = config.evaluation
    if config.data.layout == "sysu":
        return sysu_protocols(
            test,
            modes=evaluation.sysu_modes,
            shots=evaluation.sysu_shots,
            num_trials=evaluation.trials,
        )
    if config.data.layout == "regdb":
        return regdb_protocols(test, trial=config.trial)
    if config.data.layout == "llcm":
        return llcm_protocols(test, num_trials=evaluation.trials)
    return folders_protocols(test)


def load_test_pictures(config: Any, source: PictureSource) -> dict[str, np.ndarray]:
    """By modality; empty where the set has no test pictures."""
    return {
        modality: load(config, source, f"test_{modality}")
        for modality in ("visible", "infrared")
        if f"test_{modality}" in source.lists
    }


def load(config: Any, source: PictureSource, split: str) -> np.ndarray:
    """The pictures of a split, (N, H, W, 3), from the cache if it has them."""
    data, pictures = config.data, source.lists[split]
    kind, modality = split.split("_")
    what = f"{modality} {'training' if kind == 'train' else 'test'} pictures"
    say(f"{len(pictures.paths):,} {what}")
    name = f"{data.layout}-{config.trial}" if data.layout == "regdb" else data.layout
    return cached_pictures(
        pictures,
        partial(source.read, split),
        height=data.height,
        width=data.width,
        resample=FILTERS[kind],
        folder=data.cache,
        name=f"{name}-{split}",
        stamp=source.stamp,
        report=Progress(f"decoding {what}"),
        tell=say,
    )


def drawn(data: Any) -> dict[str, Any]:
    """What `data_prep.synthetic` draws."""
    names = ("train_ids", "val_ids", "test_ids", "shots", "seed")
    return {name: getattr(data.synthetic, name) for name in names}


def draw_if_missing(data: Any) -> None:
    """Draw the synthetic set into config.data.source on first use, in config.data.layout.

    Raises:
      ValueError: the set that is there was drawn from other settings.
    """
    from data_prep.synthetic import describe_set, generate

    if Path(data.source).exists():
        readme = Path(data.source) / "README.txt"
        if readme.exists() and readme.read_text() != describe_set(
            layout=data.layout, **drawn(data)
        ):
            raise ValueError(
                f"{data.source} was drawn from other settings than config.data.synthetic (its "
                "README.txt tells which); name another config.data.source, or remove that folder"
            )
        return
    say(f"drawing the synthetic picture set into {data.source} (once)")
    generate(data.source, layout=data.layout, **drawn(data))
