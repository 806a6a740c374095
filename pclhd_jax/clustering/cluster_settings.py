"""How pictures are clustered: the sizes of the Jaccard distance, and all settings of an epoch."""

from typing import Any, NamedTuple

from pclhd_jax.settings.schedule import When


class JaccardSettings(NamedTuple):
    """Which neighbours the distance reads; the arguments of `jaccard.jaccard_distance`."""

    k1: int
    k2: int
    count_self: bool = False
    unit_features: bool = True

    @property
    def list_length(self) -> int:
        """Neighbours that the distance needs of every picture, itself included."""
        return max(self.reciprocal_length, self.k2)

    @property
    def reciprocal_length(self) -> int:
        """Entries of R(i, k1), the picture itself included."""
        # Zhong et al. take k1 + 1; [released] asks its index for k1, itself among them.
        return self.k1 if self.count_self else self.k1 + 1

    @property
    def half_length(self) -> int:
        """Entries of R(j, k1/2), itself included, whoever counts."""
        return round(self.k1 / 2) + 1  # Python rounds halves to even, as the method does


class ClusterSettings(NamedTuple):
    """How the pictures of one epoch are clustered.

    own: of each modality apart. joint: of both together; None: they are not clustered together.
    joint_keeps: 'mixed' or 'all', see `both_modalities.keep_joint`.
    """

    eps: float
    min_samples: int
    own: JaccardSettings
    joint: JaccardSettings | None
    joint_keeps: str = "mixed"


def cluster_settings(config: Any, when: When) -> ClusterSettings:
    """The settings of one epoch; stage 1 has no joint clusters."""
    cluster = config.cluster
    alike = dict(count_self=cluster.count_self, unit_features=cluster.unit_features)
    joint = None
    if when.stage == 2:
        joint = JaccardSettings(cluster.joint_k1, cluster.joint_k2, **alike)
    return ClusterSettings(
        eps=cluster.eps,
        min_samples=cluster.min_samples,
        own=JaccardSettings(cluster.k1, cluster.k2, **alike),
        joint=joint,
        joint_keeps=cluster.joint_keeps,
    )
