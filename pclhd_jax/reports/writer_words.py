"""The words of `config.writers`, and what each opens: the one place to hook in another."""

import importlib.util
from collections.abc import Sequence

from pclhd_jax.reports.record_writers import Kind
from pclhd_jax.reports.to_mlflow import Mlflow, check_place
from pclhd_jax.reports.to_tensorboard import TensorBoard
from pclhd_jax.reports.to_wandb import Wandb, check_login

KINDS = {
    "tensorboard": Kind(TensorBoard, True, "tensorboardX", "tensorboardX"),
    "mlflow": Kind(Mlflow, False, "mlflow", "mlflow-skinny", check_place),
    "wandb": Kind(Wandb, False, "wandb", "wandb", check_login),
}


def kinds_of(words: Sequence[str]) -> dict[str, Kind]:
    return {word: KINDS[word] for word in words}


def check_writers(words: Sequence[str]) -> None:
    """Raises ValueError, with the remedy, for a writer that this machine cannot open."""
    for word, kind in kinds_of(words).items():
        if kind.module and not is_installed(kind.module):
            raise ValueError(
                f"config.writers names {word}, whose package {kind.package} is not installed; "
                f"run `pip install {kind.package}`, or leave the word out"
            )
        if kind.check is not None:
            kind.check()


def is_installed(module: str) -> bool:
    """Not by a mere folder of that name: W&B and MLflow leave such where they run."""
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.origin is not None
