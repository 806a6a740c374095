"""TFDS builder of SYSU-MM01: splits train_visible, train_infrared, test_visible, test_infrared."""

from data_prep.pictures_builder import PicturesBuilder


class SysuMm01(PicturesBuilder):
    """SYSU-MM01; training = the identities of train and val together."""

    LAYOUT = "sysu"
    DESCRIPTION = "SYSU-MM01: people in four visible and two infrared cameras. Read as it lies."
    HOMEPAGE = "https://github.com/wuancong/SYSU-MM01"
    CITATION = "Wu et al., RGB-Infrared Cross-Modality Person Re-Identification, ICCV 2017"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Ask the authors for the set (see the homepage) and unpack it so that manual_dir holds exp/ and
    cam1/ to cam6/.
    """
