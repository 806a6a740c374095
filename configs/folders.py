r"""Your own pictures: two folders of person crops, no label; ResNet-50, full size.

    python -m pclhd_jax.main --config=configs/folders.py --config.data.source=DIR

DIR holds visible/ and infrared/, searched at any depth. Where paths tell the camera, say how, as in
--config.data.camera_pattern='cam(\d+)/': the sampler then spreads a cluster's shots over cameras.
An identities.csv in DIR (path,identity,camera) names pictures to score; they are not trained on.
docs/data.md tells more.

Settings are those of SYSU-MM01. Fewer pictures want fewer batches per epoch; a good
config.cluster.eps lies between 0.3 and 0.6: watch the counts of clusters and outliers. [ours]
"""

import ml_collections
from pclhd_jax.configs import common


def get_config(recipe: str = "paper") -> ml_collections.ConfigDict:
    c = common.base(recipe)
    c.data.layout = "folders"
    c.data.source = "data/own"
    # Without a camera pattern all cameras are one, and the sampler does without them.
    c.data.use_cameras = True
    return c
