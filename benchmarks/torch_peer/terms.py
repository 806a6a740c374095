"""The terms of a step, as PyTorch computes them (method: 'Losses'), and the batch they read."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.torch_peer.bank import Bank, dynamic_loss, prototype_loss
from pclhd_jax.method.losses import LossWeights
from pclhd_jax.settings.sections import Settings

Metrics = dict[str, Tensor]


class Batch:
    """A batch of ours on the device; labels as torch indexes by."""

    def __init__(self, batch: Any, device: torch.device):
        as_tensor = lambda x: torch.from_numpy(np.array(x)).to(device)  # noqa: E731
        self.visible, self.infrared = map(as_tensor, batch[:2])
        labels = [None if x is None else as_tensor(x).long() for x in batch[2:]]
        self.labels_v, self.labels_r, self.matches_v, self.matches_r = labels
        # Both views of a visible picture have its label.
        self.labels_v = self.labels_v.repeat(2)
        self.matches_v = None if self.matches_v is None else self.matches_v.repeat(2)


def split(z_BD: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    num_visible = len(batch.labels_v)
    return z_BD[:num_visible], z_BD[num_visible:]


def own_terms(
    z_BD: Tensor, banks: list[Bank], batch: Batch, weights: LossWeights, settings: Settings
) -> Metrics:
    z_v, z_r = split(z_BD, batch)
    common = dict(
        centroid_weight=weights.centroid,
        hard_weight=weights.hard,
        temperature=settings.loss.temperature,
        margin=settings.loss.own_margin,
    )
    return {
        "visible": prototype_loss(z_v, banks[0], batch.labels_v, **common),
        "infrared": prototype_loss(z_r, banks[1], batch.labels_r, **common),
    }


def between_terms(
    z_BD: Tensor,
    banks: list[Bank],
    batch: Batch,
    weights: LossWeights,
    infrared_crosses: bool,
    settings: Settings,
) -> Metrics:
    """Cross-modality and dynamic terms."""
    z_v, z_r = split(z_BD, batch)
    loss, tau = settings.loss, settings.loss.temperature
    terms = {}
    if loss.cross_weight:
        met = (z_r, banks[0], batch.matches_r) if infrared_crosses else None
        crossing = prototype_loss(*(met or (z_v, banks[1], batch.matches_v)), **hybrid(settings))
        terms["cross"] = loss.cross_weight * crossing
    dynamic_v = dynamic_loss(z_v, banks[0], batch.labels_v, temperature=tau)
    dynamic_r = dynamic_loss(z_r, banks[1], batch.labels_r, temperature=tau)
    return terms | {
        "dynamic_visible": weights.dynamic * dynamic_v,
        "dynamic_infrared": weights.dynamic * dynamic_r,
    }


def joint_terms(z_BD: Tensor, bank: Bank, batch: Batch, settings: Settings) -> Metrics:
    z_v, z_r = split(z_BD, batch)
    return {
        "joint_visible": prototype_loss(z_v, bank, batch.labels_v, **hybrid(settings)),
        "joint_infrared": prototype_loss(z_r, bank, batch.labels_r, **hybrid(settings)),
    }


def hybrid(settings: Settings) -> dict[str, float]:
    loss = settings.loss
    return dict(
        centroid_weight=1 - loss.hybrid_hard,
        hard_weight=loss.hybrid_hard,
        temperature=loss.temperature,
        margin=loss.hybrid_margin,
    )
