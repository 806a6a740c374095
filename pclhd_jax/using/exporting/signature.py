"""What an exported encoder takes and gives, whatever the format.

Pictures come as they are decoded and resized, (B, H, W, 3) of 0 to 255; normalisation is inside,
and features leave with length one. Nothing of this project is needed to call the file.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.method.augment import normalise
from pclhd_jax.method.steps import feature_step
from pclhd_jax.models.agw import AGW

STEMS = ("both", *MODALITIES)
PIXELS = ("uint8", "float32")


class Signature(NamedTuple):
    """modality: the stem that is in the file; of `both`, a second input `infrared`, one bool for
      the whole batch, chooses.
    mirror: picture and mirrored picture are averaged, as everywhere in this project; else the
      picture alone, in half the time and with other numbers.
    pixels: the type of the pictures, 0 to 255 either way.
    """

    height: int
    width: int
    modality: str = "both"
    mirror: bool = True
    pixels: str = "uint8"

    def check(self) -> None:
        """Raises ValueError for a word that there is not."""
        for name, value, allowed in (
            ("modality", self.modality, STEMS),
            ("pixels", self.pixels, PIXELS),
        ):
            if value not in allowed:
                raise ValueError(f"no {name} {value!r}; name one of {', '.join(allowed)}")

    def inputs(self) -> dict[str, tuple[str, tuple]]:
        """Name -> (type, shape) of the inputs, in order."""
        images = {"images": (self.pixels, ("batch", self.height, self.width, 3))}
        return images | ({"infrared": ("bool", ())} if self.modality == "both" else {})

    def stems(self) -> tuple[str, ...]:
        return MODALITIES if self.modality == "both" else (self.modality,)


def encode(
    variables: dict[str, Any],
    images_BHWC: jax.Array,
    infrared: jax.Array | None = None,
    *,
    model: AGW,
    signature: Signature,
) -> jax.Array:
    """(B, D) unit features: what the file computes, and what it is compared with."""
    modality = signature.modality
    if modality == "both":
        variables, modality = with_chosen_stem(variables, infrared), "visible"
    if signature.mirror:
        return feature_step(variables, images_BHWC, model=model, modality=modality)
    x_BHWC = normalise(images_BHWC)
    pair = (x_BHWC, None) if modality == "visible" else (None, x_BHWC)
    return model.apply(variables, *pair, train=False)


def with_chosen_stem(variables: dict[str, Any], infrared: jax.Array) -> dict[str, Any]:
    """The visible stem's weights, or in their place the infrared stem's: one trunk serves both."""
    chosen = lambda visible, other: jnp.where(infrared, other, visible)  # noqa: E731
    return {
        kind: tree | {"visible": jax.tree.map(chosen, tree["visible"], tree["infrared"])}
        for kind, tree in variables.items()
    }


def made_up_pictures(signature: Signature, count: int, seed: int) -> np.ndarray:
    """(count, H, W, 3) of coarse blotches and noise, of many shades: features that differ."""
    rng = np.random.default_rng(seed)
    H, W = signature.height, signature.width
    coarse = rng.uniform(0, 255, (count, 6, 3, 3))
    rows_H, columns_W = np.arange(H) * 6 // H, np.arange(W) * 3 // W
    pictures_BHWC = coarse[:, rows_H][:, :, columns_W] + rng.normal(0, 25, (count, H, W, 3))
    return np.clip(pictures_BHWC, 0, 255).astype(signature.pixels)
