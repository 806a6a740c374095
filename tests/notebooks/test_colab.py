"""The notebook, every cell of it, with fewer people and epochs than a reader gets."""

from pathlib import Path

import nbclient
import nbformat

NOTEBOOK = Path(__file__).parents[2] / "notebooks/pclhd_colab.ipynb"
SMALLER = """\
REPOSITORY = REAL_DATA = ""
TRAIN_PEOPLE, TEST_PEOPLE = 12, 8
STAGE1_EPOCHS, STAGE2_EPOCHS, STEPS_PER_EPOCH = 2, 1, 2
"""
# The model, too: what is compiled takes most of the time.
NARROWER = "config.model.width = 0.125\nconfig.data.height, config.data.width = 32, 16\n"


def test_all_cells_run_and_the_run_that_was_stopped_goes_on(tmp_path, monkeypatch):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    given = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(given) == 1
    assert {line.split(" = ")[0] for line in SMALLER.splitlines()[1:]} <= {
        line.split(" = ")[0] for line in given[0].source.splitlines()
    }
    given[0].source = SMALLER
    config = next(cell for cell in notebook.cells if 'load_config("synthetic' in cell.source)
    config.source += f"\n{NARROWER}"
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "compiled"))
    # Beside a link to the code, as in a checkout, so that its data and runs stay out of ours.
    (tmp_path / "pclhd_jax").symlink_to(NOTEBOOK.parents[1] / "pclhd_jax")
    (tmp_path / "requirements.txt").symlink_to(NOTEBOOK.parents[1] / "requirements.txt")
    client = nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    told = "".join(
        output.get("text", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    assert "stopped: stopped by SIGINT" in told
    assert "went on after epoch 1, to epoch 3" in told
    assert "WARNING" not in told
    pictures = [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) >= 6
