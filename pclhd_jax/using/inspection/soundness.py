"""Is a checkpoint what was saved? Every byte of it is read, by the list of its files."""

from typing import NamedTuple

from pclhd_jax.saving.checkpoint_name import MANIFEST
from pclhd_jax.saving.integrity import DamagedCheckpoint, damaged_files, shortened
from pclhd_jax.using.inspection.contents import restore_plain
from pclhd_jax.using.inspection.places import Place


class Verdict(NamedTuple):
    sound: bool
    words: str


def judge(place: Place, id: int) -> Verdict:
    """By the list of its files; where there never was one, by whether it can be read."""
    wrong = damaged_files(place.folder / str(id))
    if wrong:
        return Verdict(False, f"DAMAGED: {shortened(wrong)}")
    if wrong == []:
        return Verdict(True, "sound: every file as it was written")
    try:
        restore_plain(place, id)
    except DamagedCheckpoint as error:
        return Verdict(False, f"DAMAGED: {error.lines[0].partition(' is damaged: ')[2]}")
    return Verdict(True, f"readable; saved without {MANIFEST}, so nothing vouches for it")
