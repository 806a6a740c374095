"""What one start of a run has at hand beside what it computes with. None of it changes a number."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pclhd_jax.saving.write_behind import WriteBehind
from pclhd_jax.training.profile import Profile
from pclhd_jax.training.stopwatch import Stopwatch


def go_on() -> None:
    """The pause of a run that nobody asks to stop."""


@dataclass(frozen=True)
class Services:
    workdir: Path
    pause: Callable[[], None] = go_on  # between batches; raises where the run is to stop
    writer: WriteBehind | None = None  # None: the run waits for what it saves
    profile: Profile = field(default_factory=Profile)
    watch: Stopwatch = field(default_factory=Stopwatch)
