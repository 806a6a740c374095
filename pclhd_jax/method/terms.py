"""The terms of the loss: which features meet which bank.

`own_terms` are all terms of stage 1, `apart_terms` those of the first optimiser step of stage 2,
`joint_terms` those of its second. They return weighted scalars, by the name of the loss in the
record and then by kind: {"visible": {"centroid": x, "hard": y}, "cross": {"cross": z}}. The step
sums them, the gradient report differentiates kind by kind, and the record, TensorBoard and the page
take the names from here.
"""

import jax
import jax.numpy as jnp

from pclhd_jax.method.bank_updates import joint_bank_through, own_banks_through
from pclhd_jax.method.losses import centroid_loss, dynamic_loss, hard_loss, hybrid_loss
from pclhd_jax.method.prototypes import PrototypeBank
from pclhd_jax.method.step_data import Banks, Encoded, StepData, TermSettings, both_views

Terms = dict[str, dict[str, jax.Array]]


def own_terms(
    z: Encoded, data: StepData, settings: TermSettings, through: Banks | None = None
) -> Terms:
    """Centroid and hard terms of each modality against its own bank.

    through: banks that the gradient goes through, if not `data.banks`: those that an earlier term
    of the step has written already, see `bank_updates`.
    """
    weights, loss = data.inputs.weights, settings.loss

    def against(
        z_BD: jax.Array, bank: PrototypeBank, labels_B: jax.Array, through: PrototypeBank | None
    ) -> dict[str, jax.Array]:
        common = dict(temperature=loss.temperature, through=through)
        centroid = centroid_loss(z_BD, bank, labels_B, margin=loss.own_margin, **common)
        hard = hard_loss(z_BD, bank, labels_B, **common)
        return {"centroid": weights.centroid * centroid, "hard": weights.hard * hard}

    banks, batch = data.banks, data.batch
    through_v, through_r = (None, None) if through is None else through[:2]
    labels_v = both_views(batch.visible_labels_B)
    return {
        "visible": against(z.visible_BD, banks.visible, labels_v, through_v),
        "infrared": against(z.infrared_BD, banks.infrared, batch.infrared_labels_B, through_r),
    }


def apart_terms(z: Encoded, momentum_z: Encoded, data: StepData, settings: TermSettings) -> Terms:
    """Own, cross-modality and dynamic terms. momentum_z: of the momentum encoder."""
    # [released] asks with the momentum encoder: a constant, reported but without gradient.
    query = z if settings.loss.dynamic_query == "online" else momentum_z
    return (
        own_terms(z, data, settings, own_banks_through(z, data, settings))
        | cross_terms(z, data, settings)
        | dynamic_terms(query, data, settings)
    )


def cross_terms(z: Encoded, data: StepData, settings: TermSettings) -> Terms:
    """One modality against the other's bank, by matched clusters; which one alternates by epoch."""
    weight = settings.loss.cross_weight
    if weight == 0:
        return {}
    banks, batch, common = data.banks, data.batch, hybrid_numbers(settings)
    matched_v = both_views(batch.visible_matches_B)
    to_visible = hybrid_loss(z.infrared_BD, banks.visible, batch.infrared_matches_B, **common)
    to_infrared = hybrid_loss(z.visible_BD, banks.infrared, matched_v, **common)
    cross = weight * jnp.where(data.inputs.infrared_crosses, to_visible, to_infrared)
    return {"cross": {"cross": cross}}


def dynamic_terms(z: Encoded, data: StepData, settings: TermSettings) -> Terms:
    """Each modality against its own dynamic prototypes."""
    keys = (None, None)
    if settings.loss.dynamic_choice == "random":
        keys = jax.random.split(data.key)
    banks, batch, tau = data.banks, data.batch, settings.loss.temperature
    labels_v, labels_r = both_views(batch.visible_labels_B), batch.infrared_labels_B
    visible = dynamic_loss(z.visible_BD, banks.visible, labels_v, temperature=tau, key=keys[0])
    infrared = dynamic_loss(z.infrared_BD, banks.infrared, labels_r, temperature=tau, key=keys[1])
    weight = data.inputs.weights.dynamic
    return {
        "dynamic_visible": {"dynamic": weight * visible},
        "dynamic_infrared": {"dynamic": weight * infrared},
    }


def joint_terms(z: Encoded, data: StepData, settings: TermSettings) -> Terms:
    """Both modalities against the joint bank; the batch holds joint labels."""
    bank, batch, common = data.banks.joint, data.batch, hybrid_numbers(settings)
    labels_v, labels_r = both_views(batch.visible_labels_B), batch.infrared_labels_B
    through = joint_bank_through(z, data, settings)
    visible = hybrid_loss(z.visible_BD, bank, labels_v, **common)
    infrared = hybrid_loss(z.infrared_BD, bank, labels_r, through=through, **common)
    return {"joint_visible": {"joint": visible}, "joint_infrared": {"joint": infrared}}


def hybrid_numbers(settings: TermSettings) -> dict[str, float]:
    loss = settings.loss
    return dict(
        temperature=loss.temperature, margin=loss.hybrid_margin, hard_share=loss.hybrid_hard
    )


def losses_of(terms: Terms) -> dict[str, jax.Array]:
    """One number for each loss of the record: the sum of its kinds."""
    return {name: sum(kinds.values()) for name, kinds in terms.items()}


def kinds_of(terms: Terms) -> dict[str, jax.Array]:
    """One number for each kind of term: the sum over the losses that have it."""
    totals: dict[str, jax.Array] = {}
    for kinds in terms.values():
        for kind, value in kinds.items():
            totals[kind] = totals.get(kind, 0.0) + value
    return totals
