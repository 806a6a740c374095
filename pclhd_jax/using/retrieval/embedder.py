"""From pictures to embeddings: `Embedder.load(checkpoint)(images, modality)`."""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
from PIL import Image

from pclhd_jax.batches.prefetch import prefetch
from pclhd_jax.data.lists import Pictures
from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.data.pictures.decode import PictureForm, load_pictures, resize_array
from pclhd_jax.data.places import tell_others
from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.system.paths import given_path
from pclhd_jax.training.experiment import make_feature_steps
from pclhd_jax.training.features import extract_features
from pclhd_jax.training.run_pictures import FILTERS
from pclhd_jax.using.encoder import Encoder, load_encoder

BATCH_SIZE = 64
CHUNK_BATCHES = 8  # decoded at a time, while the device works on the chunk before
RESAMPLE = FILTERS["test"]  # as an evaluation takes its pictures

Images = Sequence[str | os.PathLike | np.ndarray | Image.Image] | np.ndarray
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Embedder:
    """An encoder that takes pictures as they are.

    The features are those that an evaluation ranks: of picture and mirror, their mean, made unit.
    All devices share each batch. A call of few pictures takes a small batch, see `batch_of`. Each
    size is another program, which may round differently (by 2e-7 on a CPU, docs/embed_search.md).
    Calls with one size give the same bits.
    """

    encoder: Encoder
    batch_size: int

    @classmethod
    def load(
        cls,
        checkpoint: str | os.PathLike,
        *,
        height: int | None = None,
        width: int | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> "Embedder":
        """checkpoint, height, width: as for `load_encoder`, which also says what is raised.

        batch_size: pictures at a time, rounded up to a multiple of the devices.
        """
        return cls.of(load_encoder(checkpoint, height=height, width=width), batch_size)

    @classmethod
    def of(cls, encoder: Encoder, batch_size: int = BATCH_SIZE) -> "Embedder":
        """Raises ValueError for a batch size below 1."""
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; give at least 1")
        devices = jax.device_count()
        return cls(encoder, -(-batch_size // devices) * devices)

    @property
    def form(self) -> PictureForm:
        """What its pictures are resized to."""
        return PictureForm(self.encoder.height, self.encoder.width, RESAMPLE)

    @property
    def chunk_size(self) -> int:
        """Pictures decoded at a time."""
        return self.batch_size * CHUNK_BATCHES

    def batch_of(self, total: int) -> int:
        """The batch for a call of `total` pictures: the next power of two, at most `batch_size`.

        It is a multiple of the devices. With powers of two, a service that embeds any number of
        pictures compiles few programs. All batches of a call have this size, also the last one:
        compiling another program would take longer than filling it up.
        """
        devices = jax.device_count()
        power = 1 << max(total - 1, 0).bit_length()
        return min(self.batch_size, -(-power // devices) * devices)

    def __call__(self, images: Images, modality: str, *, report: Report | None = None) -> Any:
        """float32 (N, D) unit features of N pictures, in order.

        Args:
          images: paths of picture files, uint8 arrays (H, W, 3) in RGB or (H, W) in grey, of any
            sizes, or pictures of Pillow; or one array (N, H, W, 3).
          modality: 'visible' or 'infrared', the stem that they go through.
          report: called with (pictures done, N) on the way.

        Raises:
          TypeError: what is no list of pictures.
          ValueError: no picture, one outside a list, another modality, one that cannot be read (its
            name), an array that is no picture (its number), features that are not finite.

        Warns of paths in a folder of the other modality (infrared/, Thermal/).
        """
        check_modality(modality)
        images = several_pictures(images)
        if not len(images):
            raise ValueError("no picture to embed; give at least one")
        paths = [os.fspath(image) for image in images if is_path(image)]
        if note := tell_others(paths, modality):
            warnings.warn(note, stacklevel=2)
        size = self.chunk_size
        chunks = [images[start : start + size] for start in range(0, len(images), size)]
        starts = range(0, len(images), size)
        arrays = (
            load_chunk(chunk, first, self.form) for chunk, first in zip(chunks, starts, strict=True)
        )
        return np.concatenate(list(self.embed_chunks(arrays, modality, len(images), report)))

    def embed_chunks(
        self,
        chunks: Iterable[np.ndarray],
        modality: str,
        total: int,
        report: Report | None = None,
    ) -> Iterator[np.ndarray]:
        """Features of each chunk, uint8 (C, height, width, 3); a thread makes them ahead.

        total: pictures of all chunks together.
        """
        check_modality(modality)
        step = make_feature_steps(self.encoder.model, True)[modality]
        mesh, done, batch_size = make_mesh(), 0, self.batch_of(total)
        for chunk_CHWC in prefetch(chunks, size=1):
            z_CD = extract_features(
                step,
                self.encoder.variables,
                chunk_CHWC,
                batch_size=batch_size,
                mesh=mesh,
                report=report and partial(shifted, report, done, total),
            )
            check_finite(z_CD, self.encoder.origin)
            done += len(chunk_CHWC)
            yield z_CD


def shifted(report: Report, before: int, total: int, done: int, _: int) -> None:
    report(before + done, total)


def several_pictures(images: Any) -> Images:
    """What can be cut into chunks of pictures: an array, or a list.

    Raises ValueError for one picture, TypeError for what holds none.
    """
    if isinstance(images, jax.Array):
        images = np.asarray(images)
    is_array = isinstance(images, np.ndarray)
    if is_path(images):
        raise ValueError(f"{os.fspath(images)!r} is one picture; give a list of them")
    # Rows of one picture would pass for grey pictures that are three wide.
    one_array = is_array and images.ndim in (2, 3) and images.shape[2:] in ((), (3,), (4,))
    if one_array or isinstance(images, Image.Image):
        size = f"of shape {images.shape}" if is_array else "of Pillow"
        raise ValueError(f"the images are one picture {size}; give a list of them")
    if isinstance(images, bytes | Mapping) or not isinstance(images, Iterable):
        kind = type(images).__name__
        raise TypeError(f"the images are of type {kind}; give a list of paths or arrays")
    return images if is_array or isinstance(images, Sequence) else list(images)


def is_path(image: Any) -> bool:
    return isinstance(image, str | os.PathLike)


def load_chunk(images: Images, first: int, form: PictureForm) -> np.ndarray:
    """Paths and arrays, in any mixture, as uint8 (C, height, width, 3)."""
    out_NHWC = np.empty((len(images), form.height, form.width, 3), np.uint8)
    of_path_N = np.array([is_path(image) for image in images])
    places = np.flatnonzero(of_path_N)
    if len(places):
        unknown = np.full(len(places), -1, np.int32)
        paths = tuple(given_path(images[place]) for place in places)
        out_NHWC[places] = load_pictures(Pictures("", paths, unknown, unknown), form)
    for place in np.flatnonzero(~of_path_N):
        image = images[place]
        if isinstance(image, Image.Image):
            image = image.convert("RGB")  # as a file is: a palette's numbers are no greys
        try:
            out_NHWC[place] = resize_array(np.asarray(image), form)
        except ValueError as error:
            raise ValueError(f"picture {first + place:,}: {error}") from error
    return out_NHWC


def check_modality(modality: str) -> None:
    """Raises ValueError for a word that names no stem."""
    if modality not in MODALITIES:
        raise ValueError(f"modality is {modality!r}; it must be {' or '.join(MODALITIES)}")


def check_finite(z_CD: np.ndarray, origin: str) -> None:
    bad_C = ~np.isfinite(z_CD).all(axis=1)
    if bad_C.any():
        raise ValueError(
            f"{bad_C.sum():,} of {len(z_CD):,} features of {origin} are not finite; the model has "
            "diverged: take an earlier checkpoint"
        )
