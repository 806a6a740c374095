"""The TFDS builder of RegDB: splits visible and infrared; metadata.json lists the ten trials.

The identity of an example is the number of its folder; the labels of a trial's lists are other
numbers: see `pclhd_jax.data.pictures.prepared.open_prepared(path, trial=...)`.
"""

from .pictures_builder import builder_of

Regdb = builder_of("regdb")
