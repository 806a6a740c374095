"""Which features meet which bank: the terms of a step, and the updates of the banks.

Two terms may touch one bank. The setting `bank_order` says what they see of each other:

  together  every term reads the banks as the step found them; only afterwards are they updated,
            by the own modality's features first, then by the other modality's. [ours]
  in_turn   the terms write the banks one after another: the cross-modality term, then the
            visible own term, then the infrared one (in a joint step: visible, then infrared).
            Values are those of the banks as the step found them, yet a term's gradient goes
            through the bank as written so far. [released], whose backward pass writes the banks.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pclhd_jax.batches.batch import Batch
from pclhd_jax.method.losses import TermWeights, dynamic_loss, hybrid_loss, prototype_loss
from pclhd_jax.method.prototypes import PrototypeBank, update_bank


class TermSettings(NamedTuple):
    """The numbers of the terms that stay put during a run."""

    temperature: float
    own_margin: float  # of the own-modality centroid term: 0 in `paper`, 0.2 in `released`
    hybrid_margin: float  # of the cross-modality and joint terms
    hybrid_hard: float  # share of the hard prototypes in them
    cross_weight: float  # 0: no cross-modality term, and no bank moves by the other modality
    align_weight: float  # 0: no alignment terms
    bank_momentum: float
    dynamic_query: str  # 'online' (paper) or 'momentum' (released: a term without gradient)
    dynamic_choice: str  # 'extremes' or 'random'
    bank_order: str  # 'together' or 'in_turn'
    num_farthest: int  # of the batch's rows of a cluster, that move its hard prototype


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
    z: Encoded,
    banks: Banks,
    batch: Batch,
    weights: TermWeights,
    settings: TermSettings,
    through: Banks | None = None,
) -> dict[str, jax.Array]:
    """Centroid and hard terms of each modality against its own bank.

    through: banks that the gradient goes through, if not `banks`.
    """
    through_v, through_r = (None, None) if through is None else through[:2]
    common = dict(
        centroid_weight=weights.centroid,
        hard_weight=weights.hard,
        temperature=settings.temperature,
        margin=settings.own_margin,
    )
    labels_v = both_views(batch.visible_labels_B)
    return {
        "visible": prototype_loss(
            z.visible_BD, banks.visible, labels_v, through=through_v, **common
        ),
        "infrared": prototype_loss(
            z.infrared_BD, banks.infrared, batch.infrared_labels_B, through=through_r, **common
        ),
    }


def hybrid_numbers(settings: TermSettings) -> dict[str, float]:
    return dict(
        temperature=settings.temperature,
        margin=settings.hybrid_margin,
        hard_share=settings.hybrid_hard,
    )


def cross_terms(
    z: Encoded, banks: Banks, batch: Batch, infrared_crosses: jax.Array, settings: TermSettings
) -> dict[str, jax.Array]:
    """One modality against the other's bank, by matched clusters; which one alternates by epoch."""
    if settings.cross_weight == 0:
        return {}
    common = hybrid_numbers(settings)
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
    common = hybrid_numbers(settings)
    labels_v = both_views(batch.visible_labels_B)
    through = None
    if settings.bank_order == "in_turn":  # the visible term has written the bank by then
        through = moved_bank(banks.joint, z.visible_BD, labels_v, settings)
    return {
        "joint_visible": hybrid_loss(z.visible_BD, banks.joint, labels_v, **common),
        "joint_infrared": hybrid_loss(
            z.infrared_BD, banks.joint, batch.infrared_labels_B, through=through, **common
        ),
    }


def banks_through(
    z: Encoded, banks: Banks, batch: Batch, infrared_crosses: jax.Array, settings: TermSettings
) -> Banks | None:
    """The banks that the own terms' gradients go through, if not `banks` themselves.

    In turn, the cross-modality term has written one of them by then; each own term writes its own
    bank alone, and only after its gradient.
    """
    if settings.bank_order == "together":
        return None
    return update_crossed_bank(banks, z, batch, infrared_crosses, settings)


def update_apart_banks(
    banks: Banks,
    z: Encoded,
    batch: Batch,
    infrared_crosses: jax.Array,
    settings: TermSettings,
    momentum_z: Encoded | None = None,
    key: jax.Array | None = None,
) -> Banks:
    """Both single-modality banks by own and by crossing features; the order is the setting's."""
    if settings.bank_order == "in_turn":
        banks = update_crossed_bank(banks, z, batch, infrared_crosses, settings)
        return update_own_banks(banks, z, batch, settings, momentum_z, key)
    banks = update_own_banks(banks, z, batch, settings, momentum_z, key)
    return update_crossed_bank(banks, z, batch, infrared_crosses, settings)


def update_own_banks(
    banks: Banks,
    z: Encoded,
    batch: Batch,
    settings: TermSettings,
    momentum_z: Encoded | None = None,
    key: jax.Array | None = None,
) -> Banks:
    """Each modality's bank by its own features; dynamic prototypes from `momentum_z`, if given."""
    labels_v, labels_r = both_views(batch.visible_labels_B), batch.infrared_labels_B
    dynamic_v, dynamic_r = {}, {}
    if momentum_z is not None:
        visible_key, infrared_key = jax.random.split(key)
        dynamic_v = dict(momentum_z_BD=momentum_z.visible_BD, key=visible_key)
        dynamic_r = dict(momentum_z_BD=momentum_z.infrared_BD, key=infrared_key)
    return banks._replace(
        visible=moved_bank(banks.visible, z.visible_BD, labels_v, settings, **dynamic_v),
        infrared=moved_bank(banks.infrared, z.infrared_BD, labels_r, settings, **dynamic_r),
    )


def update_crossed_bank(
    banks: Banks, z: Encoded, batch: Batch, infrared_crosses: jax.Array, settings: TermSettings
) -> Banks:
    """The bank that this epoch's cross term touched also moves by the other modality's features."""
    if settings.cross_weight == 0:
        return banks
    return move_by_crossing(banks, z, batch, infrared_crosses, settings)


def move_by_crossing(
    banks: Banks, z: Encoded, batch: Batch, infrared_crosses: jax.Array, settings: TermSettings
) -> Banks:
    matches_r = jnp.where(infrared_crosses, batch.infrared_matches_B, -1)
    matches_v = jnp.where(infrared_crosses, -1, both_views(batch.visible_matches_B))
    return banks._replace(
        visible=moved_bank(banks.visible, z.infrared_BD, matches_r, settings),
        infrared=moved_bank(banks.infrared, z.visible_BD, matches_v, settings),
    )


def update_joint_bank(banks: Banks, z: Encoded, batch: Batch, settings: TermSettings) -> Banks:
    """In turn: visible features, then infrared ones. Together: one update by all rows."""
    labels_v, labels_r = both_views(batch.visible_labels_B), batch.infrared_labels_B
    if settings.bank_order == "in_turn":
        joint = moved_bank(banks.joint, z.visible_BD, labels_v, settings)
        return banks._replace(joint=moved_bank(joint, z.infrared_BD, labels_r, settings))
    # [ours] As the bank starts, by the mean of the two modalities' means: neither has the last
    # word, and the more numerous visible rows do not outvote the infrared ones.
    joint = moved_bank(
        banks.joint,
        jnp.concatenate([z.visible_BD, z.infrared_BD]),
        jnp.concatenate([labels_v, labels_r]),
        settings,
        modality_B=np.repeat([0, 1], [len(labels_v), len(labels_r)]),
    )
    return banks._replace(joint=joint)


def moved_bank(
    bank: PrototypeBank,
    z_BD: jax.Array,
    labels_B: jax.Array,
    settings: TermSettings,
    **more: jax.Array,
) -> PrototypeBank:
    return update_bank(
        bank,
        z_BD,
        labels_B,
        momentum=settings.bank_momentum,
        num_farthest=settings.num_farthest,
        **more,
    )
