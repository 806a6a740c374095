"""A few drawn pictures, and calls of the picture cache that keep what they told and decoded."""

import os

import numpy as np
from PIL import Image

from pclhd_jax.data.lists import Pictures
from pclhd_jax.data.pictures.cache import cached_pictures

FORM = {"height": 12, "width": 6, "resample": "bicubic"}
COUNT = 5


def draw(path, seed):
    noise = np.random.default_rng(seed).integers(0, 256, (30, 20, 3), np.uint8)
    Image.fromarray(noise).save(path)


def listed(root, names):
    zeros = np.zeros(len(names), np.int32)
    return Pictures(str(root), tuple(names), zeros, zeros)


class Cache:
    """Calls with the lines that were told and the pictures that were decoded."""

    def __init__(self, pictures, folder):
        self.pictures, self.folder = pictures, folder

    def __call__(self, **change):
        self.told, self.decoded = [], []
        options = {**FORM, "folder": self.folder, "pictures": self.pictures, **change}
        chosen = options.pop("pictures")

        def read(index):
            self.decoded.append(index)
            with open(os.path.join(chosen.root, chosen.paths[index]), "rb") as file:
                return file.read()

        return cached_pictures(chosen, read, tell=self.told.append, **options)

    def file(self):
        """The file, made writable: those who damage it may be another user or root."""
        (path,) = self.folder.glob("*.pictures")
        path.chmod(0o644)
        return path
