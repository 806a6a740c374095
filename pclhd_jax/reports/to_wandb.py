"""Weights & Biases: the record as a run of a project; its own files lie in the workdir."""

import os
from typing import Any

import numpy as np

from pclhd_jax.reports.histogram_edges import edges_of
from pclhd_jax.reports.record_writers import Epoch, Start
from pclhd_jax.system.private_files import make_private_folder

# The record alone: nothing of the machine, the program's folder or the terminal.
QUIET = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "host": "",
    "silent": True,
    "symlink": False,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}
# Seconds. What a lost server did not get stays in the workdir, for `wandb sync`.
PATIENCE = {"login_timeout": 60, "init_timeout": 60, "finish_timeout": 30}
DURABLE = {"x_transaction_log_flush_interval": 1.0}  # a kill loses no noted epoch
SETTINGS = QUIET | PATIENCE | DURABLE


class Wandb:
    """Numbers, histograms, pictures and texts by epoch; settings as the run's config."""

    def __init__(self, start: Start):
        self.wandb = imported()
        make_private_folder(start.workdir / "wandb")
        self.handle = self.wandb.init(
            project=os.environ.get("WANDB_PROJECT", "pclhd_jax"),
            name=start.workdir.name,
            id=start.run_to_continue() or None,
            resume="allow",
            reinit="create_new",  # a notebook may have a run of its own, which goes on
            dir=str(start.workdir),
            settings=self.wandb.Settings(**SETTINGS),
        )
        self.run = self.handle.id
        self.has = start.has if self.run == start.run else -1
        self.handle.config.update(dict(start.settings), allow_val_change=True)

    def write(self, epoch: Epoch) -> None:
        row: dict[str, Any] = {**epoch.scalars, **epoch.texts}
        for name, size_K in epoch.sizes.items():
            counts = np.histogram(size_K, edges_of(size_K))
            row[name] = self.wandb.Histogram(np_histogram=counts)
        for name, picture_HWC in epoch.pictures.items():
            row[name] = self.wandb.Image(picture_HWC)
        self.handle.log(row, step=epoch.epochs_done, commit=True)

    def close(self, finished: bool) -> None:
        self.handle.finish(exit_code=0 if finished else 1)


def check_login() -> None:
    """Raises ValueError if W&B is too old, or knows no key; asks for a key on a terminal."""
    wandb = imported()
    if not getattr(wandb.Settings, "model_fields", {}).keys() >= SETTINGS.keys():
        raise ValueError(
            f"config.writers names wandb, and the installed version {wandb.__version__} is too "
            "old; run `pip install -U wandb`"
        )
    if os.environ.get("WANDB_MODE", "online") != "online":
        return
    try:
        wandb.login(timeout=PATIENCE["login_timeout"])
    except wandb.errors.UsageError as error:
        raise ValueError(
            "config.writers names wandb, which has no key of yours; run `wandb login`, set "
            "WANDB_API_KEY, or set WANDB_MODE=offline"
        ) from error
    except wandb.errors.CommError:
        pass  # a server that is away ends no run: the writer tells of it


def imported() -> Any:
    """The package, by default without its reports of its own errors."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    return wandb
