"""TFDS builder of RegDB: splits visible and infrared; metadata.json lists the ten trials."""

from data_prep.pictures_builder import PicturesBuilder


class Regdb(PicturesBuilder):
    """RegDB. The ten trials divide the same pictures, which are therefore stored once.

    The identity of an example is the number of its folder; the labels of a trial's lists are other
    numbers: see `pclhd_jax.pictures.prepared.open_prepared(path, trial=...)`.
    """

    LAYOUT = "regdb"
    DESCRIPTION = "RegDB: 412 people, ten visible and ten thermal pictures each. Read as it lies."
    HOMEPAGE = "http://dm.dongguk.edu/link.html"
    CITATION = "Nguyen et al., Person Recognition System Based on a Combination of Body Images from"
    CITATION += " Visible Light and Thermal Cameras, Sensors 2017"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Ask the authors for the set and unpack it so that manual_dir holds idx/, Visible/ and Thermal/.
    """
