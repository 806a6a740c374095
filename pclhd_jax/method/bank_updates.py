"""How a step moves the banks, after its gradient.

Two terms may touch one bank. The setting `bank_order` says what they see of each other:

  together  every term reads the banks as the step found them; only afterwards are they updated,
            by the own modality's features first, then by the other modality's. [ours]
  in_turn   the terms write the banks one after another: the cross-modality term, then the
            visible own term, then the infrared one (in a joint step: visible, then infrared).
            Values are those of the banks as the step found them, yet a term's gradient goes
            through the bank as written so far. [released], whose backward pass writes the banks.
"""

import jax
import jax.numpy as jnp
import numpy as np

from pclhd_jax.method.prototypes import PrototypeBank, update_bank
from pclhd_jax.method.step_data import Banks, Encoded, StepData, TermSettings, both_views


def own_banks_through(z: Encoded, data: StepData, settings: TermSettings) -> Banks | None:
    """The banks that the own terms' gradients go through; None: the banks themselves.

    In turn, the cross-modality term has written one of them by then; each own term writes its own
    bank alone, and only after its gradient.
    """
    if settings.loss.bank_order == "together":
        return None
    return update_crossed_bank(z, data, settings)


def joint_bank_through(z: Encoded, data: StepData, settings: TermSettings) -> PrototypeBank | None:
    """As `own_banks_through`, for the infrared joint term: the visible one has written by then."""
    if settings.loss.bank_order == "together":
        return None
    labels_v = both_views(data.batch.visible_labels_B)
    return moved_bank(data.banks.joint, z.visible_BD, labels_v, settings)


def update_apart_banks(
    z: Encoded,
    data: StepData,
    settings: TermSettings,
    momentum_z: Encoded | None = None,
    key: jax.Array | None = None,
) -> Banks:
    """Both single-modality banks by own and by crossing features; the order is the setting's."""
    if settings.loss.bank_order == "in_turn":
        data = data._replace(banks=update_crossed_bank(z, data, settings))
        return update_own_banks(z, data, settings, momentum_z, key)
    data = data._replace(banks=update_own_banks(z, data, settings, momentum_z, key))
    return update_crossed_bank(z, data, settings)


def update_own_banks(
    z: Encoded,
    data: StepData,
    settings: TermSettings,
    momentum_z: Encoded | None = None,
    key: jax.Array | None = None,
) -> Banks:
    """Each modality's bank by its own features; dynamic prototypes from `momentum_z`, if given."""
    banks, batch = data.banks, data.batch
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


def update_crossed_bank(z: Encoded, data: StepData, settings: TermSettings) -> Banks:
    """The bank that this epoch's cross term touched also moves by the other modality's features."""
    banks, batch = data.banks, data.batch
    if settings.loss.cross_weight == 0:
        return banks
    crosses = data.inputs.infrared_crosses
    matches_r = jnp.where(crosses, batch.infrared_matches_B, -1)
    matches_v = jnp.where(crosses, -1, both_views(batch.visible_matches_B))
    return banks._replace(
        visible=moved_bank(banks.visible, z.infrared_BD, matches_r, settings),
        infrared=moved_bank(banks.infrared, z.visible_BD, matches_v, settings),
    )


def update_joint_bank(z: Encoded, data: StepData, settings: TermSettings) -> Banks:
    """In turn: visible features, then infrared ones. Together: one update by all rows."""
    banks, batch = data.banks, data.batch
    labels_v, labels_r = both_views(batch.visible_labels_B), batch.infrared_labels_B
    if settings.loss.bank_order == "in_turn":
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
    prototypes = settings.prototypes
    # A hard prototype that starts at the centroid moves by the one farthest row all the same.
    num_farthest = max(1, prototypes.num_farthest)
    return update_bank(
        bank, z_BD, labels_B, momentum=prototypes.momentum, num_farthest=num_farthest, **more
    )
