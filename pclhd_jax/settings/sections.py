"""The settings of a run: a config, checked once, as frozen plain values.

`settings_of(config)` is the one place that reads a config; everything else takes what it needs of
the tree it returns, whose names are those of `configs/common.py`, where they are explained.

A setting is a value with its comment in `configs/common.py` and a line here: its type, its limits,
`before`, the value with which runs are read that are older than the setting, and `free`, where it
may differ without making another run.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import PurePath
from typing import Any, get_type_hints

from pclhd_jax.data.datasets import LAYOUTS
from pclhd_jax.settings.limits import (
    MOST,
    MOST_ROWS,
    channels,
    flag,
    in_short,
    is_number,
    number,
    path,
    setting,
    several,
    text,
    three_weights,
    word,
)
from pclhd_jax.settings.together import check_together
from pclhd_jax.system.text import printable

STAGES = (1, 2)
# Settings of earlier versions, with the value that behaves as this version does.
REMOVED = {"loss.align_weight": 0.0}
WRITERS = ("tensorboard", "mlflow", "wandb")  # `reports.writer_words` opens them


@dataclass(frozen=True)
class Synthetic:
    train_ids: int = number(1, MOST)
    val_ids: int = number(1, MOST)
    test_ids: int = number(1, MOST)
    shots: int = number(1, MOST)
    height: int = number(32, 4096)
    width: int = number(16, 4096)
    seed: int = number(0, 2**32 - 1)
    difficulty: str = word("easy", "medium", "hard")


@dataclass(frozen=True)
class Data:
    layout: str = word(*LAYOUTS)
    source: str = path(empty=False, free="between machines")
    prepared: str = path(free="between machines")
    allow_partial: bool = flag()
    cache: str = path(free="between machines")
    camera_pattern: str = text()
    height: int = number(16, 4096)
    width: int = number(16, 4096)
    use_cameras: bool = flag()
    synthetic: Synthetic | None


@dataclass(frozen=True)
class Model:
    depth: int = number(1, MOST)  # against the trunks there are: `models.resnet.trunk_of_depth`
    width: float = setting(channels)
    dtype: str = word("float32", "bfloat16", "float16")
    remat: bool = flag(before=False)


@dataclass(frozen=True)
class Init:
    imagenet: str = path()
    agw: str = path()


@dataclass(frozen=True)
class Stage:
    epochs: int = number(0, MOST)
    batches_per_epoch: int = number(1, MOST - 1)
    clusters_per_batch: int = number(1, MOST_ROWS)
    visible_shots: int = number(1, MOST_ROWS)
    infrared_shots: int = number(1, MOST_ROWS)


@dataclass(frozen=True)
class Optimizer:
    learning_rate: float = number(above=0)
    weight_decay: float = number(0)
    decay_every_epochs: int = number(1, MOST)
    decay_factor: float = number(most=1, above=0)


@dataclass(frozen=True)
class Cluster:
    eps: float = number(above=0, below=1)
    min_samples: int = number(1, MOST)
    k1: int = number(1, MOST)
    k2: int = number(1, MOST)
    joint_k1: int = number(1, MOST)
    joint_k2: int = number(1, MOST)
    count_self: bool = flag()
    unit_features: bool = flag()
    joint_keeps: str = word("mixed", "all")


@dataclass(frozen=True)
class Sampler:
    joint_clusters: str = word("same", "independent")
    exact_pool_repeats: bool = flag()


@dataclass(frozen=True)
class Prototypes:
    momentum: float = number(0, 1)
    num_dynamic: int = number(1, 4096)
    num_farthest: int = number(0, MOST)


@dataclass(frozen=True)
class Loss:
    temperature: float = number(above=0)
    hybrid_margin: float = number(0)
    hybrid_hard: float = number(0, 1)
    cross_weight: float = number(0)
    joint: bool = flag()
    dynamic_choice: str = word("extremes", "random")
    bank_order: str = word("together", "in_turn")
    stage1_weights: tuple = three_weights()
    stage2_weights: tuple = three_weights()
    balance: float = number(0, 1)
    ramp_epochs: int = number(0, MOST)
    ramp_shape: str = word("linear", "cosine")
    own_margin: float = number(0)
    dynamic_query: str = word("online", "momentum")


@dataclass(frozen=True)
class Evaluation:
    every_epochs: int = number(1, MOST)
    trials: int = number(1, 10_000)
    sysu_modes: tuple = several(lambda mode: mode in ("all", "indoor"), "all or indoor, or both")
    sysu_shots: tuple = several(
        lambda n: is_number(n) and isinstance(n, int) and 1 <= n <= MOST,
        "pictures per identity and camera, whole numbers of at least 1",
    )


@dataclass(frozen=True)
class Settings:
    recipe: str = text(empty=False)
    seed: int = number(0, 2**32 - 1, free="between runs")
    trial: int = number(1, 10, free="between runs")
    data: Data
    model: Model
    init: Init
    stage1: Stage
    stage2: Stage
    optimizer: Optimizer
    cluster: Cluster
    sampler: Sampler
    prototypes: Prototypes
    encoder_decay: float = number(0, 1)
    bn_groups: int = number(1, 16, before=1)
    loss: Loss
    augment_pad: int = number(0, 4096)
    evaluation: Evaluation
    feature_batch_size: int = number(1, MOST_ROWS, free="between runs")
    report_gradients: bool = flag()
    keep_checkpoints: int = number(1, MOST, free="on resume")
    checkpoint_every_steps: int = number(0, MOST, free="on resume")
    keep_features: int = number(0, MOST, free="on resume")
    writers: tuple = several(
        lambda word: word in WRITERS,
        f"some of {', '.join(WRITERS)}, or () for none",
        least=0,
        before=("tensorboard",),
        free="on resume",
    )
    send_pictures: bool = flag(before=False, free="on resume")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def settings_of(config: Any) -> Settings:
    """The settings that a config holds: a ConfigDict of `configs/`, a dict of a `config.json`.

    Raises:
      ValueError: a value out of its range, of another type, a missing or an unknown name, or two
        that do not go together; with the name, the value, the limit and the remedy.
    """
    if isinstance(config, Settings):
        return config
    settings = _read(Settings, config, "config")
    check_together(settings)
    return settings


def _read(kind: type, section: Any, path: str) -> Any:
    if not isinstance(section, Mapping) and not hasattr(section, "keys"):
        raise ValueError(f"{path} is {in_short(section)}; give settings, as load_config does")
    hints = get_type_hints(kind)
    unknown = sorted(set(section.keys()) - hints.keys())
    missing = sorted(hints.keys() - set(section.keys()))
    if unknown or missing:
        raise ValueError(
            f"{path} {'has no' if missing else 'has an unknown'} {listed(missing or unknown)}; "
            f"it takes {', '.join(hints)}. Is it of another version of this program?"
        )
    values = {}
    for spec in fields(kind):
        name, hint = f"{path}.{spec.name}", hints[spec.name]
        value = section[spec.name]
        if hint == Synthetic | None:
            values[spec.name] = None if value is None else _read(Synthetic, value, name)
        elif is_dataclass(hint):
            values[spec.name] = _read(hint, value, name)
        else:
            values[spec.name] = _checked(value, hint, spec.metadata, name)
    return kind(**values)


def _checked(value: Any, hint: type, metadata: Mapping[str, Any], name: str) -> Any:
    kinds = {int: "a whole number", float: "a number", bool: "True or False"}
    kinds |= {str: "a word", tuple: "values in brackets, such as (1,) or (1, 2)"}
    if hint is tuple and isinstance(value, list | tuple):
        value = tuple(value)  # JSON has lists alone
    elif isinstance(value, PurePath) and "expand" in metadata:
        value = str(value)
    elif hint is float and is_number(value):
        value = float(value)
    elif not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ValueError(f"{name} is {in_short(value)}; give {kinds[hint]}")
    remedy = metadata["check"](value)
    if remedy:
        raise ValueError(f"{name} is {in_short(value)}; {remedy}")
    try:
        return metadata["expand"](value) if "expand" in metadata else value
    except ValueError as error:  # a home folder that is not known
        raise ValueError(f"{name}: {error}") from error


def listed(names: list[str]) -> str:
    """The first of them: a config.json may be a stranger's."""
    return ", ".join(printable(str(name)[:60], keep="") for name in names[:10])
