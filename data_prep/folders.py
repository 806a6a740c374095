"""The TFDS builder of one's own pictures: train_visible, train_infrared and, with a CSV, test_*.

Pictures that identities.csv names are test. Built by itself it knows no cameras;
`data_prep.prepare` takes a camera pattern.
"""

from .pictures_builder import builder_of

Folders = builder_of("folders")
