"""What there is to say about a checkpoint, as values and as text."""

import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pclhd_jax.reports.columns import aligned
from pclhd_jax.saving.checkpoints import Restored
from pclhd_jax.saving.integrity import DamagedCheckpoint
from pclhd_jax.saving.leaves import named_leaves
from pclhd_jax.saving.record_shapes import EPOCH, UNDER_WAY
from pclhd_jax.settings.kept import read_config
from pclhd_jax.system.json_shapes import fits
from pclhd_jax.system.paths import given_path
from pclhd_jax.using.inspection.contents import bytes_below, restore_plain
from pclhd_jax.using.inspection.places import Place, beside, find_place, remedy_for
from pclhd_jax.using.inspection.settings_words import describe_settings
from pclhd_jax.using.inspection.soundness import Verdict, judge
from pclhd_jax.weights.agw_torch import agw_of
from pclhd_jax.weights.files import read_state_dict

Leaves = dict[str, tuple[tuple[int, ...], str, int]]  # by path: shape, type, bytes


class Saved(NamedTuple):
    name: str  # such as checkpoints/28
    bytes: int
    verdict: Verdict


class Inspection(NamedTuple):
    """saved: every checkpoint that was judged. leaves: those of `shown`, one of them."""

    title: str
    saved: list[Saved]
    notes: list[str]  # on the settings, and on what a run has set aside
    shown: str
    leaves: Leaves

    @property
    def sound(self) -> bool:
        return all(one.verdict.sound for one in self.saved)

    def text(self, *, every_leaf: bool = False) -> str:
        """every_leaf: a row for each array; else one for each part and module."""
        total = sum(map(numbers, self.leaves.values()))
        size = sum(leaf[2] for leaf in self.leaves.values())
        head = f"{self.shown}: {len(self.leaves):,} arrays, {total:,} numbers, {size:,} bytes"
        rows = rows_of_leaves(self.leaves) if every_leaf else rows_of_modules(self.leaves)
        table = [["Checkpoint", "Bytes on disk", "Digests"]]
        table += [[one.name, f"{one.bytes:,}", one.verdict.words] for one in self.saved]
        parts = ([self.title], aligned(table) if self.saved else [], self.notes)
        return "\n\n".join("\n".join(part) for part in (*parts, [head, *aligned(rows)]) if part)


def inspect_checkpoint(checkpoint: str | os.PathLike) -> Inspection:
    """Looks at what CHECKPOINT names, verifies every byte of it and writes nothing.

    Of a workdir all checkpoints are judged, and that of the epoch under way; the newest sound one
    of a finished epoch is shown.

    Raises:
      FileNotFoundError, ValueError: as `find_place`; a weight file that cannot be read.
      DamagedCheckpoint: a ValueError; none is sound: what is wrong with each.
    """
    place = find_place(checkpoint)
    if place.weight_file is not None:
        return of_weight_file(place.weight_file)
    whole = Path(os.path.abspath(given_path(checkpoint))) == place.workdir
    places = [place, *(beside(place) if whole else [])]
    saved = {(p.folder.name, id): look_at(p, id) for p in places for id in p.ids}
    sound = [id for id in place.ids if saved[place.folder.name, id].verdict.sound]
    if not sound:
        lines = (f"{one.name} is {one.verdict.words}" for one in saved.values())
        raise DamagedCheckpoint(*lines, remedy=remedy_for(checkpoint, place))
    restored = restore_plain(place, sound[-1])
    config, settings = settings_in(place.workdir)
    return Inspection(
        title_of(checkpoint, config, restored),
        list(saved.values()),
        [*settings, *set_aside(place.workdir)],
        f"{place.folder.name}/{restored.id}",
        leaves_of(named_leaves(restored.state)),
    )


def set_aside(workdir: Path) -> list[str]:
    names = ", ".join(sorted(path.name for path in (workdir / "damaged").glob("*")))
    return [f"set aside as damaged, never read: {names}"] if names else []


def settings_in(workdir: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The run's settings and lines about them; None if unreadable, since arrays need none."""
    try:
        config = read_config(workdir)
    except (ValueError, FileNotFoundError) as error:
        return None, [f"settings: {error}"]
    return config, describe_settings(config)


def look_at(place: Place, id: int) -> Saved:
    path = place.folder / str(id)
    return Saved(f"{place.folder.name}/{id}", bytes_below(path), judge(place, id))


def of_weight_file(path: Path) -> Inspection:
    arrays = read_state_dict(path)
    try:
        model = agw_of(arrays)
        what = f"AGW, ResNet-{model.depth} of width {model.width:g}"
    except ValueError:
        what = "not an AGW's (docs/weights.md)"
    title = f"{path}: weight file, {path.stat().st_size:,} bytes; {what}"
    return Inspection(title, [], [], path.name, leaves_of(arrays))


def title_of(checkpoint: Any, config: dict[str, Any] | None, restored: Restored) -> str:
    progress = restored.progress
    words = [f"recipe {config['recipe']}"] if config else []
    if fits(progress, EPOCH):
        stage, epoch = progress["stage"], progress["epoch"] + 1
        of = f" of {config[f'stage{stage}']['epochs']}" if config else ""
        encoder = "online" if stage == 1 else "momentum"
        words.append(f"{restored.id} epochs done, the last one stage {stage}, epoch {epoch}{of}")
        words.append(f"whose encoder is the {encoder} one")
    elif fits(progress, UNDER_WAY):
        steps = len(progress["history"])
        words.append(f"{steps} steps into the epoch after {progress['epochs_done']}")
    return f"{checkpoint}: {', '.join(words)}"


def leaves_of(arrays: Mapping[str, Any]) -> Leaves:
    return {name: (tuple(x.shape), x.dtype.name, x.nbytes) for name, x in arrays.items()}


def numbers(leaf: tuple[tuple[int, ...], str, int]) -> int:
    count = 1
    for length in leaf[0]:
        count *= length
    return count


def rows_of_leaves(leaves: Leaves) -> list[list[str]]:
    rows = [["Array", "Shape", "Type", "Bytes"]]
    for name, (shape, dtype, size) in leaves.items():
        rows.append([name, f"({', '.join(map(str, shape))})", dtype, f"{size:,}"])
    return rows


def rows_of_modules(leaves: Leaves) -> list[list[str]]:
    """The parts, and below `params`, the encoder that is trained, its modules."""
    groups: dict[str, Leaves] = defaultdict(dict)
    for name, leaf in leaves.items():
        part, *rest = name.replace(".", "/").split("/")
        groups[part][name] = leaf
        if part == "params":
            groups[f"  {rest[0]}"][name] = leaf
    rows = [["Part", "Arrays", "Numbers", "Bytes", "Types"]]
    for group, found in groups.items():
        types = Counter(dtype for _, dtype, _ in found.values())
        counts = (len(found), sum(map(numbers, found.values())), sum(x[2] for x in found.values()))
        rows.append([group, *(f"{count:,}" for count in counts), ", ".join(types)])
    return rows
