"""AGW: two modality stems, one shared ResNet trunk with non-local blocks, GeM, BNNeck.

Source: Ye et al., "Deep Learning for Person Re-identification: A Survey and
Outlook" (TPAMI 2021), in the two-stream form that PCLHD uses.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from pclhd_jax.models.conv import Conv, max_pool
from pclhd_jax.models.l2_normalise import unit
from pclhd_jax.models.non_local import NonLocal, OutputNorm
from pclhd_jax.models.norm import BatchNorm
from pclhd_jax.models.resnet import Module, he_normal_fan_out, trunk_of_depth

# How many blocks at the end of a stage are followed by a non-local block (stages count from 1).
NON_LOCAL_BLOCKS = {2: 2, 3: 3}


def first_non_local_block(stage: int, num_blocks: int) -> int:
    """Blocks of a stage from this one on are followed by a non-local block."""
    return max(0, num_blocks - NON_LOCAL_BLOCKS.get(stage, 0))


class Stem(nn.Module):
    """conv1, bn1, relu, maxpool of a ResNet; each modality has its own."""

    channels: int
    conv: Module
    norm: Module

    @nn.compact
    def __call__(self, x_BHWC: jax.Array) -> jax.Array:
        x_BHWC = self.conv(self.channels, (7, 7), 2, padding=3, name="conv1")(x_BHWC)
        return max_pool(self.norm(relu=True, name="bn1")(x_BHWC))


def group_by_group(streams: list[jax.Array], G: int) -> jax.Array:
    """Rows of all streams in one batch: the first of G parts of every stream, then the second..."""
    parts = [x.reshape(G, -1, *x.shape[1:]) for x in streams]
    return jnp.concatenate(parts, axis=1).reshape(-1, *streams[0].shape[1:])


def stream_by_stream(x_BD: jax.Array, rows: list[int], G: int) -> jax.Array:
    """Back from `group_by_group`: all rows of the first stream, then of the second."""
    parts = jnp.split(x_BD.reshape(G, -1, x_BD.shape[-1]), [rows[0] // G], axis=1)
    return jnp.concatenate([part.reshape(-1, x_BD.shape[-1]) for part in parts])


def gem_pool(x_BHWC: jax.Array, p: float = 3.0) -> jax.Array:
    """Generalised mean over positions, in float32: the cube overflows half precision."""
    x_BHWC = x_BHWC.astype(jnp.float32)
    return (jnp.mean(x_BHWC**p, axis=(1, 2)) + 1e-12) ** (1 / p)


class AGW(nn.Module):
    """The encoder.

    depth: 18, 34, 50 or 101. width: factor on every channel count (1.0: ResNet's own).
    dtype: of the convolutions; pooling, norms' statistics and output are float32.
    bn_groups: in training each norm takes its statistics over so many parts of the batch, each
    with its share of both modalities' rows, in order: on 2, what torch's DataParallel does on two
    GPUs. remat: the backward pass computes the blocks' insides anew, instead of keeping them.

    `apply({'params', 'batch_stats'}, visible_BHWC, infrared_BHWC, train)` takes
    pictures already normalised by mean and deviation and returns (B, D) BNNeck
    features, visible rows first. Either batch may be None. In training the features
    are raw (the losses normalise them); otherwise they are L2-normalised.
    """

    depth: int = 50
    width: float = 1.0
    dtype: jnp.dtype = jnp.float32
    bn_groups: int = 1
    remat: bool = False

    @property
    def feature_width(self) -> int:
        return int(512 * self.width) * trunk_of_depth(self.depth).block.expansion

    @nn.compact
    def __call__(
        self,
        visible_BHWC: jax.Array | None,
        infrared_BHWC: jax.Array | None,
        train: bool = False,
    ) -> jax.Array:
        conv = partial(Conv, dtype=self.dtype, kernel_init=he_normal_fan_out)
        of_norms = {
            "use_running_average": not train,
            "momentum": 0.9,  # torch writes the same number as 0.1
            "epsilon": 1e-5,
            "groups": self.bn_groups,  # in training alone
        }
        norm = partial(BatchNorm, dtype=self.dtype, **of_norms)
        non_local = partial(NonLocal, partial(OutputNorm, **of_norms))
        channels = int(64 * self.width)
        streams = [
            Stem(channels, conv, norm, name=name)(x_BHWC)
            for name, x_BHWC in (("visible", visible_BHWC), ("infrared", infrared_BHWC))
            if x_BHWC is not None
        ]
        if not streams:
            raise ValueError("AGW got neither visible nor infrared pictures; pass at least one")
        G = self.bn_groups if train else 1
        x_BHWC = group_by_group(streams, G)

        block, blocks_per_stage = trunk_of_depth(self.depth)
        if self.remat and train:
            block = nn.remat(block)
        for stage, num_blocks in enumerate(blocks_per_stage, start=1):
            first_non_local = first_non_local_block(stage, num_blocks)
            for b in range(num_blocks):
                # The last stage keeps its resolution (stride 1): re-ID's usual change.
                strides = 2 if b == 0 and stage in (2, 3) else 1
                x_BHWC = block(
                    channels * 2 ** (stage - 1), strides, conv, norm, name=f"layer{stage}_{b}"
                )(x_BHWC)
                if b >= first_non_local:
                    x_BHWC = non_local(name=f"non_local{stage}_{b}")(x_BHWC)

        pooled_BD = gem_pool(x_BHWC)
        neck_BD = norm(
            use_bias=False,  # the BNNeck's bias is fixed at 0
            scale_init=lambda key, shape, dtype: 1.0 + 0.01 * jax.random.normal(key, shape, dtype),
            dtype=jnp.float32,
            slow_variance=True,  # pooled features: their mean is far larger than their deviation
            name="bottleneck",
        )(pooled_BD)
        if G > 1:
            neck_BD = stream_by_stream(neck_BD, [len(stream) for stream in streams], G)
        return neck_BD if train else unit(neck_BD)
