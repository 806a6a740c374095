"""The settings that a run leaves in its workdir: `config.json`, read and checked."""

from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from pclhd_jax.settings.sections import Settings, settings_of
from pclhd_jax.system.json_files import read_json
from pclhd_jax.system.json_shapes import anything, table_of
from pclhd_jax.system.paths import given_path

CONFIG = "config.json"
# Settings that a run of an earlier version lacks, with the values that behave as it did.
CAME_LATER = {
    "loss.align_weight": 0.0,
    "model.remat": False,
    "bn_groups": 1,
    "writers": ("tensorboard",),
    "send_pictures": False,
}


def read_config(workdir: str | Path) -> dict[str, Any]:
    """The settings that a run left, checked as `settings_of` checks them.

    Raises:
      FileNotFoundError: no config.json.
      ValueError: it is damaged, or this version does not accept its settings; the text names the
        file and the setting.
    """
    config = read_kept_config(workdir)
    check_settings(Path(workdir) / CONFIG, config)
    return config


def check_settings(path: Path, config: dict[str, Any]) -> Settings:
    """Raises ValueError, which names the file, for settings that this version does not accept."""
    try:
        return settings_of(config)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def read_kept_config(workdir: str | Path) -> dict[str, Any]:
    """The settings that a run of any version left, unchecked, to compare them with others.

    Settings newer than the run get the value that behaves as the run did. Raises as `read_config`,
    except for the values of settings.
    """
    path = Path(workdir) / CONFIG
    if not path.exists():
        raise FileNotFoundError(
            f"no config.json in {workdir}; name the workdir of a run itself, or restore the file, "
            "because a run is read with its settings"
        )
    return read_config_file(path)


def read_config_file(path: Path) -> dict[str, Any]:
    """As `read_kept_config`, of a file of any name."""
    config = read_json(path, table_of(anything))
    for setting, value in CAME_LATER.items():
        *sections, name = setting.split(".")
        section = config
        for key in sections:
            section = section.get(key) if isinstance(section, dict) else None
        if isinstance(section, dict):
            section.setdefault(name, value)
    return config


def config_of_json(path: str | Path) -> ConfigDict:
    """The settings of a config.json of any name, as an experiment file would give them.

    Raises as `read_config`.
    """
    path = Path(given_path(path))
    if not path.is_file():
        raise ValueError(f"no file {path}; name the {CONFIG} of a run")
    return ConfigDict(check_settings(path, read_config_file(path)).to_dict())


def config_of_run(workdir: str | Path) -> ConfigDict:
    """As `config_of_json`, for a workdir or one checkpoint of it (RUN/checkpoints/12).

    Raises ValueError, with the remedy, if there are no settings, and as `read_config`.
    """
    path = Path(workdir)
    run = path.parent.parent if path.parent.name == "checkpoints" else path
    if not (run / CONFIG).is_file():
        raise ValueError(
            f"{run} has no {CONFIG}, so its settings are unknown; name the workdir of a "
            "run, or an experiment: --config=configs/synthetic.py"
        )
    return config_of_json(run / CONFIG)
