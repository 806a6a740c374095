"""TFDS builder of LLCM: splits train_visible, train_infrared, test_visible, test_infrared."""

from data_prep.pictures_builder import PicturesBuilder


class Llcm(PicturesBuilder):
    """LLCM, the low-light cross-modality set."""

    LAYOUT = "llcm"
    DESCRIPTION = "LLCM: people in nine cameras, visible and near-infrared, by night. As it lies."
    HOMEPAGE = "https://github.com/ZYK100/LLCM"
    CITATION = "Zhang and Wang, Diverse Embedding Expansion Network and Low-Light Cross-Modality"
    CITATION += " Benchmark for Visible-Infrared Person Re-identification, CVPR 2023"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Send the authors the signed agreement (see the homepage) and unpack the set so that manual_dir
    holds idx/, the training folders, test_vis/ and test_nir/.
    """
