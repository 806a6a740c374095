"""What the ablation compares: studies, each a recipe and what is changed in it.

The first variant of a study is what the others are compared with; in a walk or a ladder each is
compared with the one before it.
"""

from typing import NamedTuple

Overrides = dict[str, object]


class Study(NamedTuple):
    recipe: str
    is_ladder: bool  # each variant against the one before it, not against the first
    variants: dict[str, Overrides]


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


STUDIES: dict[str, Study] = {
    "released": Study(
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
    "paper": Study("paper", False, {"paper": {}}),
    # From `released` to `paper`, one difference at a time.
    "walk": Study(
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
            ("a ramp of 3 epochs", {"loss.ramp_epochs": 3}),
            ("stage 1 on centroids alone", {"loss.stage1_weights": (1.0, 0.0, 0.0)}),
            ("the extremes again: `paper`", {"loss.dynamic_choice": "extremes"}),
        ),
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
