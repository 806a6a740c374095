"""Random augmentation on the device: one picture, keyed; vmapped over the batch.

Pictures come as uint8 (H, W, 3), already resized, and leave as float32, normalised by
ImageNet's mean and deviation. Order and numbers: method, 'Settings'.
"""

from functools import partial

import jax
import jax.numpy as jnp

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
ERASE_FILL = (0.4914, 0.4822, 0.4465)  # written after normalisation, as the released program does
ERASE_AREA = (0.02, 0.4)
ERASE_ASPECT = (0.3, 1 / 0.3)
ERASE_ATTEMPTS = 16
LUMA = (0.2989, 0.5870, 0.1140)


def normalise(image_HWC: jax.Array) -> jax.Array:
    """uint8 (..., 3) to float32 with ImageNet's mean and deviation taken out."""
    mean_C, std_C = jnp.asarray(IMAGENET_MEAN), jnp.asarray(IMAGENET_STD)
    scale_C, shift_C = 1 / (255 * std_C), -mean_C / std_C
    shape = (1,) * (image_HWC.ndim - 1) + (3,)
    return image_HWC.astype(jnp.float32) * scale_C.reshape(shape) + shift_C.reshape(shape)


def shift_crop(key: jax.Array, image_HWC: jax.Array, pad: int) -> jax.Array:
    """Pad with black by `pad` on every side, then crop the old size at random."""
    padded_HWC = jnp.pad(image_HWC, ((pad, pad), (pad, pad), (0, 0)))
    top, left = jax.random.randint(key, (2,), 0, 2 * pad + 1)
    return jax.lax.dynamic_slice(padded_HWC, (top, left, 0), image_HWC.shape)


def random_erase(key: jax.Array, image_HWC: jax.Array) -> jax.Array:
    """With p 0.5, fill a random rectangle: the first of 16 drawn that fits, if one does."""
    H, W, _ = image_HWC.shape
    on_key, area_key, aspect_key, place_key = jax.random.split(key, 4)
    area_T = (
        H
        * W
        * jax.random.uniform(
            area_key, (ERASE_ATTEMPTS,), minval=ERASE_AREA[0], maxval=ERASE_AREA[1]
        )
    )
    aspect_T = jax.random.uniform(
        aspect_key, (ERASE_ATTEMPTS,), minval=ERASE_ASPECT[0], maxval=ERASE_ASPECT[1]
    )
    height_T = jnp.round(jnp.sqrt(area_T * aspect_T))
    width_T = jnp.round(jnp.sqrt(area_T / aspect_T))
    fits_T = (height_T < H) & (width_T < W)
    first = jnp.argmax(fits_T)
    height, width = height_T[first], width_T[first]
    place_2 = jax.random.uniform(place_key, (2,))
    top = jnp.floor(place_2[0] * (H - height + 1))
    left = jnp.floor(place_2[1] * (W - width + 1))
    row_H, column_W = jnp.arange(H), jnp.arange(W)
    inside_HW = ((row_H >= top) & (row_H < top + height))[:, None] & (
        (column_W >= left) & (column_W < left + width)
    )[None, :]
    erase = fits_T.any() & jax.random.bernoulli(on_key)
    fill_HWC = jnp.broadcast_to(jnp.asarray(ERASE_FILL), image_HWC.shape)
    return jnp.where((inside_HW & erase)[:, :, None], fill_HWC, image_HWC)


def base_view(key: jax.Array, image_HWC: jax.Array, pad: int) -> jax.Array:
    """Crop, mirror with p 0.5, normalise, erase."""
    crop_key, mirror_key, erase_key = jax.random.split(key, 3)
    image_HWC = shift_crop(crop_key, image_HWC, pad)
    image_HWC = jnp.where(jax.random.bernoulli(mirror_key), image_HWC[:, ::-1], image_HWC)
    return random_erase(erase_key, normalise(image_HWC))


def copy_channel(channel: jax.Array, image_HWC: jax.Array) -> jax.Array:
    """One channel written into all three."""
    return jnp.broadcast_to(image_HWC[:, :, channel][:, :, None], image_HWC.shape)


def channel_exchange_view(key: jax.Array, image_HWC: jax.Array, pad: int) -> jax.Array:
    """The base view of a visible picture in the colour of one random channel."""
    base_key, channel_key = jax.random.split(key)
    return copy_channel(
        jax.random.randint(channel_key, (), 0, 3), base_view(base_key, image_HWC, pad)
    )


def infrared_view(key: jax.Array, image_HWC: jax.Array, pad: int) -> jax.Array:
    """The base view, then one of four: channel 0, 1 or 2 to all, or grey with p 0.5."""
    base_key, choice_key, grey_key = jax.random.split(key, 3)
    image_HWC = base_view(base_key, image_HWC, pad)
    choice = jax.random.randint(choice_key, (), 0, 4)
    luma_HW = image_HWC @ jnp.asarray(LUMA)
    grey_HWC = jnp.broadcast_to(luma_HW[:, :, None], image_HWC.shape)
    fourth_HWC = jnp.where(jax.random.bernoulli(grey_key), grey_HWC, image_HWC)
    return jnp.where(choice == 3, fourth_HWC, copy_channel(jnp.minimum(choice, 2), image_HWC))


def augment_visible(key: jax.Array, images_BHWC: jax.Array, *, pad: int) -> jax.Array:
    """(2B, H, W, 3): a base view of every picture, then a channel-exchange view of every one."""
    B = images_BHWC.shape[0]
    keys_2B = jax.random.split(key, 2 * B)
    base_BHWC = jax.vmap(partial(base_view, pad=pad))(keys_2B[:B], images_BHWC)
    exchanged_BHWC = jax.vmap(partial(channel_exchange_view, pad=pad))(keys_2B[B:], images_BHWC)
    return jnp.concatenate([base_BHWC, exchanged_BHWC])


def augment_infrared(key: jax.Array, images_BHWC: jax.Array, *, pad: int) -> jax.Array:
    """(B, H, W, 3): one view of every infrared picture."""
    keys_B = jax.random.split(key, images_BHWC.shape[0])
    return jax.vmap(partial(infrared_view, pad=pad))(keys_B, images_BHWC)
