"""BatchNorm whose running variance is torch's: the unbiased one."""

import flax.linen as nn
import jax


class BatchNorm(nn.BatchNorm):
    """Flax's BatchNorm, but the variance it stores is torch's.

    Both normalise a training batch by its biased variance v. Flax also stores v; torch
    stores the unbiased v n / (n - 1), n being the numbers per channel. The encoder's
    statistics are then those that the authors' program would have, in either direction.
    """

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        moves = not (self.use_running_average or self.is_initializing())
        before_C = self.get_variable("batch_stats", "var") if moves else None
        y = super().__call__(x)
        if moves:
            n = x.size // x.shape[-1]
            kept_C = self.momentum * before_C
            added_C = self.get_variable("batch_stats", "var") - kept_C
            # A single number has no unbiased variance (torch refuses it): its v, 0, stays.
            var_C = kept_C + added_C * (n / max(n - 1, 1))
            self.put_variable("batch_stats", "var", var_C)
        return y
