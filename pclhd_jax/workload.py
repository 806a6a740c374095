"""What a run works on, as its config names it: pictures in memory and protocols to score."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pclhd_jax.data.batches import TrainPictures
from pclhd_jax.data.datasets import Pictures, regdb_train, sysu_train
from pclhd_jax.data.images import load_pictures
from pclhd_jax.evaluation.protocols import Protocol, regdb_protocols, sysu_protocols
from pclhd_jax.progress import Progress, say


class Workload(NamedTuple):
    """Everything in host memory; pictures are uint8 (N, H, W, 3).

    The identities of the training pictures serve the cluster-quality report alone;
    test pictures are keyed by modality.
    """

    train: TrainPictures
    visible_identities_N: np.ndarray
    infrared_identities_N: np.ndarray
    test_NHWC: dict[str, np.ndarray]
    protocols: list[Protocol]


class TestWork(NamedTuple):
    """The part of a `Workload` that evaluation needs."""

    __test__ = False  # pytest looks for names like this one

    test_NHWC: dict[str, np.ndarray]
    protocols: list[Protocol]


def load_test(config: Any) -> TestWork:
    """The protocols and their pictures alone. Raises as `load_workload`."""
    data = config.data
    if "synthetic" in data:
        draw_if_missing(data)
    protocols = make_protocols(config)
    return TestWork(load_test_pictures(protocols, data), protocols)


def load_workload(config: Any) -> Workload:
    """Read the lists and decode every picture once.

    Raises:
      ValueError: an unknown config.data.layout.
      As the readers: missing folders, split files, unreadable pictures.
    """
    data = config.data
    if "synthetic" in data:
        draw_if_missing(data)
    if data.layout == "sysu":
        train = sysu_train(data.source)
    elif data.layout == "regdb":
        train = regdb_train(data.source, trial=data.trial)
    else:
        raise ValueError(unknown_layout(data))
    protocols = make_protocols(config)

    cameras = [p.cameras_N if data.use_cameras else None for p in train]
    return Workload(
        TrainPictures(
            load(train.visible, "visible training pictures", data, "bicubic"),
            load(train.infrared, "infrared training pictures", data, "bicubic"),
            *cameras,
        ),
        train.visible.identities_N,
        train.infrared.identities_N,
        load_test_pictures(protocols, data),
        protocols,
    )


def make_protocols(config: Any) -> list[Protocol]:
    """What config.data.layout is scored by."""
    data, evaluation = config.data, config.evaluation
    if data.layout == "sysu":
        return sysu_protocols(
            data.source,
            modes=evaluation.sysu_modes,
            shots=evaluation.sysu_shots,
            num_trials=evaluation.trials,
        )
    if data.layout == "regdb":
        return regdb_protocols(data.source, trial=data.trial)
    raise ValueError(unknown_layout(data))


def unknown_layout(data: Any) -> str:
    return f"config.data.layout is {data.layout!r}; it must be sysu or regdb"


def load_test_pictures(protocols: list[Protocol], data: Any) -> dict[str, np.ndarray]:
    return {
        modality: load(pictures, f"{modality} test pictures", data, "lanczos")
        for modality, pictures in test_pictures(protocols[0]).items()
    }


def test_pictures(protocol: Protocol) -> dict[str, Pictures]:
    """Queries and gallery by modality; all protocols of a set share these two lists."""
    if protocol.query_modality == "infrared":
        return {"visible": protocol.gallery, "infrared": protocol.query}
    return {"visible": protocol.query, "infrared": protocol.gallery}


def load(pictures: Pictures, what: str, data: Any, resample: str) -> np.ndarray:
    say(f"{len(pictures.paths):,} {what}")
    return load_pictures(
        pictures,
        height=data.height,
        width=data.width,
        resample=resample,
        report=Progress(f"loading {what}"),
    )


def draw_if_missing(data: Any) -> None:
    """Draw the synthetic set into config.data.source on first use."""
    if Path(data.source).exists():
        return
    from data_prep.synthetic import generate

    say(f"drawing the synthetic picture set into {data.source} (once)")
    generate(data.source, **data.synthetic)
