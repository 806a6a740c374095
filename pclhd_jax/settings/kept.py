"""The settings that a run leaves in its workdir: `config.json`, read and checked."""

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from ml_collections import ConfigDict

from pclhd_jax.settings.sections import REMOVED, Settings, settings_of
from pclhd_jax.system.json_files import read_json
from pclhd_jax.system.json_shapes import anything, table_of
from pclhd_jax.system.paths import given_path

CONFIG = "config.json"


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
    """Raises ValueError, which names the file, for settings that this version does not accept.

    A setting that this version no longer has is left out: it shaped the run, not what is read here.
    """
    try:
        return settings_of_kept(config)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def settings_of_kept(config: dict[str, Any]) -> Settings:
    """As `settings_of`, of what `read_config` gives: it shows also what is gone by now."""
    return settings_of(without_removed(config))


def read_settings(workdir: str | Path) -> Settings:
    """The settings of a run that this version has. Raises as `read_config`."""
    return settings_of_kept(read_config(workdir))


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
    add_later_settings(config, Settings)
    return without_removed(config, only_without_effect=True)


def add_later_settings(section: Any, kind: type) -> None:
    """To a section of an earlier version: what it lacks, with the values that behave as it did."""
    if not isinstance(section, dict):
        return
    hints = get_type_hints(kind)
    for spec in fields(kind):
        if is_dataclass(hints[spec.name]):
            if not needs_a_value(hints[spec.name]):  # a section that came later
                section.setdefault(spec.name, {})
            add_later_settings(section.get(spec.name), hints[spec.name])
        elif "before" in spec.metadata:
            section.setdefault(spec.name, spec.metadata["before"])


def needs_a_value(kind: type) -> bool:
    """Whether some setting of a section has no value for runs that are older."""
    hints = get_type_hints(kind)
    return any(
        needs_a_value(hints[spec.name])
        if is_dataclass(hints[spec.name])
        else "before" not in spec.metadata
        for spec in fields(kind)
    )


def without_removed(config: dict[str, Any], *, only_without_effect: bool = False) -> dict[str, Any]:
    """A copy without the settings that this version no longer has.

    only_without_effect: keep those whose value did something, so that a comparison shows them.
    """
    kept = {k: dict(v) if isinstance(v, dict) else v for k, v in config.items()}
    for setting, off in REMOVED.items():
        section_name, _, name = setting.rpartition(".")
        section = kept.get(section_name) if section_name else kept
        if not isinstance(section, dict) or name not in section:
            continue
        if not only_without_effect or section[name] == off:
            del section[name]
    return kept


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
