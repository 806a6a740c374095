"""From a checkpoint to a file: the same numbers as the project's own features; bad input."""

import importlib
import sys
from datetime import date

import jax
import numpy as np
import pytest
from jax import export

from pclhd_jax.commands.export import main
from pclhd_jax.saving.checkpoints import Checkpoints
from pclhd_jax.settings.sections import settings_of
from pclhd_jax.training.experiment import make_feature_steps, make_model
from pclhd_jax.using.encoder import load_encoder
from pclhd_jax.using.exporting.signature import Signature, made_up_pictures
from pclhd_jax.using.exporting.stablehlo import readable_until
from pclhd_jax.using.exporting.write import export_encoder
from pclhd_jax.using.inspection import load_params
from pclhd_jax.weights.files import read_state_dict
from tests.helpers.finished_run import assert_same_tree
from tests.helpers.made_run import flip, largest_file, made_config, make_run

IMAGES = made_up_pictures(Signature(32, 16), 4, seed=3)


@pytest.fixture(scope="module")
def own_features(run_and_states):
    """By modality, as every feature of the project is made: of the momentum encoder."""
    _, states = run_and_states
    steps = make_feature_steps(make_model(settings_of(made_config(depth=5))), True)
    return {name: np.asarray(step(states[2].momentum, IMAGES)) for name, step in steps.items()}


def test_stablehlo_for_cpu_and_cuda_in_one_file_gives_the_projects_features(
    run, own_features, tmp_path, capsys
):
    out = tmp_path / "a.stablehlo"
    main([str(run), "--format", "stablehlo", "--out", str(out)])
    told = capsys.readouterr().out
    assert "images   uint8   (batch, 32, 16, 3)" in told and "largest difference" in told
    exported = export.deserialize(bytearray(out.read_bytes()))
    assert exported.platforms == ("cpu", "cuda")
    for modality, wanted_BD in own_features.items():
        for batch in (1, 4):  # of sizes that the export has not seen, 4 is one
            got_BD = exported.call(IMAGES[:batch], np.asarray(modality == "infrared"))
            np.testing.assert_allclose(got_BD, wanted_BD[:batch], atol=1e-6)
    assert np.abs(own_features["visible"] - own_features["infrared"]).max() > 1e-2


def test_onnx_gives_the_projects_features(run, own_features, tmp_path):
    onnxruntime = importlib.import_module("onnxruntime")
    exported = export_encoder(run / "checkpoints/2", tmp_path / "a.onnx", format="onnx")
    assert 0 < exported.largest_difference < 1e-5
    session = onnxruntime.InferenceSession(exported.path)
    for modality, wanted_BD in own_features.items():
        inputs = {"images": IMAGES, "infrared": np.asarray(modality == "infrared")}
        (got_BD,) = session.run(["features"], inputs)
        np.testing.assert_allclose(got_BD, wanted_BD, atol=1e-5)


def test_one_stem_and_a_single_view_are_other_numbers_of_the_same_encoder(
    run, own_features, tmp_path
):
    out = tmp_path / "a.stablehlo"
    options = dict(format="stablehlo", modality="infrared", single_view=True, pixels="float32")
    export_encoder(run, out, **options)
    call = export.deserialize(bytearray(out.read_bytes())).call
    images = IMAGES.astype(np.float32)
    single_BD, mirrored_BD = (np.asarray(call(x)) for x in (images, images[:, :, ::-1].copy()))
    assert np.abs(single_BD - own_features["infrared"]).max() > 1e-3
    mean_BD = single_BD + mirrored_BD
    mean_BD /= np.linalg.norm(mean_BD, axis=1, keepdims=True)
    np.testing.assert_allclose(mean_BD, own_features["infrared"], atol=1e-6)


def test_torch_weights_are_the_encoders_and_complete_ones_have_the_authors_unused_parts(tmp_path):
    run = tmp_path / "run"
    states = make_run(run, ids=(2,), depth=18)
    plain = export_encoder(run, tmp_path / "a.safetensors", format="torch")
    assert plain.largest_difference == 0
    encoder = load_encoder(plain.path)
    assert (encoder.height, encoder.width) == (32, 16)
    with pytest.raises(ValueError, match="pictures of 32 x 16, asked for 64 x 32"):
        export_encoder(plain.path, tmp_path / "c.safetensors", format="torch", height=64, width=32)
    assert_same_tree(load_params(plain.path), states[2].momentum)
    assert not any(name.startswith("module.") for name in read_state_dict(plain.path))
    main([str(run), "--format", "torch", "--complete", "--out", str(tmp_path / "b.safetensors")])
    assert "module.classifier.weight" in read_state_dict(tmp_path / "b.safetensors")
    assert_same_tree(load_params(tmp_path / "b.safetensors"), states[2].momentum)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "tflite", "--out", "a.onnx"], "no format 'tflite'; name one of stablehlo"),
        (["--format", "onnx", "--out", "a.pth"], r"a\.pth ends in '\.pth'; .* ends in \.onnx"),
        (
            ["--format", "onnx", "--out", "/dev/null/a.onnx"],
            r"cannot write a\.onnx to /dev/null \(.*name another --out",
        ),
        (["--format", "onnx", "--out", "a.onnx", "--modality", "thermal"], "no modality 'thermal'"),
        (["--format", "onnx", "--out", "a.onnx", "--pixels", "int8"], "name one of uint8, float32"),
        (
            ["--format", "torch", "--out", "a.pth", "--single_view"],
            "torch holds weights alone, of both stems",
        ),
        (["--format", "onnx", "--out", "a.onnx", "--complete"], "--complete is of --format torch"),
    ],
)
def test_what_cannot_be_written_is_refused_before_a_checkpoint_is_looked_for(
    arguments, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message):
        main(["nowhere", *arguments])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_stays_unless_told(run, tmp_path):
    out = tmp_path / "a.onnx"
    out.write_text("mine")
    with pytest.raises(SystemExit, match=r"FileExistsError: .*a\.onnx is there already.*overwrite"):
        main([str(run), "--format", "onnx", "--out", str(out)])
    assert out.read_text() == "mine"
    main([str(run), "--format", "onnx", "--out", str(out), "--overwrite"])
    assert out.stat().st_size > 1000


def test_no_checkpoint_and_a_damaged_one_are_named(tmp_path):
    arguments = ["--format", "onnx", "--out", str(tmp_path / "a.onnx")]
    with pytest.raises(SystemExit, match=r"^FileNotFoundError: .*nowhere"):
        main([str(tmp_path / "nowhere"), *arguments])
    make_run(tmp_path / "run", ids=(2,))
    flip(largest_file(tmp_path / "run/checkpoints/2/state"))
    with pytest.raises(SystemExit, match=r"DamagedCheckpoint: checkpoint 2 in .* state/"):
        main([str(tmp_path / "run"), *arguments])


@pytest.mark.parametrize(
    ("package", "format", "suffix", "remedy"),
    [
        ("onnx", "onnx", "onnx", "onnx onnxruntime"),
        ("onnxruntime", "onnx", "onnx", "onnx onnxruntime"),
        ("torch", "torch", "pth", r"torch .*, or write \.safetensors"),
    ],
)
def test_a_package_that_is_missing_is_named_with_the_command(
    package, format, suffix, remedy, tmp_path, monkeypatch
):
    for name in [package, *sys.modules]:
        if name.split(".")[0] == package:
            monkeypatch.setitem(sys.modules, name, None)  # an import of it fails
    with pytest.raises(SystemExit, match=f"needs {package} .*pip install {remedy}"):
        main(["nowhere", "--format", format, "--out", str(tmp_path / f"a.{suffix}")])
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_not_finite_are_not_exported(tmp_path):
    states = make_run(tmp_path / "run", ids=(2,), depth=5)
    spoilt = jax.tree.map(lambda x: x * np.nan if x.dtype == np.float32 else x, states[2])
    with Checkpoints(tmp_path / "run", keep=2) as checkpoints:
        checkpoints.save(3, spoilt, {"stage": 2, "epoch": 1})
    with pytest.raises(ValueError, match="differ from the model's by nan"):
        export_encoder(tmp_path / "run", tmp_path / "a.onnx", format="onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_export_says_until_when_it_can_be_read_if_the_format_expires(run, tmp_path):
    for format, suffix in (("stablehlo", "stablehlo"), ("onnx", "onnx")):
        text = export_encoder(run, tmp_path / f"a.{suffix}", format=format).text()
        assert ("up to six months newer than jaxlib" in text) == (format == "stablehlo")
    # Never a day late, whatever the months: from 31 August to 28 February, from 28 November to May.
    for today, end in (("2026-08-31", "2027-02-28"), ("2026-11-28", "2027-05-28")):
        assert f"until {end} at the latest" in readable_until(date.fromisoformat(today))
