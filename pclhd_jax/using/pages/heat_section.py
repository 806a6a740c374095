"""Where the encoder looks: shares of positions laid over the picture."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from pclhd_jax.reports.thumbnails import GAP, encoded, framed, strip
from pclhd_jax.training.run_pictures import RunPictures
from pclhd_jax.using.encoder import Encoder, load_encoder
from pclhd_jax.using.pages.encoder_arrays import Seen, position_shares
from pclhd_jax.using.pages.html import Section, box, figure, paragraph
from pclhd_jax.using.pages.per_run import Drawn, per_run
from pclhd_jax.using.pages.seen_runs import RunView, tried
from pclhd_jax.using.pages.tsne_section import identities_of

NUM_PICTURES = 4  # of each modality
TITLE = "Where the encoder looks"
WORDS = (
    "Left the picture; right over it the share that each position of the last feature map has in "
    "the picture's feature: its part of the pooled mean of cubes, over channels by the square of "
    "the feature. From the least (dark blue) to the greatest (yellow) of that picture, in between "
    "linear. It says from where the feature comes, not whether that helps."
)


class Looked(NamedTuple):
    """Pictures of one modality, and words for each."""

    images_BHWC: np.ndarray
    captions: list[str]


def heat_section(runs: Sequence[RunView]) -> Section:
    return per_run("heat", TITLE, WORDS, runs, run_heat)


def run_heat(run: RunView) -> Drawn:
    """Of test people; where nobody is known, of training pictures."""
    if run.seen.value is not None:
        encoder, looked = run.seen.value.encoder, test_people(run.seen.value)
    else:
        encoder = tried(load_encoder, run.record.workdir).get()
        looked = some_training(run.train.get())
    pairs, captions, (h, w) = overlaid(encoder, looked)
    shown = [
        figure(encoded(pair, "jpeg"), f"picture and heat map: {words}", words)
        for pair, words in zip(pairs, captions, strict=True)
    ]
    words = paragraph(f"{h} x {w} positions; {encoder.epochs_done} epochs")
    files = {"heat-maps.png": encoded(strip(pairs, after_first=GAP), "png")}
    return Drawn(words + box("thumbs wide", shown), files)


def test_people(seen: Seen) -> dict[str, Looked]:
    """The first picture of some people, in both modalities where they have both."""
    identities = identities_of(seen)
    both = np.intersect1d(*identities.values())
    people = both[spread(len(both))] if len(both) else np.unique(identities["visible"])[:1]
    looked = {}
    for modality, ids in identities.items():
        rows_n = [int(np.argmax(ids == person)) for person in people if (ids == person).any()]
        captions = [f"person {ids[row]}, {modality}" for row in rows_n]
        looked[modality] = Looked(seen.pictures[modality][rows_n], captions)
    return looked


def some_training(pictures: RunPictures) -> dict[str, Looked]:
    """Of a set in which nobody is known: some training pictures of each modality."""
    looked = {}
    both = {"visible": pictures.train.visible_NHWC, "infrared": pictures.train.infrared_NHWC}
    for modality, images_NHWC in both.items():
        rows_n = spread(len(images_NHWC))
        captions = [f"training picture {row}, {modality}" for row in rows_n]
        looked[modality] = Looked(images_NHWC[rows_n], captions)
    return looked


def spread(total: int) -> np.ndarray:
    """At most `NUM_PICTURES` of so many, evenly."""
    return np.unique(np.linspace(0, total - 1, NUM_PICTURES).round().astype(int))


def overlaid(
    encoder: Encoder, looked: dict[str, Looked]
) -> tuple[list[np.ndarray], list[str], tuple[int, int]]:
    """Pairs of picture and overlay; their words; height and width of the maps."""
    pairs, captions, size = [], [], (0, 0)
    for modality, (images_BHWC, words) in looked.items():
        if not len(images_BHWC):
            continue
        map_Bhw = position_shares(encoder, images_BHWC, modality)
        size = map_Bhw.shape[1:]
        for image_HWC, map_hw in zip(images_BHWC, map_Bhw, strict=True):
            both = [framed(image_HWC, "plain"), framed(overlay(image_HWC, map_hw), "plain")]
            pairs.append(np.concatenate(both, axis=1))
        captions += words
    return pairs, captions, size


def overlay(image_HWC: np.ndarray, map_hw: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3): the map, from its least to its greatest, coloured over the grey picture."""
    from matplotlib import colormaps

    H, W = image_HWC.shape[:2]
    low, high = float(map_hw.min()), float(map_hw.max())
    scaled_hw = (map_hw - low) / (high - low) if high > low else np.zeros_like(map_hw)
    grown = Image.fromarray(scaled_hw.astype(np.float32)).resize((W, H), Image.Resampling.BILINEAR)
    heat_HWC = colormaps["cividis"](np.asarray(grown))[..., :3] * 255
    grey_HW1 = image_HWC.mean(axis=-1, keepdims=True)
    return (0.35 * grey_HW1 + 0.65 * heat_HWC).round().astype(np.uint8)
