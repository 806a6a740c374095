"""TFDS builder of one's own pictures: train_visible, train_infrared and, with a CSV, test_*."""

from data_prep.pictures_builder import PicturesBuilder


class Folders(PicturesBuilder):
    """Two folders of person crops, without identities; pictures that identities.csv names are test.

    Built by itself it knows no cameras; `data_prep.prepare` takes a camera pattern.
    """

    LAYOUT = "folders"
    DESCRIPTION = "Pictures of people in two folders, visible/ and infrared/."
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Put person crops into visible/ and infrared/ below manual_dir, at any depth.
    """
