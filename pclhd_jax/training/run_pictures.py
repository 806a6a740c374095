"""The pictures of a run, as its settings name them, and the protocols that score it.

Draws the synthetic set and prepares any set on first use.
"""

from dataclasses import asdict, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pclhd_jax.batches.apart_and_joint import TrainPictures
from pclhd_jax.data.datasets import layout_named
from pclhd_jax.data.layout import Scoring
from pclhd_jax.data.lists import Pictures, list_digest
from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.data.pictures.cache import Originals, cached_pictures
from pclhd_jax.data.pictures.decode import PictureForm
from pclhd_jax.data.pictures.prepared import is_prepared
from pclhd_jax.data.pictures.source import PictureSource, open_raw, open_records
from pclhd_jax.data.protocol import Protocol
from pclhd_jax.processes.progress import Progress, say
from pclhd_jax.system.disk_errors import disk_explained
from pclhd_jax.system.one_at_a_time import one_at_a_time
from pclhd_jax.system.own_parts import own_part
from pclhd_jax.system.plain_files import is_there, read_plain

FILTERS = {"train": "bicubic", "test": "lanczos"}


class RunPictures(NamedTuple):
    """Everything in host memory or mapped into it; pictures are uint8 (N, H, W, 3).

    Test pictures are keyed by modality. Without test pictures there is no protocol. The identities
    of the training pictures serve the cluster-quality report alone (-1: unknown). None of training
    is there where a run only evaluates.
    """

    test_NHWC: dict[str, np.ndarray]
    protocols: list[Protocol]
    digests: dict[str, str]  # of the list of every split
    train: TrainPictures | None = None
    visible_identities_N: np.ndarray | None = None
    infrared_identities_N: np.ndarray | None = None


def load_test_pictures(config: Any) -> RunPictures:
    """The protocols and their pictures alone. Raises as `load_all_pictures`."""
    return _test_side(config, open_source(config))


def load_all_pictures(config: Any) -> RunPictures:
    """Read the lists, and decode every picture once in the life of the cache.

    Raises:
      ValueError: an unknown config.data.layout, or a data set that is not whole.
      As the readers: missing folders, split files, unreadable pictures.
    """
    source = open_source(config)
    lists = [source.lists[f"train_{modality}"] for modality in MODALITIES]
    train = TrainPictures(
        *(_pixels(config, source, f"train_{modality}") for modality in MODALITIES),
        *(pictures.cameras_N if config.data.use_cameras else None for pictures in lists),
    )
    visible, infrared = (pictures.identities_N for pictures in lists)
    return _test_side(config, source)._replace(
        train=train, visible_identities_N=visible, infrared_identities_N=infrared
    )


def _test_side(config: Any, source: PictureSource) -> RunPictures:
    return RunPictures(
        {
            modality: _pixels(config, source, f"test_{modality}")
            for modality in MODALITIES
            if f"test_{modality}" in source.lists
        },
        _protocols(config, source.lists),
        {split: list_digest(pictures) for split, pictures in source.lists.items()},
    )


def _protocols(config: Any, lists: dict[str, Pictures]) -> list[Protocol]:
    """All that the layout is scored by; none without test pictures."""
    if "test_visible" not in lists:
        return []
    evaluation = config.evaluation
    scoring = Scoring(
        trial=config.trial,
        num_trials=evaluation.trials,
        modes=evaluation.sysu_modes,
        shots=evaluation.sysu_shots,
    )
    test = lists["test_visible"], lists["test_infrared"]
    return layout_named(config.data.layout).protocols(test, scoring)


def _pixels(config: Any, source: PictureSource, split: str) -> np.ndarray:
    """The pictures of a split, (N, H, W, 3), from the cache if it has them."""
    data, pictures = config.data, source.lists[split]
    kind, modality = split.split("_")
    what = f"{modality} {'training' if kind == 'train' else 'test'} pictures"
    say(f"{len(pictures.paths):,} {what}")
    numbered = layout_named(data.layout).trials
    name = f"{data.layout}-{config.trial}" if numbered else data.layout
    return cached_pictures(
        pictures,
        Originals(partial(source.read, split), source.stamp),
        PictureForm(data.height, data.width, FILTERS[kind]),
        Path(data.cache) / f"{name}-{split}" if data.cache else None,
        report=Progress(f"decoding {what}"),
        tell=say,
    )


def open_source(config: Any) -> PictureSource:
    """The set at config.data.source, through its prepared copy unless config.data.prepared is ''.

    config.data.source may be a prepared set itself.
    """
    data = config.data
    layout_named(data.layout)  # raises for one that there is not, before anything is drawn
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
        return open_records(data.layout, _prepared_copy(config), trial=config.trial)
    except ModuleNotFoundError as error:  # not every machine that computes has TFDS
        raise ValueError(
            f"reading the prepared set needs {error.name}, which is not installed; "
            "pip install -r requirements.txt, or read the original folder as it is: "
            "--config.data.prepared="
        ) from error


def _prepared_copy(config: Any) -> Path:
    """The folder of the prepared set, which is made on first use."""
    prepare = own_part("data_prep.prepare").prepare
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


def draw_if_missing(data: Any) -> None:
    """Draw the synthetic set into config.data.source on first use, in config.data.layout.

    Raises:
      ValueError: the set that is there was drawn from other settings.
    """
    source = Path(data.source)
    if _holds_something(source):
        _check_drawn(data)
        return
    waiting = f"waiting for another process that draws {source}"
    with disk_explained("drawing the set", source.parent):
        source.parent.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(source.with_name(f".{source.name}.lock"), partial(say, waiting)):
            if _holds_something(source):  # drawn while this process waited
                _check_drawn(data)
                return
            say(f"drawing the synthetic picture set into {source} (once)")
            own_part("data_prep.synthetic").generate(source, **_drawn(data))


def _holds_something(source: Path) -> bool:
    return source.exists() and not (source.is_dir() and not any(source.iterdir()))


def _drawn(data: Any) -> dict[str, Any]:
    """What `data_prep.synthetic` draws from."""
    drawn = asdict(data.synthetic) if is_dataclass(data.synthetic) else dict(data.synthetic)
    return drawn | {"layout": data.layout}


def _check_drawn(data: Any) -> None:
    readme = Path(data.source) / "README.txt"
    described = own_part("data_prep.synthetic").describe_set(**_drawn(data))
    if is_there(readme) and read_plain(readme) != described.encode():
        raise ValueError(
            f"{data.source} was drawn from other settings than config.data.synthetic (its "
            "README.txt lists them); name another config.data.source, or remove that folder"
        )
