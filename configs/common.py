"""What all experiments share: the two recipes, and every setting with its default.

`paper` is what the abstract describes: centroids first, then a gradual turn to hard and
dynamic prototypes. `released` is what the authors' program computes. Every number is
either from the released program or marked [ours].
"""

import ml_collections

RECIPES = ("paper", "released")
# By memory of the card: `--config=FILE:paper,16gb`. What each needs: docs/performance.md.
CARDS = {
    "16gb": {"model.dtype": "float16", "model.remat": True, "feature_batch_size": 64},
    "24gb": {"model.dtype": "bfloat16", "feature_batch_size": 128},
    "80gb": {"model.dtype": "bfloat16"},
}


def base(recipe: str) -> ml_collections.ConfigDict:
    """The SYSU-MM01 settings of the released program, with the terms of `recipe`.

    recipe: its name, or with the memory of a card behind a comma, such as `paper,16gb`.

    Raises:
      ValueError: a recipe or a card that does not exist.
    """
    recipe, comma, card = recipe.partition(",")
    if recipe not in RECIPES:
        raise ValueError(f"no recipe {recipe!r}; write --config=FILE:{' or FILE:'.join(RECIPES)}")
    if comma and card not in CARDS:
        raise ValueError(
            f"no card of {card!r}; write --config=FILE:{recipe}, and one of {', '.join(CARDS)}"
        )
    c = ml_collections.ConfigDict()
    c.recipe = recipe
    c.seed = 0
    c.trial = 1  # RegDB's split, 1..10; the other sets have one

    c.data = ml_collections.ConfigDict()
    c.data.layout = "sysu"  # how the folder is read: sysu, regdb, llcm or folders
    c.data.source = "data/sysu_mm01"  # as its authors hand it out, or a prepared set
    c.data.prepared = "data/prepared"  # where it is prepared on first use; "": read it as it is
    c.data.allow_partial = False  # prepare a set whose counts are not the published ones
    c.data.cache = "data/cache"  # decoded pictures, mapped into memory; "": in memory only
    c.data.camera_pattern = ""  # folders: a regular expression, its one group is the camera
    c.data.height = 288
    c.data.width = 144
    c.data.synthetic = None  # or what to draw, see configs/synthetic.py
    c.data.use_cameras = True  # the sampler spreads a cluster's shots over cameras

    c.model = ml_collections.ConfigDict()
    c.model.depth = 50
    c.model.width = 1.0  # factor on every channel count
    c.model.dtype = "float32"  # or bfloat16; or float16, whose loss is scaled dynamically
    c.model.remat = False  # less memory: the backward pass computes blocks anew, +28 % FLOP

    # Weights to start from, .safetensors or .pth; see docs/weights.md. Or neither: random.
    c.init = ml_collections.ConfigDict()
    c.init.imagenet = ""  # torchvision's ResNet: both stems and the trunk
    c.init.agw = ""  # an AGW checkpoint of the authors, or one exported here: the whole encoder

    for name in ("stage1", "stage2"):
        stage = c[name] = ml_collections.ConfigDict()
        stage.epochs = 50
        stage.batches_per_epoch = 200
        stage.clusters_per_batch = 8
        stage.visible_shots = 16
        stage.infrared_shots = 16

    c.optimizer = ml_collections.ConfigDict()
    c.optimizer.learning_rate = 3.5e-4
    c.optimizer.weight_decay = 5e-4  # added to the gradient
    c.optimizer.decay_every_epochs = 20
    c.optimizer.decay_factor = 0.1

    c.cluster = ml_collections.ConfigDict()
    c.cluster.eps = 0.6
    c.cluster.min_samples = 4
    c.cluster.k1 = 30
    c.cluster.k2 = 6
    c.cluster.joint_k1 = 40
    c.cluster.joint_k2 = 32
    c.sampler = ml_collections.ConfigDict()

    c.prototypes = ml_collections.ConfigDict()
    c.prototypes.momentum = 0.1  # weight of the old prototype: the batch weighs 0.9
    c.prototypes.num_dynamic = 16
    c.encoder_decay = 0.999  # of the momentum encoder
    # BatchNorm's statistics over so many parts of a batch; the authors' two GPUs: 2.
    c.bn_groups = 1

    c.loss = ml_collections.ConfigDict()
    c.loss.temperature = 0.05
    c.loss.hybrid_margin = 0.2
    c.loss.hybrid_hard = 0.5  # share of hard prototypes in the cross-modality and joint terms
    c.loss.cross_weight = 0.25  # 0: no cross-modality term
    c.loss.joint = True  # the second step of an iteration; without it joint clusters are recorded
    c.loss.dynamic_choice = "extremes"  # or random: one dynamic prototype per cluster and step

    c.augment_pad = 10
    c.evaluation = ml_collections.ConfigDict()
    c.evaluation.every_epochs = 1  # the last epoch of the run is always evaluated
    c.evaluation.trials = 10
    c.evaluation.sysu_modes = ("all", "indoor")
    c.evaluation.sysu_shots = (1,)  # 1: single-shot, 10: multi-shot
    c.feature_batch_size = 256
    # The terms' gradients on an epoch's first batch, in the record: a compilation and half a dozen
    # backward passes an epoch.
    c.report_gradients = False
    c.keep_checkpoints = 2
    c.checkpoint_every_steps = 100  # a kill loses about so many; 0: those of its epoch
    # The newest epochs whose features and labels stay, for `visualize`; 280 MB each at
    # SYSU-MM01's size. 0: none.
    c.keep_features = 1
    # Who gets the record beside metrics.jsonl: tensorboard (files in the workdir), mlflow, wandb
    # (services); see docs/writers.md.
    c.writers = ("tensorboard",)
    c.send_pictures = False  # rank lists too to the services; they show people

    # (centroid, hard, dynamic) weights of the own-modality terms: epoch by epoch from
    # stage1_weights to stage2_weights, whose hard weight is taken times `balance` and whose dynamic
    # weight times 1 - `balance`, see schedules.progressive_weights.
    c.loss.balance = 0.5  # the paper's lambda; its value is not in the abstract: [ours]
    c.loss.ramp_shape = "linear"  # or cosine, slow at both ends; [ours]
    if recipe == "paper":
        c.loss.stage1_weights = (1.0, 0.0, 0.0)
        c.loss.stage2_weights = (0.0, 1.0, 1.0)
        c.loss.ramp_epochs = 10  # [ours]
        c.loss.own_margin = 0.0  # [ours]: the abstract states none
        c.loss.dynamic_query = "online"
        c.prototypes.num_farthest = 1  # the hard prototype starts at the farthest sample
        # What the released program does its own way, (a) to (e) of docs/departures.md: as measured
        # there, `paper` takes what is better.
        c.loss.bank_order = "together"  # all terms of a step read the banks as they find them
        c.cluster.joint_keeps = "all"  # joint clusters of one modality too, as negatives
        c.sampler.joint_clusters = "same"  # a joint batch shows its clusters in both modalities
        c.cluster.unit_features = True  # the mean of picture and mirror is made unit again
        c.cluster.count_self = False  # lists of k1 neighbours and the picture itself
        c.sampler.exact_pool_repeats = False  # S - 1 others are drawn once each
    else:
        c.loss.stage1_weights = (0.5, 0.5, 0.0)
        c.loss.stage2_weights = (0.5, 1.0, 2.0)  # (0.5, 0.5, 1.0) at this balance: it has none
        c.loss.ramp_epochs = 0
        c.loss.own_margin = 0.2
        c.loss.dynamic_query = "momentum"
        c.prototypes.num_farthest = 0  # the hard prototype starts at the centroid
        c.loss.bank_order = "in_turn"  # terms write the banks one after another, see terms.py
        c.cluster.joint_keeps = "all"
        c.sampler.joint_clusters = "independent"  # drawn anew for the infrared pictures
        c.cluster.unit_features = False  # the mean as it is, neighbours by L2 distance
        c.cluster.count_self = True  # lists of k1 entries, the picture itself among them
        c.sampler.exact_pool_repeats = True  # S - 1 others are drawn with replacement
    c.update_from_flattened_dict(CARDS[card] if card else {})
    return c
