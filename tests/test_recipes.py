"""CONTRIBUTING's recipes for a setting and a loss term, followed on a copy of the project.

A block of code there begins with its place: a file, and the line that it goes below or above.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pclhd_jax.reports.records import read_records

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(
    r"^```py\n# (\S+?), (at the end|(?:below|above): [^\n]*)\n(.*?)^```",
    (ROOT / "CONTRIBUTING.md").read_text(),
    re.M | re.S,
)

TRAIN_RESUME_EMBED = """
import sys
import pclhd_jax
from tests.helpers.tiny import tiniest_config

pictures, old, out = sys.argv[1:]

def here(config):
    config.data.source = pictures
    config.data.prepared, config.data.cache = f"{pictures}-prepared", f"{pictures}-cache"
    return config

config = here(tiniest_config(pictures))
config.stage1.batches_per_epoch = 2
config.loss.pull_weight = 0.5
config.report_gradients = True
pclhd_jax.train(config, f"{out}/new")
pclhd_jax.train(here(pclhd_jax.load_config(old)), old)
pclhd_jax.embed(old, pictures, "visible", f"{out}/gallery", layout="sysu", batch_size=32)
"""


def follow(blocks, tree):
    """Puts each block into its file, as a contributor would."""
    for name, place, code in blocks:
        path = tree / name
        if place == "at the end":
            path.write_text(f"{path.read_text()}\n\n{code}")
            continue
        where, anchor = place.split(": ", 1)
        lines = path.read_text().splitlines(keepends=True)
        found = [i for i, line in enumerate(lines) if line.strip().startswith(anchor)]
        assert len(found) == 1, f"{name} has {len(found)} lines that begin with {anchor!r}"
        if where == "above":
            lines.insert(found[0], f"{code}\n\n")
        else:
            lines.insert(found[0] + 1, code)
        path.write_text("".join(lines))


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = tmp_path_factory.mktemp("copy")
    skip = shutil.ignore_patterns("__pycache__", "old_runs", "released", "ablation")
    for name in ("pclhd_jax", "configs", "data_prep", "tests"):
        shutil.copytree(ROOT / name, tree / name, ignore=skip)
    follow(BLOCKS, tree)
    return tree


def test_a_term_takes_six_files_and_a_setting_two():
    files = {name for name, _, _ in BLOCKS}
    documented = "docs/departures.md"  # a row of its table, which the text names
    assert documented in (ROOT / "CONTRIBUTING.md").read_text()
    assert len(files | {documented}) == 6
    assert {"configs/common.py", "pclhd_jax/settings/sections.py"} < files


def test_the_new_term_trains_and_an_old_run_resumes_and_embeds(tree, pictures, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(ROOT / "tests/data/old_runs/paper", old)
    script = tmp_path / "contributed.py"
    script.write_text(TRAIN_RESUME_EMBED)
    run = [sys.executable, script, pictures, old, tmp_path]
    done = subprocess.run(
        run, cwd=tree, env=environment(tree), capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr[-3000:]
    last = read_records(tmp_path / "new")[-1]
    assert last["losses"]["loss_pull_visible"] > 0 and last["losses"]["loss_pull_infrared"] > 0
    assert last["gradients"]["norm"]["pull"] > 0
    assert json.loads((tmp_path / "new/config.json").read_text())["loss"]["pull_weight"] == 0.5
    resumed = read_records(old)[-1]
    assert resumed["epochs_done"] == 3 and "loss_pull_visible" not in resumed["losses"]
    assert json.loads((old / "config.json").read_text())["loss"]["pull_weight"] == 0.0
    assert list(tmp_path.glob("gallery*"))


@pytest.mark.parametrize("of_the_copy", ["method/test_losses.py", "settings/test_sections.py"])
def test_the_tests_of_the_copy_pass(tree, of_the_copy):
    """The term's own test, and the walk over every setting with wrong values."""
    words = "pull" if "losses" in of_the_copy else "pull_weight or frozen"
    run = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*run, f"tests/{of_the_copy}", "-k", words],
        cwd=tree,
        env=environment(tree),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout[-3000:]


def environment(tree):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    return kept | {"PYTHONPATH": str(tree), "JAX_PLATFORMS": "cpu"}
