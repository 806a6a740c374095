"""What a page knows of each run: its records, and what could be had of its encoder and pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from pclhd_jax.reports.records import read_records
from pclhd_jax.settings.kept import read_config

T = TypeVar("T")


class Missing(Exception):
    """A part cannot be drawn; the text says why. It stands on the page in the part's place."""


@dataclass(frozen=True)
class Tried(Generic[T]):
    """What was made, or why it was not."""

    value: T | None
    reason: str = ""

    def get(self) -> T:
        """Raises Missing where there is nothing."""
        if self.value is None:
            raise Missing(self.reason)
        return self.value


class RunRecord(NamedTuple):
    """A workdir without its pictures and weights."""

    workdir: Path
    name: str
    config: dict[str, Any]  # as config.json has it
    rows: list[dict[str, Any]]  # of metrics.jsonl


def tried(make: Callable[..., T], *args: Any) -> Tried[T]:
    """`make(*args)`; for what a run may lack, the reason in the words of the error."""
    try:
        return Tried(make(*args))
    except (ValueError, OSError) as error:
        return Tried(None, str(error))


class RunView(NamedTuple):
    """All that a page has of a run."""

    record: RunRecord
    seen: Tried[Any]  # encoder_arrays.Seen
    train: Tried[Any]  # RunPictures

    @property
    def name(self) -> str:
        return self.record.name


def read_runs(workdirs: list[str | Path]) -> list[RunRecord]:
    """Raises FileNotFoundError for a folder that is no workdir, ValueError for one named twice."""
    paths = [Path(workdir).resolve() for workdir in workdirs]
    if len(set(paths)) < len(paths):
        twice = sorted({str(path) for path in paths if paths.count(path) > 1})
        raise ValueError(f"{', '.join(twice)} named twice; name each run once")
    names = [path.name for path in paths]
    if len(set(names)) < len(names):
        names = [f"{path.parent.name}/{path.name}" for path in paths]
    return [read_run(path, name) for path, name in zip(paths, names, strict=True)]


def read_run(workdir: Path, name: str) -> RunRecord:
    return RunRecord(workdir, name, read_config(workdir), read_records(workdir))


def stage2_begins(run: RunRecord) -> int | None:
    """Epochs done before stage 2; None where one of the stages has no epoch."""
    epochs = [run.config[stage]["epochs"] for stage in ("stage1", "stage2")]
    return epochs[0] if all(epochs) else None
