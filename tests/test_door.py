"""`import pclhd_jax`: every verb as a function, nothing imported before it is used."""

import ast
import inspect
import json
import pickle
import pydoc
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import pclhd_jax
from configs import synthetic
from pclhd_jax.commands import verbs
from tests.helpers.made_run import make_run

ROOT = Path(pclhd_jax.__file__).parents[1]
# What a verb prints, or which of its two functions it calls, is the command's own business.
WORDS_OUT = {
    "search": {"show"},
    "inspect": {"leaves"},
    "visualize": {"clusters", "epoch", "eps_max"},
    "check": {"allow_partial"},
}
LEAST = {
    "summarize": ["RUN"],
    "visualize": ["RUN"],
    "embed": ["RUN", "a.jpg", "--modality", "visible", "--out", "x"],
    "search": ["x", "a.jpg", "--out", "y"],
    "inspect": ["RUN"],
    "export": ["RUN", "--format", "onnx", "--out", "a.onnx"],
}


def run_python(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_and_listing_its_names_imports_nothing_else():
    code = (
        "import sys, pclhd_jax; dir(pclhd_jax)\n"
        "others = {name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "ours = [name for name in sys.modules if name.startswith('pclhd_jax')]\n"
        "print(ours, sorted(others & {'jax', 'numpy', 'flax', 'absl', 'ml_collections', 'scipy'}))"
    )
    assert run_python(code).strip() == "['pclhd_jax'] []"


def test_the_modules_can_be_walked_and_each_is_found_once():
    """As documentation tools do. In a checkout `configs` is beside the package."""
    code = (
        "import pkgutil, pclhd_jax, pclhd_jax.configs.sysu, pclhd_jax.data_prep.check\n"
        "import itertools; walked = pkgutil.walk_packages(pclhd_jax.__path__, 'pclhd_jax.')\n"
        "names = [module.name for module in itertools.islice(walked, 999)]\n"
        "print(len(names) - len(set(names)), 'pclhd_jax.method.terms' in names,\n"
        "      [name for name in names if name.count('pclhd_jax') > 1 or '.tests' in name])"
    )
    assert run_python(code).split() == ["0", "True", "[]"]


def test_a_function_is_imported_when_it_is_used_and_no_other():
    code = (
        "import sys, pclhd_jax; config = pclhd_jax.load_config('synthetic:released')\n"
        "print(config.recipe, 'jax' in sys.modules, 'pclhd_jax.training.train' in sys.modules)"
    )
    assert run_python(code).split() == ["released", "False", "False"]


def test_every_verb_is_a_function_of_the_same_name():
    assert set(verbs.COMMANDS) <= set(pclhd_jax.__all__) <= set(dir(pclhd_jax))
    assert all(callable(getattr(pclhd_jax, name)) for name in pclhd_jax.__all__)


def test_a_star_import_gives_all_names_and_help_describes_them():
    given = {}
    exec("from pclhd_jax import *", given)
    assert given.keys() - {"__builtins__"} == set(pclhd_jax.__all__)
    text = pydoc.plain(pydoc.render_doc(pclhd_jax))
    assert "train = train_and_evaluate(" in text and "class Embedder" in text


def test_another_name_is_an_error_that_lists_the_names():
    with pytest.raises(
        AttributeError, match=r"no attribute 'fit'; it has Embedder, check, .*train"
    ):
        _ = pclhd_jax.fit
    assert not hasattr(pclhd_jax, "fit")
    with pytest.raises(ImportError, match="fit"):
        exec("from pclhd_jax import fit")


def test_the_functions_can_be_pickled():
    for name in pclhd_jax.__all__:
        function = getattr(pclhd_jax, name)
        assert pickle.loads(pickle.dumps(function)) is function


def test_editors_are_told_of_the_functions_that_a_program_gets():
    (told,) = (
        node
        for node in ast.parse(Path(pclhd_jax.__file__).read_text()).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    lines = [line for line in told.body if line.module.startswith("pclhd_jax")]
    for line in lines:
        for alias in line.names:
            found = getattr(pclhd_jax, alias.asname or alias.name)
            assert found.__qualname__ == alias.name and line.module.endswith(found.__module__)
    names = {alias.asname or alias.name for line in lines for alias in line.names}
    assert names == set(pclhd_jax.__all__)


@pytest.mark.parametrize("verb", LEAST)
def test_a_verb_calls_its_function_with_the_functions_own_defaults(verb, monkeypatch, capsys):
    signature = inspect.signature(getattr(pclhd_jax, verb))
    calls = []

    def called(*args, **options):
        calls.append(signature.bind(*args, **options).arguments)
        return SimpleNamespace(text=lambda *_, **__: f"the words of {verb}", sound=True)

    monkeypatch.setattr(pclhd_jax, verb, called, raising=False)
    for name in ("JAX_PLATFORMS", "XLA_PYTHON_CLIENT_PREALLOCATE"):
        monkeypatch.setenv(name, "cpu")  # put back at the end, whatever the command sets
    verbs.main([verb, *LEAST[verb]])
    (arguments,) = calls
    given = {word.removeprefix("--") for word in LEAST[verb] if word.startswith("--")}
    for name, value in arguments.items():
        default = signature.parameters[name].default
        assert name in given or default in (inspect.Parameter.empty, value), name
    if verb not in ("visualize", "embed"):  # these two say what they write while they work
        assert capsys.readouterr().out == f"the words of {verb}\n"


@pytest.mark.parametrize("verb", sorted(set(verbs.COMMANDS) - {"train", "evaluate"}))
def test_every_flag_of_a_verb_is_an_argument_of_its_function(verb, capsys):
    with pytest.raises(SystemExit):
        verbs.main([verb, "--help"])
    flags = set(re.findall(r"^  --(?:no-)?(\w+)", capsys.readouterr().out, re.M))
    flags -= {"help", "traceback", *WORDS_OUT.get(verb, ())}
    assert flags <= inspect.signature(getattr(pclhd_jax, verb)).parameters.keys()


def test_a_path_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    make_run(tmp_path / "run", ids=(2,), depth=18)
    exported = pclhd_jax.export("~/run", "~/weights.safetensors", format="torch")
    assert exported.path == tmp_path / "weights.safetensors"
    for name in ("~/run", "~/run/checkpoints/2", "~/weights.safetensors"):
        assert pclhd_jax.inspect(name).sound and "params" in pclhd_jax.load_params(name)
        assert pclhd_jax.Embedder.load(name).encoder.height == 32
    drawn = dict(train_ids=1, val_ids=1, test_ids=1, shots=1, workers=1)
    assert pclhd_jax.synthetic("~/set", **drawn) == tmp_path / "set"
    assert pclhd_jax.check("sysu", "~/set").problems == []
    for function, arguments in (
        (pclhd_jax.report_clusters, ["~/none"]),
        (pclhd_jax.visualize, ["~/none"]),
        (pclhd_jax.summarize, ["~/none"]),
        (pclhd_jax.prepare, ["sysu", "~/none", "~/prepared"]),
        (pclhd_jax.contact_sheet, ["~/none", "~/sheet.png"]),
        (pclhd_jax.search, ["~/none", "~/a.jpg"]),
        (pclhd_jax.embed, ["~/run", "~/a.jpg", "visible", "~/none"]),
    ):
        with pytest.raises(OSError, match=re.escape(str(tmp_path))):
            function(*arguments)


def test_settings_have_many_names(tmp_path, monkeypatch, capsys):
    config = synthetic.get_config("released")
    run = tmp_path / "run"
    (run / "checkpoints/12").mkdir(parents=True)
    (run / "config.json").write_text(json.dumps(config.to_dict()))
    named = (run, run / "config.json", run / "checkpoints/12", "configs/synthetic.py:released")
    for name in (*named, "synthetic:released"):
        assert pclhd_jax.load_config(name).to_dict() == config.to_dict()
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    (tmp_path / "synthetic").mkdir()  # a folder of pictures, say
    assert pclhd_jax.load_config("synthetic:released").to_dict() == config.to_dict()
    assert "installed with the program" in capsys.readouterr().out


def test_a_setting_that_is_mistyped_is_an_error_at_once():
    config = pclhd_jax.load_config("synthetic")
    config.stage1.epochs = 2
    with pytest.raises(AttributeError):
        config.stage1.epoch = 2


def test_what_is_no_settings_and_no_folder_is_told_with_the_remedy(tmp_path):
    config = pclhd_jax.load_config("synthetic")
    for function in (pclhd_jax.train, pclhd_jax.evaluate):
        with pytest.raises(
            ValueError, match="config is 'synthetic'; give settings, as load_config"
        ):
            function("synthetic", tmp_path)
        with pytest.raises(TypeError, match="None is no path; give a text or a path"):
            function(config, None)
    with pytest.raises(ValueError, match="the workdir is empty; name a folder"):
        pclhd_jax.train(config, "")
