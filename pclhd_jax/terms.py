"""Which features meet which bank: the terms of a step, and the updates that follow them.

Every term of a step reads the same banks; only afterwards are they updated, the own
modality's first. [ours] In the released program a bank that two terms touch is updated
in between, by the order of autograd.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pclhd_jax.batch import Batch
from pclhd_jax.losses import TermWeights, dynamic_loss, hybrid_loss, prototype_loss
from pclhd_jax.prototypes import PrototypeBank, update_bank


class TermSettings(NamedTuple):
    """The numbers of the terms that stay put during a run."""

    temperature: float
    own_margin: float  # of the own-modality centroid term: 0 in `paper`, 0.2 in `released`
    hybrid_margin: float  # of the cross-modality and joint terms
    cross_weight: float
    bank_momentum: float
    dynamic_query: str  # 'online' (paper) or 'momentum' (released: a term without gradient)
    dynamic_choice: str  # 'extremes' or 'random'


class Banks(NamedTuple):
    visible: PrototypeBank
    infrared: PrototypeBank
    joint: PrototypeBank | None = None


class Encoded(NamedTuple):
    """Unit features of a batch; `visible` holds both views, the exchanged ones second."""

    visible_BD: jax.Array
    infrared_BD: jax.Array
    batch_stats: Any


def both_views(labels_B: jax.Array) -> jax.Array:
    """Labels of the visible pictures, for their two views."""
    return jnp.concatenate([labels_B, labels_B])


def own_terms(
    z: Encoded, banks: Banks, batch: Batch, weights: TermWeights, settings: TermSettings
) -> dict[str, jax.Array]:
    """Centroid and hard terms of each modality against its own bank."""
    common = dict(
        centroid_weight=weights.centroid,
        hard_weight=weights.hard,
        temperature=settings.temperature,
        margin=settings.own_margin,
    )
    labels_v = both_views(batch.visible_labels_B)
    return {
        "visible": prototype_loss(z.visible_BD, banks.visible, labels_v, **common),
        "infrared": prototype_loss(
            z.infrared_BD, banks.infrared, batch.infrared_labels_B, **common
        ),
    }


def cross_terms(
    z: Encoded, banks: Banks, batch: Batch, infrared_crosses: jax.Array, settings: TermSettings
) -> dict[str, jax.Array]:
    """One modality against the other's bank, by matched clusters; which one alternates by epoch."""
    common = dict(temperature=settings.temperature, margin=settings.hybrid_margin)
    matched_v = both_views(batch.visible_matches_B)
    to_visible = hybrid_loss(z.infrared_BD, banks.visible, batch.infrared_matches_B, **common)
    to_infrared = hybrid_loss(z.visible_BD, banks.infrared, matched_v, **common)
    return {"cross": settings.cross_weight * jnp.where(infrared_crosses, to_visible, to_infrared)}


def dynamic_terms(
    z: Encoded,
    banks: Banks,
    batch: Batch,
    weights: TermWeights,
    key: jax.Array,
    settings: TermSettings,
) -> dict[str, jax.Array]:
    """Each modality against its own dynamic prototypes."""
    visible_key, infrared_key = (
        jax.random.split(key) if settings.dynamic_choice == "random" else (None, None)
    )
    labels_v = both_views(batch.visible_labels_B)
    tau = settings.temperature
    visible = dynamic_loss(z.visible_BD, banks.visible, labels_v, temperature=tau, key=visible_key)
    infrared = dynamic_loss(
        z.infrared_BD, banks.infrared, batch.infrared_labels_B, temperature=tau, key=infrared_key
    )
    return {
        "dynamic_visible": weights.dynamic * visible,
        "dynamic_infrared": weights.dynamic * infrared,
    }


def joint_terms(
    z: Encoded, banks: Banks, batch: Batch, settings: TermSettings
) -> dict[str, jax.Array]:
    """Both modalities against the joint bank; `batch` holds joint labels."""
    common = dict(temperature=settings.temperature, margin=settings.hybrid_margin)
    labels_v = both_views(batch.visible_labels_B)
    return {
        "joint_visible": hybrid_loss(z.visible_BD, banks.joint, labels_v, **common),
        "joint_infrared": hybrid_loss(
            z.infrared_BD, banks.joint, batch.infrared_labels_B, **common
        ),
    }


def update_own_banks(
    banks: Banks,
    z: Encoded,
    batch: Batch,
    settings: TermSettings,
    momentum_z: Encoded | None = None,
    key: jax.Array | None = None,
) -> Banks:
    """Each modality's bank by its own features; dynamic prototypes from `momentum_z`, if given."""
    visible = dict(labels_B=both_views(batch.visible_labels_B), momentum=settings.bank_momentum)
    infrared = dict(labels_B=batch.infrared_labels_B, momentum=settings.bank_momentum)
    if momentum_z is not None:
        visible_key, infrared_key = jax.random.split(key)
        visible |= dict(momentum_z_BD=momentum_z.visible_BD, key=visible_key)
        infrared |= dict(momentum_z_BD=momentum_z.infrared_BD, key=infrared_key)
    return banks._replace(
        visible=update_bank(banks.visible, z.visible_BD, **visible),
        infrared=update_bank(banks.infrared, z.infrared_BD, **infrared),
    )


def update_crossed_bank(
    banks: Banks, z: Encoded, batch: Batch, infrared_crosses: jax.Array, settings: TermSettings
) -> Banks:
    """The bank that this epoch's cross term touched also moves by the other modality's features."""
    matches_r = jnp.where(infrared_crosses, batch.infrared_matches_B, -1)
    matches_v = jnp.where(infrared_crosses, -1, both_views(batch.visible_matches_B))
    mu = settings.bank_momentum
    return banks._replace(
        visible=update_bank(banks.visible, z.infrared_BD, matches_r, momentum=mu),
        infrared=update_bank(banks.infrared, z.visible_BD, matches_v, momentum=mu),
    )


def update_joint_bank(banks: Banks, z: Encoded, batch: Batch, settings: TermSettings) -> Banks:
    """[ours] One update by all of the batch's rows, so that no modality has the last word."""
    joint = update_bank(
        banks.joint,
        jnp.concatenate([z.visible_BD, z.infrared_BD]),
        jnp.concatenate([both_views(batch.visible_labels_B), batch.infrared_labels_B]),
        momentum=settings.bank_momentum,
    )
    return banks._replace(joint=joint)
