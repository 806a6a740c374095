"""The prototype bank: losses against it, and its update in place (method: 'Losses', 'Update')."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass
class Bank:
    """Unit rows of the clusters that there are: nothing is padded here."""

    centroid_KD: Tensor
    hard_KD: Tensor
    dynamic_KSD: Tensor


def bank_of(bank: Any, device: torch.device) -> Bank:
    """The live rows of ours, whose arrays are NumPy's."""
    live_K = np.asarray(bank.live_K)
    rows = (bank.centroid_KD, bank.hard_KD, bank.dynamic_KSD)
    return Bank(*(torch.from_numpy(np.asarray(x)[live_K]).to(device) for x in rows))


def prototype_loss(
    z_BD: Tensor,
    bank: Bank,
    labels_B: Tensor,
    *,
    centroid_weight: float,
    hard_weight: float,
    temperature: float,
    margin: float,
) -> Tensor:
    centroid = F.cross_entropy(z_BD @ bank.centroid_KD.T / temperature, labels_B)
    hard = F.cross_entropy(z_BD @ bank.hard_KD.T / temperature, labels_B)
    return centroid_weight * F.relu(centroid - margin) + hard_weight * hard


def dynamic_loss(z_BD: Tensor, bank: Bank, labels_B: Tensor, *, temperature: float) -> Tensor:
    """The own cluster by its least similar prototype, every other by its most similar one."""
    K, S, D = bank.dynamic_KSD.shape
    similarity_BKS = (z_BD @ bank.dynamic_KSD.view(K * S, D).T).view(-1, K, S)
    index_B1S = labels_B[:, None, None].expand(-1, 1, S)
    own_B1 = similarity_BKS.gather(1, index_B1S).amin(2)
    similarity_BK = similarity_BKS.amax(2).scatter(1, labels_B[:, None], own_B1)
    return F.cross_entropy(similarity_BK / temperature, labels_B)


@torch.no_grad()
def move_bank(
    bank: Bank,
    z_BD: Tensor,
    labels_B: Tensor,
    modality_B: Tensor | None,
    momentum_z_BD: Tensor | None,
    momentum: float,
    num_farthest: int,
) -> None:
    """Of the clusters in the batch. Rows of one cluster write one and the same thing.

    modality_B: of a joint bank, see `pclhd_jax.method.prototypes.update_bank`.
    """
    same_BB = labels_B[:, None] == labels_B
    old_BD = bank.centroid_KD[labels_B]
    similarity_B = (z_BD * old_BD).sum(1)
    far_BD = farthest(z_BD, similarity_B, same_BB, num_farthest)
    mean_BD = cluster_means(z_BD, same_BB, modality_B)
    if momentum_z_BD is not None:
        picked_BS = pick(labels_B, same_BB, *bank.dynamic_KSD.shape[:2])
        bank.dynamic_KSD[labels_B] = momentum_z_BD[picked_BS]
    hard_BD = momentum * bank.hard_KD[labels_B] + (1 - momentum) * far_BD
    bank.centroid_KD[labels_B] = F.normalize(momentum * old_BD + (1 - momentum) * mean_BD)
    bank.hard_KD[labels_B] = F.normalize(hard_BD)


def cluster_means(z_BD: Tensor, same_BB: Tensor, modality_B: Tensor | None) -> Tensor:
    """Of each row's cluster; of a joint bank the mean of both modalities' means."""
    peers_BB = same_BB if modality_B is None else same_BB & (modality_B[:, None] == modality_B)
    weight_BB = same_BB / peers_BB.sum(1)
    return weight_BB @ z_BD / weight_BB.sum(1, keepdim=True)


def farthest(z_BD: Tensor, similarity_B: Tensor, same_BB: Tensor, num: int) -> Tensor:
    """Of each row's cluster, the mean of the `num` rows that are least similar to the centre."""
    masked_BB = torch.where(same_BB, similarity_B, torch.inf)
    least_BF, row_BF = masked_BB.topk(min(num, len(z_BD)), dim=1, largest=False)
    is_own_BF1 = least_BF.isfinite()[:, :, None]
    return (z_BD[row_BF] * is_own_BF1).sum(1) / is_own_BF1.sum(1)


def pick(labels_B: Tensor, same_BB: Tensor, K: int, S: int) -> Tensor:
    """(B, S) rows of each row's cluster: different ones, or with repeats where it has fewer."""
    device = labels_B.device
    shuffled_BB = torch.where(same_BB, torch.rand(len(labels_B), device=device), 2.0).argsort(1)
    count_B1 = same_BB.sum(1, keepdim=True)
    repeat_BS = (torch.rand(K, S, device=device)[labels_B] * count_B1).long()
    repeat_BS = torch.minimum(repeat_BS, count_B1 - 1)
    different_S = torch.arange(S, device=device).clamp(max=len(labels_B) - 1)
    return shuffled_BB.gather(1, torch.where(count_B1 >= S, different_S, repeat_BS))
