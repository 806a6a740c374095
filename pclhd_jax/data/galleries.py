"""Draws the galleries of published scores: a few pictures of each identity and camera."""

import operator
import random
from collections.abc import Sequence

import numpy as np

from pclhd_jax.data.lists import Pictures

SYSU_GALLERY_CAMERAS = {"all": (1, 2, 4, 5), "indoor": (1, 2)}


def draw_gallery(visible: Pictures, *, mode: str, trial: int, shots: int = 1) -> np.ndarray:
    """Gallery of one SYSU-MM01 trial as int32 indices into the visible pictures of `sysu_test`.

    Single-shot repeats the draws every published score rests on: `random.seed(trial)`, then over
    sorted identities and cameras in order one `random.choice` of the sorted files, if there are
    any. Multi-shot has no common stream (public programs draw it from an unseeded generator):
    [ours] `random.sample` of min(shots, available) files from the same stream, in drawn order.
    Raises ValueError for another mode, for shots below 1 and for an empty gallery.
    """
    cameras = sysu_gallery_cameras(mode)
    if shots < 1:
        raise ValueError(f"shots is {shots}, at least 1 is needed; use 1 (single) or 10 (multi)")
    drawn_G = _draw(visible, cameras, trial, shots)
    if not drawn_G.size:
        raise ValueError(
            f"the '{mode}' gallery is empty: none of {len(visible.paths):,} visible test pictures "
            f"under {visible.root} is of cameras {', '.join(map(str, cameras))}; unpack these "
            "camera folders"
        )
    return drawn_G


def sysu_gallery_cameras(mode: str) -> tuple[int, ...]:
    if mode not in SYSU_GALLERY_CAMERAS:
        raise ValueError(f"unknown SYSU-MM01 search mode {mode!r}; use 'all' or 'indoor'")
    return SYSU_GALLERY_CAMERAS[mode]


def draw_llcm_gallery(pictures: Pictures, *, trial: int) -> np.ndarray:
    """Gallery of one LLCM trial as int32 indices into one modality's pictures of `llcm_test`.

    One picture of each identity and camera, by the same draws as SYSU-MM01's single-shot galleries,
    over all cameras of the modality in the order of their numbers.
    """
    return _draw(pictures, sorted(set(pictures.cameras_N.tolist())), trial, shots=1)


def _draw(pictures: Pictures, cameras: Sequence[int], trial: int, shots: int) -> np.ndarray:
    groups: dict[tuple[int, int], list[int]] = {}
    keys = zip(pictures.identities_N.tolist(), pictures.cameras_N.tolist(), strict=True)
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    # A private generator gives the stream of random.seed(trial) and leaves the global one alone.
    stream = random.Random(operator.index(trial))
    drawn: list[int] = []
    for identity in sorted({identity for identity, _ in groups}):
        for camera in cameras:
            files = groups.get((identity, camera))
            if files and shots == 1:
                drawn.append(stream.choice(files))
            elif files:
                drawn.extend(stream.sample(files, min(shots, len(files))))
    return np.array(drawn, np.int32)
