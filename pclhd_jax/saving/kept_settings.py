"""The settings that a run keeps, as an experiment file would give them."""

from pathlib import Path

from ml_collections import ConfigDict

from pclhd_jax.saving.workdir import CONFIG, checked_settings


def config_of_json(path: str | Path) -> ConfigDict:
    """Of a `config.json`, whatever its name.

    Raises as `read_config`.
    """
    return ConfigDict(checked_settings(Path(path)).to_dict())


def config_of_run(workdir: str | Path) -> ConfigDict:
    """Of a workdir, or of one checkpoint of it (RUN/checkpoints/12).

    Raises:
      ValueError: no settings lie there, or they are damaged; with the remedy.
    """
    path = Path(workdir)
    run = path.parent.parent if path.parent.name == "checkpoints" else path
    if not (run / CONFIG).is_file():
        raise ValueError(
            f"{run} has no {CONFIG}, so there are no settings to go on with; name the workdir of a "
            "run, or an experiment: --config=configs/synthetic.py"
        )
    return config_of_json(run / CONFIG)
