"""The TFDS builder of SYSU-MM01: train_visible, train_infrared, test_visible, test_infrared."""

from .pictures_builder import builder_of

SysuMm01 = builder_of("sysu")
