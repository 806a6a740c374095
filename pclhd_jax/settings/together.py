"""Which settings do not go together."""

from typing import Any

from pclhd_jax.settings.limits import MOST_ROWS


def check_together(settings: Any) -> None:
    """Raises ValueError for settings that do not go together, with the remedy."""
    if not settings.stage1.epochs + settings.stage2.epochs:
        raise ValueError("no epoch to run; raise config.stage1.epochs or config.stage2.epochs")
    _check_batches(settings)
    cluster = settings.cluster
    for name in ("k1", "joint_k1"):
        if cluster.count_self and getattr(cluster, name) < 2:
            raise ValueError(
                f"config.cluster.{name} is {getattr(cluster, name)}, and count_self leaves the "
                "picture itself alone in its list; give at least 2"
            )
    if settings.report_gradients and settings.model.dtype == "float16":
        raise ValueError(
            "config.report_gradients is True and config.model.dtype float16, whose gradients are "
            "scaled to be in its range, one term's not as another's; take bfloat16 or float32"
        )
    if settings.init.imagenet and settings.init.agw:
        raise ValueError(
            f"config.init.imagenet ({settings.init.imagenet}) and config.init.agw "
            f"({settings.init.agw}) are both given; the second holds a whole encoder: leave one "
            "of them empty"
        )


def _check_batches(settings: Any) -> None:
    for stage in (1, 2):
        counts = getattr(settings, f"stage{stage}")
        for name in ("visible_shots", "infrared_shots"):
            rows = counts.clusters_per_batch * getattr(counts, name)
            if rows % settings.bn_groups:
                raise ValueError(
                    f"config.bn_groups is {settings.bn_groups}, and config.stage{stage}.{name} "
                    f"with clusters_per_batch gives {rows} pictures a batch, which do not divide "
                    "into so many parts; give a divisor"
                )
            if rows > MOST_ROWS:
                raise ValueError(
                    f"config.stage{stage}.{name} is {getattr(counts, name)}, for "
                    f"config.stage{stage}.clusters_per_batch {counts.clusters_per_batch}: "
                    f"{rows:,} pictures a batch; give at most {MOST_ROWS:,}"
                )
