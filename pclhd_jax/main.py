"""Train and evaluate PCLHD.

    python -m pclhd_jax.main --config=configs/synthetic.py
    python -m pclhd_jax.main --config=configs/sysu.py:released --config.data.source=DIR
    python -m pclhd_jax.main --mode=eval --config=configs/sysu.py --config.init.agw=FILE
    python -m pclhd_jax.main --workdir=runs/sysu-paper                    resumes the run
    python -m pclhd_jax.main --mode=eval --workdir=runs/sysu-paper        scores it

Several processes, here or on several machines, train as one:

    ... --coordinator=HOST:PORT --num_processes=2 --process_id=0     and likewise 1
    srun ... --distributed=slurm

The recipe after the colon is `paper` (default) or `released`; behind a comma the memory of the
card, 16gb, 24gb or 80gb: --config=configs/sysu.py:paper,16gb. Any setting can
be given as --config.section.key=value; the experiment files and configs/common.py list them all.
The same command, given again, continues where its workdir left off; with --mode=eval it scores what
is there, and writes nothing. SIGTERM or ctrl-C: the run saves after the step at hand and ends with
exit code 143 or 130; a second one ends it at once.
"""

import faulthandler
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pclhd_jax.settings.experiment_files import split_recipe
from pclhd_jax.settings.kept import config_of_run
from pclhd_jax.settings.load import is_json, is_run, load_config
from pclhd_jax.system.caches import keep_compiled_programs
from pclhd_jax.system.command import command
from pclhd_jax.system.paths import given_path


class GivenPath(flags.ArgumentParser):
    """The parser of every flag that takes a path."""

    def parse(self, argument: str) -> str:
        return given_path(argument)


CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "Experiment file, with an optional recipe: configs/sysu.py or configs/sysu.py:released; with "
    "a card's memory behind it, configs/sysu.py:paper,24gb; those that come "
    "with the program also as sysu, from any folder. Or a run's own settings, RUN/config.json; "
    "with --workdir=RUN alone they are used without --config. "
    "Override a setting with --config.section.key=value.",
)
MODE = flags.DEFINE_enum(
    "mode",
    "train",
    ["train", "eval"],
    "eval: score config.init.agw, or else what --workdir names: a workdir (its newest sound "
    "checkpoint), one checkpoint of it (RUN/checkpoints/12) or a weight file; no training.",
)
WORKDIR = flags.DEFINE(
    GivenPath(),
    "workdir",
    None,
    "Where records and checkpoints go; the same command continues from there. "
    "Default: runs/<experiment>-<recipe>, for RegDB with -<trial>.",
)
ACCEPT_CHANGES = flags.DEFINE_bool(
    "accept_changes",
    False,
    "Go on in a workdir of other settings from its newest checkpoint, with the new ones; "
    "changes.jsonl there notes them.",
)
PROFILE = flags.DEFINE(
    GivenPath(),
    "profile",
    None,
    "A folder for a trace of ten steps of each stage, in its first epoch of this start, after "
    "three that warm up. "
    "`tensorboard --logdir DIR` (with the xprof plugin) and ui.perfetto.dev show it.",
)
COORDINATOR = flags.DEFINE_string(
    "coordinator",
    None,
    "Of several processes: HOST:PORT where process 0 listens, a free port of its machine.",
)
NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many processes train as one.")
PROCESS_ID = flags.DEFINE_integer("process_id", None, "This one's number, from 0.")
DISTRIBUTED = flags.DEFINE_enum(
    "distributed",
    "off",
    ["off", "slurm"],
    "slurm: the tasks that srun started train as one. Never so unless asked for.",
)
START_TIMEOUT_S = flags.DEFINE_integer(
    "start_timeout_s", 300, "How long processes wait for each other to start.", lower_bound=1
)
PEER_TIMEOUT_S = flags.DEFINE_integer(
    "peer_timeout_s",
    60,
    "After this long without a word a process counts as lost, and JAX ends the others.",
    lower_bound=10,
)
TRACEBACK = flags.DEFINE_bool("traceback", False, "Show where an error came from.")


@command
def main(argv: list[str]) -> None:
    logging.set_verbosity(logging.WARNING)  # Orbax tells thirty lines a save
    faulthandler.enable()  # a mapped picture cache that is cut short ends in SIGBUS: say where
    if len(argv) > 1:
        sys.exit(f"unknown arguments: {' '.join(argv[1:])}; settings are --config.key=value")
    config, workdir = settings_and_workdir()
    keep_compiled_programs()
    # After the flags: --help should be quick.
    from pclhd_jax.processes.agreement import check_same_settings
    from pclhd_jax.processes.launch import joined
    from pclhd_jax.processes.signals import Interrupted
    from pclhd_jax.training.train import train_and_evaluate
    from pclhd_jax.using.evaluate import evaluate_only

    try:
        timeouts = dict(start_timeout_s=START_TIMEOUT_S.value, peer_timeout_s=PEER_TIMEOUT_S.value)
        with joined(place_among_several(), **timeouts):
            check_same_settings(
                config.to_dict()
                | {"mode": MODE.value, "workdir": workdir, "accept_changes": ACCEPT_CHANGES.value}
                | {"num_processes": NUM_PROCESSES.value}
            )
            if MODE.value == "train":
                changes = ACCEPT_CHANGES.value
                train_and_evaluate(config, workdir, accept_changes=changes, profile=PROFILE.value)
            elif PROFILE.value is not None:
                raise ValueError("--profile traces training steps; with --mode=eval there are none")
            else:
                evaluate_only(config, workdir)
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        sys.exit(stop.exit_code)


def settings_and_workdir() -> tuple[ConfigDict, str]:
    """The settings of --config, or else those in --workdir."""
    if WORKDIR.value == "":
        sys.exit("--workdir is empty; name a folder, or leave the flag out")
    if CONFIG.value is None and WORKDIR.value is None:
        sys.exit(
            "name an experiment, --config=configs/synthetic.py, or the --workdir of a run; --help "
            "has more"
        )
    if CONFIG.value is None:
        return config_of_run(WORKDIR.value), WORKDIR.value
    name = config_flags.get_config_filename(flags.FLAGS["config"])
    if WORKDIR.value is None and (is_json(name) or is_run(name)):
        sys.exit(
            f"--config={name} belongs to a run; name a --workdir too: that run's, to resume it, or "
            "a new folder"
        )
    experiment = Path(split_recipe(name)[0]).stem
    return CONFIG.value, WORKDIR.value or default_workdir(experiment, CONFIG.value)


def default_workdir(experiment: str, config: ConfigDict) -> str:
    """A folder for each experiment and recipe, and for each numbered split where a set has them."""
    from pclhd_jax.data.datasets import LAYOUTS

    layout = config.data.layout  # one that there is not is refused with all other settings
    split = f"-{config.trial}" if layout in LAYOUTS and LAYOUTS[layout].trials else ""
    return f"runs/{experiment}-{config.recipe}{split}"


def place_among_several() -> dict[str, Any] | None:
    """What `launch.joined` takes; None: this process is alone."""
    from pclhd_jax.processes.launch import note_of_slurm, place_of_flags, place_of_slurm
    from pclhd_jax.processes.progress import say

    place = place_of_flags(COORDINATOR.value, NUM_PROCESSES.value, PROCESS_ID.value)
    if DISTRIBUTED.value == "slurm":
        if place is not None:
            raise ValueError("--distributed=slurm tells what --coordinator tells; give one of them")
        return place_of_slurm(os.environ)
    note = note_of_slurm(os.environ)
    if place is None and note:
        say(note)
    return place


class ExperimentParser(flags.ArgumentParser):
    """--config: the settings of the named experiment, kept in `read` before any override."""

    read: ConfigDict | None = None

    def parse(self, argument: str) -> ConfigDict:
        try:
            self.read = load_config(argument)
        except (OSError, ValueError) as error:  # absl would add its own text
            raise flags.Error(str(error)) from error
        return self.read


flags.FLAGS["config"].parser = EXPERIMENT = ExperimentParser()


def parse_flags(argv: list[str]) -> list[str]:
    """absl's parsing, with errors in one line that says what would be right."""
    EXPERIMENT.read = None
    try:
        return flags.FLAGS(argv)
    except (flags.Error, AttributeError, LookupError, TypeError, ValueError) as error:
        wrong = wrong_override(argv)
        sys.exit(wrong or str(error).strip().splitlines()[-1].strip())


def wrong_override(argv: list[str]) -> str:
    """What is wrong with the first --config.key that the experiment lacks, and the keys it has."""
    for argument in argv:
        name = argument.partition("=")[0].lstrip("-").removeprefix("no")
        if not argument.startswith("-") or not name.startswith("config."):
            continue
        if EXPERIMENT.read is None:
            return (
                f"{argument}: name the experiment first, with --config=FILE; a run's own settings "
                "are --config=RUN/config.json"
            )
        section: Any = EXPERIMENT.read
        where = "config"
        for key in name.removeprefix("config.").split("."):
            if section is None:
                return f"{argument}: {where} is None, so this experiment has no {where}.{key}"
            if not isinstance(section, ConfigDict):
                return f"{argument}: {where} is one value ({section!r}), with nothing below it"
            if key not in section:
                return f"{argument}: {where} has no {key!r}; it has {', '.join(section)}"
            section, where = section[key], f"{where}.{key}"
        if isinstance(section, ConfigDict):
            return f"{argument}: {where} is a section; set what is in it: {', '.join(section)}"
        if section is None:
            return f"{argument}: {where} is None in this experiment, and cannot be set from here"
    return ""


@command
def run(main: Callable[[list[str]], None] = main) -> None:
    """Runs `main` with the arguments that absl leaves."""
    logging.get_absl_handler().python_handler.stream = sys.stderr
    try:
        app.run(main, flags_parser=parse_flags)
    except SystemExit as end:
        if end.code == 1 and any(word.lstrip("-").startswith("help") for word in sys.argv[1:]):
            raise SystemExit(0) from end  # absl ends its --help with 1
        raise


if __name__ == "__main__":
    run()
