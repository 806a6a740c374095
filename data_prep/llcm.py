"""The TFDS builder of LLCM: train_visible, train_infrared, test_visible, test_infrared."""

from .pictures_builder import builder_of

Llcm = builder_of("llcm")
