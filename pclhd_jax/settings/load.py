"""Settings by name: an experiment, a config.json, a run."""

import os
from pathlib import Path

from ml_collections import ConfigDict

from pclhd_jax.settings.experiment_files import find_experiment, plain_config
from pclhd_jax.settings.kept import CONFIG, config_of_json, config_of_run
from pclhd_jax.system.paths import given_path


def load_config(name: str | os.PathLike) -> ConfigDict:
    """The settings that `name` stands for. They can be changed; a key that they lack is an error.

    name: an experiment with an optional recipe (`synthetic`, `configs/sysu.py:released`, or with
      the memory of a card `sysu:paper,24gb`), a config.json, a workdir, or a checkpoint of one.
      An experiment that is not in the current folder is the one that came with the program; a
      line says so.

    Raises:
      ValueError: no such experiment, or one that fails; a file of settings that this version does
        not accept.
    """
    name = given_path(name)
    if is_run(name):
        return config_of_run(name).lock()
    if is_json(name):
        return config_of_json(name).lock()
    found = find_experiment(name)
    if found.note:
        print(found.note, flush=True)
    return plain_config(found.value).lock()


def is_run(name: str) -> bool:
    """Whether it is a workdir or a checkpoint of one; a folder of pictures may be called `sysu`."""
    path = Path(name)
    return path.is_dir() and ((path / CONFIG).is_file() or path.parent.name == "checkpoints")


def is_json(name: str) -> bool:
    """Whether it is a .json file. Raises ValueError if a recipe follows the name."""
    path, _, recipe = name.partition(".json:")
    if recipe:
        raise ValueError(
            f"--config={name}: {path}.json already holds a recipe; leave out :{recipe}"
        )
    return name.endswith(".json")
