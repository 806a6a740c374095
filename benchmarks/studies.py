"""What the ablation compares: studies, each a recipe and what is changed in it.

The first variant of a study is what the others are compared with; in a walk or a ladder each is
compared with the one before it.
"""

from typing import NamedTuple

Overrides = dict[str, object]
AS_PAPER = object()  # the value that the experiment gives its recipe `paper`


class Study(NamedTuple):
    title: str
    recipe: str
    is_ladder: bool  # each variant against the one before it, not against the first
    variants: dict[str, Overrides]
    setting: str = ""  # of a sweep: what its variants give a value to


# What `paper` takes of (a) to (e) of docs/departures.md, put into `released`.
PAPERS_WAYS: Overrides = {
    "loss.bank_order": "together",
    "cluster.joint_keeps": "all",
    "sampler.joint_clusters": "same",
    "cluster.count_self": False,
    "cluster.unit_features": True,
    "sampler.exact_pool_repeats": False,
}


def cumulated(first: Overrides, *steps: tuple[str, Overrides]) -> dict[str, Overrides]:
    """Each step on top of those before it."""
    variants, so_far = {}, dict(first)
    for name, overrides in steps:
        so_far = so_far | overrides
        variants[name] = so_far
    return variants


def sweeps(recipe: str, values: dict[str, tuple]) -> dict[str, Study]:
    """A study for each setting, all else as in the recipe; named `sweep-` and the setting.

    The first variant is the recipe as it is, and the same run as the one of the value it has.
    """
    return {
        f"sweep-{name}": Study(
            f"config.{name} in `{recipe}`",
            recipe,
            False,
            {f"`{recipe}`": {}} | {f"{name} = {value}": {name: value} for value in given},
            setting=name,
        )
        for name, given in values.items()
    }


# Stage 2 as stage 1: each modality by itself, on its centroids.
BARE: Overrides = {
    "loss.stage2_weights": (1.0, 0.0, 0.0),
    "loss.ramp_epochs": 0,
    "loss.hybrid_hard": 0.0,
    "loss.cross_weight": 0.0,
    "loss.joint": False,
}
# At a balance of 0.5: a third for centroid, hard and dynamic each.
THIRDS = (1 / 3, 2 / 3, 2 / 3)
RELEASED_TERMS: Overrides = {
    "loss.stage1_weights": (0.5, 0.5, 0.0),
    "loss.stage2_weights": (0.5, 1.0, 2.0),
    "loss.ramp_epochs": 0,
    "loss.own_margin": 0.2,
    "loss.dynamic_query": "momentum",
    "prototypes.num_farthest": 0,
}

STUDIES: dict[str, Study] = {
    "released": Study(
        "What the released program does its own way, (a) to (e), each left out",
        "released",
        False,
        {
            "released": {},
            "without (a), banks written in turn": {"loss.bank_order": "together"},
            "without (b), joint clusters of one modality": {"cluster.joint_keeps": "mixed"},
            "without (c), joint clusters drawn apart": {"sampler.joint_clusters": "same"},
            "without (d), lists of k1, means as they are": {
                "cluster.count_self": False,
                "cluster.unit_features": True,
            },
            "without (e), exact pools drawn with repeats": {"sampler.exact_pool_repeats": False},
        },
    ),
    "paper": Study("The recipe `paper`", "paper", False, {"paper": {}}),
    "walk": Study(
        "From the terms of `released` to those of `paper`, one difference at a time",
        "released",
        True,
        cumulated(
            PAPERS_WAYS,
            ("released's terms, paper's ways (a) to (e)", {}),
            ("the dynamic term has a gradient", {"loss.dynamic_query": "online"}),
            ("it weighs half", {"loss.stage2_weights": (0.5, 1.0, 1.0)}),
            ("one random prototype, not the extremes", {"loss.dynamic_choice": "random"}),
            ("no centroid term in stage 2", {"loss.stage2_weights": (0.0, 1.0, 1.0)}),
            ("no margin in the own terms", {"loss.own_margin": 0.0}),
            ("hard prototypes start farthest", {"prototypes.num_farthest": 1}),
            ("a ramp", {"loss.ramp_epochs": AS_PAPER}),
            ("stage 1 on centroids alone", {"loss.stage1_weights": (1.0, 0.0, 0.0)}),
            ("the extremes again: `paper`", {"loss.dynamic_choice": "extremes"}),
        ),
    ),
    "ladder": Study(
        "The paper's ladder",
        "paper",
        True,
        cumulated(
            BARE,
            ("centroid prototypes only", {}),
            ("+ cross-modality term", {"loss.cross_weight": 0.25}),
            (
                "+ hard prototypes, plain switch",
                {"loss.stage2_weights": (0.0, 2.0, 0.0), "loss.hybrid_hard": 0.5},
            ),
            (
                "dynamic prototypes in their place",
                {"loss.stage2_weights": (0.0, 0.0, 2.0), "loss.hybrid_hard": 0.0},
            ),
            (
                "both, plain switch",
                {"loss.stage2_weights": (0.0, 1.0, 1.0), "loss.hybrid_hard": 0.5},
            ),
            ("both, by a ramp: progressive", {"loss.ramp_epochs": AS_PAPER}),
            ("+ joint term: `paper`", {"loss.joint": True}),
        ),
    ),
    "left-out": Study(
        "Each part left out of `paper`, or something in its place",
        "paper",
        False,
        {
            "paper": {},
            "without the cross-modality term": {"loss.cross_weight": 0.0},
            "without the joint term": {"loss.joint": False},
            "centroids in the place of hard prototypes, in all terms": {
                "loss.stage2_weights": (0.5, 0.0, 1.0),
                "loss.hybrid_hard": 0.0,
            },
            "centroids in the place of dynamic prototypes": {
                "loss.stage2_weights": (0.5, 1.0, 0.0)
            },
            "without the ramp": {"loss.ramp_epochs": 0},
            "the released program's terms": RELEASED_TERMS,
            "banks written in turn": {"loss.bank_order": "in_turn"},
            "joint clusters of both modalities alone": {"cluster.joint_keeps": "mixed"},
            "joint clusters drawn for each modality": {"sampler.joint_clusters": "independent"},
        },
    ),
    "choices": Study(
        "What the abstract leaves open, one thing of `paper` chosen otherwise",
        "paper",
        False,
        {
            "paper": {},
            "one random dynamic prototype, not the extremes": {"loss.dynamic_choice": "random"},
            "the dynamic term without gradient": {"loss.dynamic_query": "momentum"},
            "half a centroid term stays in stage 2": {"loss.stage2_weights": (0.5, 1.0, 1.0)},
            "a margin of 0.2 in the own terms": {"loss.own_margin": 0.2},
            "hard prototypes start at the centroid": {"prototypes.num_farthest": 0},
            "a ramp of 8 epochs": {"loss.ramp_epochs": 8},
            "stage 1 on centroids and hard prototypes": {"loss.stage1_weights": (0.5, 0.5, 0.0)},
        },
    ),
    "beside": Study(
        "Hard and dynamic prototypes in the centroid's place, beside it, or not at all",
        "paper",
        False,
        {
            "paper": {},
            "centroids alone, in all terms": {
                "loss.stage2_weights": (1.0, 0.0, 0.0),
                "loss.hybrid_hard": 0.0,
            },
            "own terms as they are, the others on centroids": {"loss.hybrid_hard": 0.0},
            "own terms on centroids, the others as they are": {
                "loss.stage2_weights": (1.0, 0.0, 0.0)
            },
            "own terms of a third each": {"loss.stage2_weights": THIRDS},
            "own terms of a third each, the others on centroids": {
                "loss.stage2_weights": THIRDS,
                "loss.hybrid_hard": 0.0,
            },
        },
    ),
    "rung": Study(
        "The ladder's step to hard prototypes, taken apart",
        "paper",
        False,
        {
            name: BARE | {"loss.cross_weight": 0.25} | changed
            for name, changed in {
                "centroids and the cross-modality term": {},
                "hard prototypes in the own terms": {"loss.stage2_weights": (0.0, 2.0, 0.0)},
                "hard prototypes for half of the cross-modality term": {"loss.hybrid_hard": 0.5},
                "both: the ladder's rung": {
                    "loss.stage2_weights": (0.0, 2.0, 0.0),
                    "loss.hybrid_hard": 0.5,
                },
            }.items()
        },
    ),
    **sweeps(
        "paper",
        {
            "loss.balance": (0.0, 0.25, 0.5, 0.75, 1.0),
            "prototypes.num_farthest": (0, 1, 2, 4),
            "prototypes.num_dynamic": (1, 4, 16, 64),
            "loss.ramp_epochs": (0, 3, 8, 16),
            "loss.ramp_shape": ("linear", "cosine"),
            "loss.dynamic_choice": ("extremes", "random"),
            "encoder_decay": (0.9, 0.98, 0.995),
        },
    ),
}

# Settings that nothing reads before stage 2.
STAGE2_ONLY = (
    "loss.bank_order",
    "loss.cross_weight",
    "loss.hybrid_margin",
    "loss.hybrid_hard",
    "loss.joint",
    "loss.dynamic_query",
    "loss.dynamic_choice",
    "loss.stage2_weights",
    "loss.balance",
    "loss.ramp_shape",
    "loss.ramp_epochs",
    "cluster.joint_keeps",
    "cluster.joint_k1",
    "cluster.joint_k2",
    "sampler.joint_clusters",
    "prototypes.num_dynamic",
    "encoder_decay",
)
