"""A run's settings in a few lines: the experiment that is nearest, and what differs from it."""

import importlib
import pkgutil
from typing import Any

import pclhd_jax.configs
from pclhd_jax.configs.common import RECIPES
from pclhd_jax.settings.differences import differences


def describe_settings(config: dict[str, Any]) -> list[str]:
    """config: as `config.json` holds it, which does not say from which file it came."""
    recipe = config.get("recipe")
    if recipe not in RECIPES:
        return [f"settings: recipe {recipe!r}, which this version does not have"]
    found = {}
    for name in experiments():
        defaults = importlib.import_module(f"pclhd_jax.configs.{name}").get_config(recipe).to_dict()
        found[name] = differences(defaults, config)
    nearest = min(found, key=lambda name: len(found[name]))
    lines = found[nearest]
    if not lines:
        return [f"settings: those of configs/{nearest}.py:{recipe}"]
    return [
        f"settings: nearest to configs/{nearest}.py:{recipe} (there), of which differ (here)",
        *(f"  {line}" for line in lines),
    ]


def experiments() -> list[str]:
    """The experiment files that are installed."""
    return [m.name for m in pkgutil.iter_modules(pclhd_jax.configs.__path__) if m.name != "common"]
