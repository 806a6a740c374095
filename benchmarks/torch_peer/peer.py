"""The steps and the feature pass in PyTorch, with all the work of pclhd_jax/method/steps.

channels_last, autocast where the model's type is half as wide, one fused Adam, `torch.compile` if
asked for, nothing that waits for the device. Convolutions may use TF32, as XLA's do by default;
products with prototypes do not, as there.
"""

from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.torch_peer.agw import agw_with
from benchmarks.torch_peer.augment import Views, nchw
from benchmarks.torch_peer.bank import Bank, bank_of, move_bank
from benchmarks.torch_peer.terms import (
    Batch,
    Metrics,
    between_terms,
    joint_terms,
    own_terms,
    split,
)
from pclhd_jax.method.losses import LossWeights
from pclhd_jax.settings.sections import Settings


def check_peer(settings: Settings) -> None:
    """Raises ValueError for terms that the peer has not."""
    has = {"bank_order": "together", "dynamic_query": "online", "dynamic_choice": "extremes"}
    for name, value in has.items():
        given = getattr(settings.loss, name)
        if given != value:
            raise ValueError(
                f"config.loss.{name} is {given!r}; the peer has recipe `paper` alone, {value!r}"
            )


class Peer:
    """Encoders, optimiser and banks of a stage; every step changes them in place."""

    def __init__(
        self,
        settings: Settings,
        variables: dict[str, Any],
        banks: Any = (),
        *,
        device: torch.device,
        learning_rate: float = 0.0,
        compiled: bool = False,
        views: type[Views] = Views,
    ):
        """variables, banks: ours, of NumPy arrays."""
        check_peer(settings)
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = True, False
        torch.backends.cudnn.benchmark = True
        self.settings, self.device = settings, device
        model = agw_with(variables, settings.model.depth, settings.model.width)
        self.online = model.to(device, memory_format=torch.channels_last)
        self.momentum = deepcopy(self.online).requires_grad_(False)
        self.trained = [p for p in self.online.parameters() if p.requires_grad]
        pairs = zip(self.momentum.parameters(), self.online.parameters(), strict=True)
        self.averages = [average for average, p in pairs if p.requires_grad]
        self.adam = torch.optim.Adam(
            self.trained,
            lr=learning_rate,
            weight_decay=settings.optimizer.weight_decay,
            fused=True,
        )
        self.banks = [bank_of(bank, device) for bank in banks if bank is not None]
        # A step's shapes never change: kernels made for them alone are the fastest.
        wrap = partial(torch.compile, dynamic=False) if compiled else lambda function: function
        self.move_bank, self.joint_terms = wrap(move_bank), wrap(joint_terms)
        self.own_terms, self.between = wrap(own_terms), wrap(between_terms)
        self.views = views(settings.augment_pad).to(device)
        if compiled:
            for module in (self.online, self.momentum, self.views):
                module.compile(dynamic=False)

    def encode(self, model: torch.nn.Module, *pictures: Tensor | None) -> Tensor:
        """Unit features in float32, visible rows first."""
        dtype = getattr(torch, self.settings.model.dtype)
        with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            feature_BD = model(*pictures)
        return F.normalize(feature_BD.float())

    def descend(self, z_BD: Tensor, terms: Metrics) -> Metrics:
        self.adam.zero_grad(set_to_none=True)
        sum(terms.values()).backward()
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.trained])
        self.adam.step()
        metrics = {f"loss_{name}": value.detach() for name, value in terms.items()}
        return metrics | {"gradient_norm": norm}

    def move(self, bank: Bank, z_BD: Tensor, labels_B: Tensor, *more: Tensor | None) -> None:
        prototypes = self.settings.prototypes
        modality_B, momentum_z_BD = more or (None, None)
        self.move_bank(
            bank,
            z_BD.detach(),
            labels_B,
            modality_B,
            momentum_z_BD,
            prototypes.momentum,
            max(1, prototypes.num_farthest),
        )

    def stage1_step(self, batch: Batch, weights: LossWeights) -> Metrics:
        """weights: plain numbers."""
        pictures = self.views(batch.visible, batch.infrared)
        z_BD = self.encode(self.online, *pictures)
        metrics = self.descend(
            z_BD, self.own_terms(z_BD, self.banks, batch, weights, self.settings)
        )
        z_v, z_r = split(z_BD, batch)
        self.move(self.banks[0], z_v, batch.labels_v)
        self.move(self.banks[1], z_r, batch.labels_r)
        return metrics

    def stage2_step(
        self, batch: Batch, joint: Batch | None, weights: LossWeights, infrared_crosses: bool
    ) -> Metrics:
        metrics = self.apart_step(batch, weights, infrared_crosses)
        if joint is not None:
            of_joint = self.joint_step(joint)
            metrics["gradient_norm_joint"] = of_joint.pop("gradient_norm")
            metrics |= of_joint
        torch._foreach_lerp_(self.averages, self.trained, 1 - self.settings.encoder_decay)
        return metrics

    def apart_step(self, batch: Batch, weights: LossWeights, infrared_crosses: bool) -> Metrics:
        pictures = self.views(batch.visible, batch.infrared)
        with torch.no_grad():
            momentum_v, momentum_r = split(self.encode(self.momentum, *pictures), batch)
        z_BD = self.encode(self.online, *pictures)
        z_v, z_r = split(z_BD, batch)
        visible, infrared = self.banks[:2]
        common = (z_BD, self.banks, batch)
        terms = self.own_terms(*common, weights, self.settings)
        terms |= self.between(*common, weights, infrared_crosses, self.settings)
        metrics = self.descend(z_BD, terms)
        self.move(visible, z_v, batch.labels_v, None, momentum_v)
        self.move(infrared, z_r, batch.labels_r, None, momentum_r)
        if not self.settings.loss.cross_weight:
            return metrics
        if infrared_crosses:
            self.move(visible, z_r, batch.matches_r)
        else:
            self.move(infrared, z_v, batch.matches_v)
        return metrics

    def joint_step(self, batch: Batch) -> Metrics:
        pictures = self.views(batch.visible, batch.infrared)
        z_BD = self.encode(self.online, *pictures)
        terms = self.joint_terms(z_BD, self.banks[2], batch, self.settings)
        metrics = self.descend(z_BD, terms)
        labels_B = torch.cat([batch.labels_v, batch.labels_r])
        modality_B = torch.arange(len(labels_B), device=self.device) >= len(batch.labels_v)
        self.move(self.banks[2], z_BD, labels_B, modality_B, None)
        return metrics

    @torch.inference_mode()
    def features(self, images_BHWC: Tensor, modality: str) -> Tensor:
        """Of plain pictures: eval mode, picture and mirror averaged."""
        if self.online.training:  # a walk over all modules, once
            self.online.eval()
        pictures = nchw(self.views.normalise(torch.cat([images_BHWC, images_BHWC.flip(2)])))
        pair = (pictures, None) if modality == "visible" else (None, pictures)
        first_BD, mirror_BD = self.encode(self.online, *pair).chunk(2)
        mean_BD = (first_BD + mirror_BD) / 2
        return F.normalize(mean_BD) if self.settings.cluster.unit_features else mean_BD
