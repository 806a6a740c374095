"""Features drawn with the structure of a half-trained encoder's: people, cameras, outliers."""

from typing import NamedTuple

import numpy as np

# As in SYSU-MM01's training set: 22,258 + 11,909 pictures of 395 people by 4 + 2 cameras.
PICTURES_PER_PERSON = 34_167 / 395
VISIBLE_SHARE = 22_258 / 34_167
VISIBLE_CAMERAS, INFRARED_CAMERAS = (0, 1, 2, 3), (4, 5)


class PersonFeatures(NamedTuple):
    """Unit rows, visible ones first."""

    features_ND: np.ndarray
    modality_N: np.ndarray  # 0 visible, 1 infrared
    identities_N: np.ndarray


def draw_features(
    num_rows: int,
    *,
    width: int = 2048,
    modalities: tuple[int, ...] = (0, 1),
    appearance: float = 1.0,
    noise: float = 2.0,
    modality_gap: float = 0.5,
    outlier_share: float = 0.1,
    seed: int = 0,
) -> PersonFeatures:
    """A person's centre, an appearance per camera, noise per picture, a shift per modality.

    The axes' scales fall off as the spectrum of a trained encoder's features does. An outlier has
    three times the noise: an occluded or badly cropped picture.

    appearance, noise, modality_gap: lengths beside a person's centre, which has length 1.
    """
    rng = np.random.default_rng(seed)
    scale_D = (1 / np.sqrt(1 + np.arange(width) / (width / 100))).astype(np.float32)
    scale_D /= np.linalg.norm(scale_D)

    def draw(*shape: int) -> np.ndarray:
        return rng.standard_normal((*shape, width), np.float32) * scale_D

    num_people = max(2, round(num_rows / PICTURES_PER_PERSON))
    if len(modalities) == 2:
        num_visible = round(num_rows * VISIBLE_SHARE)
    else:
        num_visible = num_rows if modalities == (0,) else 0
    modality_N = np.repeat([0, 1], [num_visible, num_rows - num_visible])
    camera_N = np.where(
        modality_N == 0,
        rng.choice(VISIBLE_CAMERAS, num_rows),
        rng.choice(INFRARED_CAMERAS, num_rows),
    )
    identities_N = rng.integers(num_people, size=num_rows)
    centre_PD, shift_MD = draw(num_people), draw(2)
    appearance_PCD = draw(num_people, 6)
    noise_N1 = np.where(rng.random((num_rows, 1)) < outlier_share, 3 * noise, noise)
    z_ND = np.empty((num_rows, width), np.float32)
    for lo in range(0, num_rows, 4096):  # the largest runs have no room for a second copy
        rows = slice(lo, min(lo + 4096, num_rows))
        who_B = identities_N[rows]
        z_BD = centre_PD[who_B] + appearance * appearance_PCD[who_B, camera_N[rows]]
        z_BD += modality_gap * shift_MD[modality_N[rows]]
        z_BD += noise_N1[rows].astype(np.float32) * draw(len(z_BD))
        z_ND[rows] = z_BD / np.linalg.norm(z_BD, axis=1, keepdims=True)
    return PersonFeatures(z_ND, modality_N, identities_N)
