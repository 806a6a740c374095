"""AGW: two modality stems, one shared ResNet trunk with non-local blocks, GeM, BNNeck.

Source: Ye et al., "Deep Learning for Person Re-identification: A Survey and
Outlook" (TPAMI 2021), in the two-stream form that PCLHD uses.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from pclhd_jax.models.l2_normalise import unit
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
        x_BHWC = nn.relu(self.norm(name="bn1")(x_BHWC))
        return nn.max_pool(x_BHWC, (3, 3), (2, 2), ((1, 1), (1, 1)))


class NonLocal(nn.Module):
    """Every position adds what it sees at all others, through one channel.

    No softmax: f = theta phi^T / positions. Scale and bias of the last norm start
    at zero, so the block starts as the identity.
    """

    conv: Module
    norm: Module

    @nn.compact
    def __call__(self, x_BHWC: jax.Array) -> jax.Array:
        B, H, W, C = x_BHWC.shape
        # torch's own initialisation of a convolution; "fan out" of one channel would be huge.
        init = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
        conv = partial(self.conv, use_bias=True, kernel_init=init)
        g_BN, theta_BN, phi_BN = (
            conv(1, (1, 1), name=name)(x_BHWC).reshape(B, H * W) for name in ("g", "theta", "phi")
        )
        # f = theta phi^T is an outer product of rank one: f g = theta (phi . g).
        y_BN = theta_BN * jnp.mean(phi_BN * g_BN, axis=1, keepdims=True)
        y_BHWC = conv(C, (1, 1), name="W_conv")(y_BN.reshape(B, H, W, 1))
        zeros = nn.initializers.zeros_init()
        # The slow variance: mean(x^2) - mean(x)^2 is off where the mean is far larger than the
        # deviation, here and at the neck. It cost the training features a digit of precision.
        norm = self.norm(scale_init=zeros, bias_init=zeros, use_fast_variance=False, name="W_bn")
        return x_BHWC + norm(y_BHWC)


def gem_pool(x_BHWC: jax.Array, p: float = 3.0) -> jax.Array:
    """Generalised mean over positions, in float32: the cube overflows half precision."""
    x_BHWC = x_BHWC.astype(jnp.float32)
    return (jnp.mean(x_BHWC**p, axis=(1, 2)) + 1e-12) ** (1 / p)


class AGW(nn.Module):
    """The encoder.

    depth: 18, 34, 50 or 101. width: factor on every channel count (1.0: ResNet's own).
    dtype: of the convolutions; pooling, norms' statistics and output are float32.

    `apply({'params', 'batch_stats'}, visible_BHWC, infrared_BHWC, train)` takes
    pictures already normalised by mean and deviation and returns (B, D) BNNeck
    features, visible rows first. Either batch may be None. In training the features
    are raw (the losses normalise them); otherwise they are L2-normalised.
    """

    depth: int = 50
    width: float = 1.0
    dtype: jnp.dtype = jnp.float32

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
        conv = partial(nn.Conv, use_bias=False, dtype=self.dtype, kernel_init=he_normal_fan_out)
        norm = partial(
            BatchNorm,
            use_running_average=not train,
            momentum=0.9,  # torch writes the same number as 0.1
            epsilon=1e-5,
            dtype=self.dtype,
        )
        channels = int(64 * self.width)
        streams = [
            Stem(channels, conv, norm, name=name)(x_BHWC)
            for name, x_BHWC in (("visible", visible_BHWC), ("infrared", infrared_BHWC))
            if x_BHWC is not None
        ]
        if not streams:
            raise ValueError("AGW got neither visible nor infrared pictures; pass at least one")
        x_BHWC = jnp.concatenate(streams) if len(streams) == 2 else streams[0]

        block, blocks_per_stage = trunk_of_depth(self.depth)
        for stage, num_blocks in enumerate(blocks_per_stage, start=1):
            first_non_local = first_non_local_block(stage, num_blocks)
            for b in range(num_blocks):
                # The last stage keeps its resolution (stride 1): re-ID's usual change.
                strides = 2 if b == 0 and stage in (2, 3) else 1
                x_BHWC = block(
                    channels * 2 ** (stage - 1), strides, conv, norm, name=f"layer{stage}_{b}"
                )(x_BHWC)
                if b >= first_non_local:
                    x_BHWC = NonLocal(conv, norm, name=f"non_local{stage}_{b}")(x_BHWC)

        pooled_BD = gem_pool(x_BHWC)
        neck_BD = norm(
            use_bias=False,  # the BNNeck's bias is fixed at 0
            scale_init=lambda key, shape, dtype: 1.0 + 0.01 * jax.random.normal(key, shape, dtype),
            dtype=jnp.float32,
            use_fast_variance=False,
            name="bottleneck",
        )(pooled_BD)
        return neck_BD if train else unit(neck_BD)
