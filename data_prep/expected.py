"""How many identities and pictures the published sets have; the doctor compares with these."""

from typing import NamedTuple


class Count(NamedTuple):
    """None: no published number."""

    identities: int | None
    pictures: int | None


Key = tuple[str, str, int | None]  # split, modality, camera (None: all cameras)

# Wu et al., ICCV 2017 (identities, cameras); the picture counts are those of the files the authors
# hand out, which every published score on the set rests on.
SYSU: dict[Key, Count] = {
    ("train", "visible", None): Count(296, 20_284),
    ("train", "infrared", None): Count(296, 9_929),
    ("val", "visible", None): Count(99, 1_974),
    ("val", "infrared", None): Count(99, 1_980),
    ("train + val", "visible", None): Count(395, 22_258),
    ("train + val", "infrared", None): Count(395, 11_909),
    ("test", "visible", None): Count(96, 6_775),
    ("test", "visible", 1): Count(None, 1_374),
    ("test", "visible", 2): Count(None, 1_565),
    ("test", "visible", 4): Count(None, 1_918),
    ("test", "visible", 5): Count(None, 1_918),
    ("test", "infrared", None): Count(96, 3_803),
    ("test", "infrared", 3): Count(None, 1_883),
    ("test", "infrared", 6): Count(None, 1_920),
}
# A conversion of SYSU-MM01 that circulates and lowers every score: 28 training identities of the
# infrared cameras are lost.
SYSU_WRONG_INFRARED = Count(367, 11_333)

# Nguyen et al., Sensors 2017; ten random halves of the people (Ye et al., AAAI 2018).
REGDB: dict[Key, Count] = {
    ("all", "visible", None): Count(412, 4_120),
    ("all", "infrared", None): Count(412, 4_120),
    **{
        (f"{split} {trial}", modality, None): Count(206, 2_060)
        for trial in range(1, 11)
        for split in ("train", "test")
        for modality in ("visible", "infrared")
    },
}

# Zhang and Wang, CVPR 2023.
LLCM: dict[Key, Count] = {
    ("train", "visible", None): Count(713, 16_946),
    ("train", "infrared", None): Count(713, 13_975),
    ("test", "visible", None): Count(351, None),
    ("test", "infrared", None): Count(351, None),
}

EXPECTED = {"sysu": SYSU, "regdb": REGDB, "llcm": LLCM, "folders": {}}
