"""Train and evaluate: `python -m pclhd_jax.main --config=configs/synthetic.py`."""

import os
import sys
from pathlib import Path

# Before JAX is imported: it reads these once.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path.home() / ".cache" / "pclhd_jax" / "compiled")
)

from absl import app, flags, logging
from ml_collections import config_flags

CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "Experiment file, with an optional recipe: configs/sysu.py or configs/sysu.py:released. "
    "Override a setting with --config.section.key=value.",
)
WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Where records and checkpoints go; the same command continues from there. "
    "Default: runs/<config file>-<recipe>.",
)


def main(argv: list[str]) -> None:
    logging.set_verbosity(logging.WARNING)  # Orbax tells thirty lines a save
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {' '.join(argv[1:])}")
    if CONFIG.value is None:
        raise app.UsageError("name an experiment: --config=configs/synthetic.py")
    from pclhd_jax.train import train_and_evaluate

    config = CONFIG.value
    name = Path(config_flags.get_config_filename(flags.FLAGS["config"]).split(":")[0]).stem
    workdir = WORKDIR.value or f"runs/{name}-{config.recipe}"
    try:
        train_and_evaluate(config, workdir)
    except (ValueError, FileNotFoundError, FloatingPointError) as error:
        # These say what is wrong and what helps; a traceback would bury it.
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    app.run(main)
