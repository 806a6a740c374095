"""Alignment: on purpose what the order `in_turn` does to a gradient by accident. [ours]

Each modality is held against prototypes that the other one's features of this very batch have
moved, nine tenths theirs: a softmax whose value and gradient agree, where `in_turn` has the value
of one bank and the gradient of another.
"""

import jax
import jax.numpy as jnp

from pclhd_jax.batches.batch import Batch
from pclhd_jax.method.losses import hybrid_loss
from pclhd_jax.method.terms import (
    Banks,
    Encoded,
    TermSettings,
    both_views,
    hybrid_numbers,
    move_by_crossing,
    moved_bank,
)


def align_terms(
    z: Encoded, banks: Banks, batch: Batch, infrared_crosses: jax.Array, settings: TermSettings
) -> dict[str, jax.Array]:
    """The modality that does not cross this epoch, against its own bank as the other moves it."""
    if settings.align_weight == 0:
        return {}
    common = hybrid_numbers(settings)
    moved = move_by_crossing(banks, z, batch, infrared_crosses, settings)
    visible = hybrid_loss(z.visible_BD, moved.visible, both_views(batch.visible_labels_B), **common)
    infrared = hybrid_loss(z.infrared_BD, moved.infrared, batch.infrared_labels_B, **common)
    return {"align": settings.align_weight * jnp.where(infrared_crosses, visible, infrared)}


def joint_align_terms(
    z: Encoded, banks: Banks, batch: Batch, settings: TermSettings
) -> dict[str, jax.Array]:
    """`align_terms` on joint clusters: each modality, against the bank as the other moves it."""
    if settings.align_weight == 0:
        return {}
    common = hybrid_numbers(settings)
    labels_v, labels_r = both_views(batch.visible_labels_B), batch.infrared_labels_B
    by_visible = moved_bank(banks.joint, z.visible_BD, labels_v, settings)
    by_infrared = moved_bank(banks.joint, z.infrared_BD, labels_r, settings)
    visible = hybrid_loss(z.visible_BD, by_infrared, labels_v, **common)
    infrared = hybrid_loss(z.infrared_BD, by_visible, labels_r, **common)
    return {"align_joint": settings.align_weight * (visible + infrared)}
