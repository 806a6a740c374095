"""Is a checkpoint what was saved? Every byte of it is read, by the digests that it carries."""

from typing import NamedTuple

from pclhd_jax.saving.integrity import DamagedCheckpoint, damaged_files, shortened
from pclhd_jax.using.inspection.contents import restore_plain
from pclhd_jax.using.inspection.places import Place


class Verdict(NamedTuple):
    sound: bool
    words: str


def judge(place: Place, id: int) -> Verdict:
    """By the list of its files; where that is gone, by the digests of its leaves."""
    path = place.folder / str(id)
    wrong = damaged_files(path)
    if wrong:
        return Verdict(False, f"DAMAGED: {shortened(wrong)}")
    if wrong == []:
        return Verdict(True, "sound: every file as it was written")
    try:
        restore_plain(place, id)
    except DamagedCheckpoint as error:
        return Verdict(False, f"DAMAGED: {error.lines[0].partition(' is damaged: ')[2]}")
    if (path / "checksums").is_dir():
        return Verdict(True, "sound: every array as it was saved (no manifest.json)")
    return Verdict(True, "readable; saved without digests, so nothing vouches for it")
