"""A fake SYSU-MM01 of full size: the real numbers of identities and pictures, which are tiny.

Only the numbers per split, modality and test camera are the real ones. How the pictures spread over
the training cameras and over the people of a camera is not published: here it is even.
"""

import io
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

TRAIN_IDS, VAL_IDS, TEST_IDS = range(1, 297), range(297, 396), range(396, 492)
# (identities, cameras): pictures
REAL = [
    (TRAIN_IDS, (1, 2, 4, 5), 20_284),
    (TRAIN_IDS, (3, 6), 9_929),
    (VAL_IDS, (1, 2, 4, 5), 1_974),
    (VAL_IDS, (3, 6), 1_980),
    (TEST_IDS, (1,), 1_374),
    (TEST_IDS, (2,), 1_565),
    (TEST_IDS, (4,), 1_918),
    (TEST_IDS, (5,), 1_918),
    (TEST_IDS, (3,), 1_883),
    (TEST_IDS, (6,), 1_920),
]
# The known wrong conversion: 28 people and 576 pictures of infrared training are lost.
WRONG = [
    *(entry for entry in REAL if entry[:2] != (TRAIN_IDS, (3, 6))),
    (TRAIN_IDS[:268], (3, 6), 9_353),
]


def fake_sysu(root: Path, counts: Iterable = REAL, *, height: int = 8, width: int = 4) -> Path:
    """Writes the set below `root`; the files are links to few, so that it takes a second."""
    (root / "exp").mkdir(parents=True)
    for name, ids in (("train", TRAIN_IDS), ("val", VAL_IDS), ("test", TEST_IDS)):
        (root / f"exp/{name}_id.txt").write_text(",".join(map(str, ids)))
    originals = 0
    for ids, cameras, pictures in counts:
        links = 0
        folders = [root / f"cam{camera}/{identity:04d}" for identity in ids for camera in cameras]
        each, more = divmod(pictures, len(folders))
        for place, folder in enumerate(folders):
            folder.mkdir(parents=True)
            for number in range(1, each + (place < more) + 1):
                if links % 10_000 == 0:  # file systems limit the links of a file
                    original = root / f"original{originals}"
                    original.write_bytes(_picture(originals, height, width))
                    originals += 1
                os.link(original, folder / f"{number:04d}.jpg")
                links += 1
    return root


def _picture(seed: int, height: int, width: int) -> bytes:
    pixels_HWC = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels_HWC).save(data, "JPEG")
    return data.getvalue()
