"""A few drawn pictures, and calls of the picture cache that keep what they told and decoded."""

import os

import numpy as np
from PIL import Image

from pclhd_jax.data.lists import Pictures
from pclhd_jax.data.pictures.cache import Originals, cached_pictures
from pclhd_jax.data.pictures.decode import PictureForm, file_reader
from pclhd_jax.data.pictures.stamps import file_stamp

FORM = PictureForm(12, 6, "bicubic")
COUNT = 5


def draw(path, seed):
    noise = np.random.default_rng(seed).integers(0, 256, (30, 20, 3), np.uint8)
    Image.fromarray(noise).save(path)


def listed(root, names):
    zeros = np.zeros(len(names), np.int32)
    return Pictures(str(root), tuple(names), zeros, zeros)


def originals_of(pictures, read=None):
    """The files under its root, or their stamp and another reader."""
    stamp = file_stamp(pictures.root, pictures.paths)
    return Originals(read or file_reader(pictures), stamp)


class Cache:
    """Calls with the lines that were told and the pictures that were decoded."""

    def __init__(self, pictures, folder):
        self.pictures, self.folder = pictures, folder

    def __call__(self, *, pictures=None, form=FORM, name="pictures", stamp=None, report=None):
        self.told, self.decoded = [], []
        chosen = pictures or self.pictures

        def read(index):
            self.decoded.append(index)
            with open(os.path.join(chosen.root, chosen.paths[index]), "rb") as file:
                return file.read()

        prefix = self.folder / name if self.folder else None
        originals = Originals(read, stamp or file_stamp(chosen.root, chosen.paths))
        return cached_pictures(
            chosen, originals, form, prefix, report=report, tell=self.told.append
        )

    def file(self):
        """The file, made writable: those who damage it may be another user or root."""
        (path,) = self.folder.glob("*.pictures")
        path.chmod(0o644)
        return path
