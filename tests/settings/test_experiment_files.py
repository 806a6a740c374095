"""Experiment files that fail: one line, with the file, its line, and what helps."""

import pytest

from pclhd_jax.settings.experiment_files import plain_config, split_recipe

GOOD = "from pclhd_jax.configs import common\n"
WRONG = {
    "raises": ("\n\n1 / 0\n", r"mine\.py, line 3: ZeroDivisionError"),
    "raises when called": ("def get_config(r=''):\n    raise KeyError('x')\n", "line 2: KeyError"),
    "ends the program": ("import sys\nsys.exit(3)\n", r"line 2: SystemExit: 3"),
    "raises what nobody catches": ("raise GeneratorExit\n", r"line 1: GeneratorExit"),
    "cannot be told": (
        "class E(Exception):\n    def __str__(self):\n        1 / 0\nraise E\n",
        r"line 4: experiment\.E: <exception str\(\) failed>",
    ),
    "bad syntax": ("x = 1\ndef (\n", r"line 2: SyntaxError"),
    "not text": (b"\xff\xfe\x00\x01", r"mine\.py.*: (SyntaxError|ValueError)"),
    "empty": ("", r"has no function get_config\(recipe\)"),
    "returns nothing": ("def get_config(r=''):\n    pass\n", "returns a NoneType"),
    "no recipe in it": (
        "import ml_collections\ndef get_config(r=''):\n    return ml_collections.ConfigDict()\n",
        "lack a recipe",
    ),
    "needs one": ("def get_config(r):\n    pass\n", r"needs a recipe; give --config=.*:RECIPE"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_gives_no_settings_is_one_line(case, tmp_path):
    content, words = WRONG[case]
    path = tmp_path / "mine.py"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=words) as raised:
        plain_config(str(path))
    assert "\n" not in str(raised.value) and str(path) in str(raised.value)


def test_a_recipe_for_a_file_that_takes_none_a_folder_and_nothing_are_one_line(tmp_path):
    (tmp_path / "mine.py").write_text(GOOD + "def get_config():\n    return common.base('paper')\n")
    assert plain_config(str(tmp_path / "mine.py")).recipe == "paper"
    with pytest.raises(ValueError, match=r"takes no recipe; give --config="):
        plain_config(f"{tmp_path / 'mine.py'}:released")
    with pytest.raises(ValueError, match="is a folder"):
        plain_config(str(tmp_path))
    with pytest.raises(ValueError, match="no such experiment"):
        plain_config(str(tmp_path / "none.py"))


def test_settings_that_are_frozen_are_settings(tmp_path):
    frozen = "import ml_collections\ndef get_config(r=''):\n    return "
    frozen += "ml_collections.FrozenConfigDict({'recipe': 'mine', 'init': {'agw': ''}})\n"
    (tmp_path / "mine.py").write_text(frozen)
    config = plain_config(str(tmp_path / "mine.py"))
    config.init.agw = "other"
    assert config.to_dict() == {"recipe": "mine", "init": {"agw": "other"}}


def test_the_path_of_an_experiment_file_may_hold_colons(tmp_path):
    folder = tmp_path / "a:b"
    folder.mkdir()
    file = str(folder / "mine:2.py")
    assert split_recipe(f"{folder}/none.py:paper") == (f"{folder}/none.py", "paper")
    assert split_recipe("C:\\mine\\sysu.py:paper") == ("C:\\mine\\sysu.py", "paper")
    assert split_recipe("sysu:paper:16gb") == ("sysu", "paper:16gb")
    assert split_recipe("sysu") == ("sysu", None)
    (folder / "mine:2.py").write_text(
        GOOD + "def get_config(recipe='paper'):\n    return common.base(recipe)\n"
    )
    assert split_recipe(file) == (file, None)
    assert plain_config(f"{file}:released").recipe == "released"
