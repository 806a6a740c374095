"""The ONNX graph against AGW in plain torch, and the export as a whole against `feature_step`."""

import numpy as np
import onnx
import onnxruntime
import pytest

from pclhd_jax.models.agw import AGW
from pclhd_jax.using.exporting.onnx_agw import call_onnx, write_onnx
from pclhd_jax.using.exporting.signature import Signature, made_up_pictures
from pclhd_jax.using.exporting.write import export_encoder
from pclhd_jax.weights.agw_torch import agw_from_torch

torch = pytest.importorskip("torch")

from tests.helpers.torch_agw import TorchAGW, randomize  # noqa: E402

WIDTH = 0.125
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def as_torch(images_BHWC):
    """ImageNet's normalisation by hand, channels first."""
    x_BHWC = (images_BHWC / 255 - MEAN) / STD
    return torch.from_numpy(x_BHWC.transpose(0, 3, 1, 2).astype(np.float32))


@pytest.fixture(scope="module")
def theirs():
    """A ResNet-50 AGW, its stems apart, and our variables of it."""
    torch.manual_seed(0)
    model = TorchAGW(WIDTH)
    pictures = made_up_pictures(Signature(64, 32), 6, seed=1)
    randomize(model, as_torch(pictures), as_torch(pictures[::-1]))
    arrays = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    return model.eval(), agw_from_torch(arrays)


def wanted(model, images_BHWC, stem, mirror):
    """Torch's features: the model takes rows of both modalities, of which one is kept."""
    views = [images_BHWC, images_BHWC[:, :, ::-1]] if mirror else [images_BHWC]
    rows = []
    with torch.no_grad():
        for view in map(as_torch, views):
            halves = model(view, view).numpy()
            rows.append(halves[: len(view)] if stem == "visible" else halves[len(view) :])
    mean_BD = np.mean(rows, axis=0)
    return mean_BD / np.linalg.norm(mean_BD, axis=1, keepdims=True)


@pytest.mark.parametrize("mirror", [True, False], ids=["mirrored", "single view"])
@pytest.mark.parametrize("pixels", ["uint8", "float32"])
def test_the_graph_of_both_stems_gives_torchs_features_at_any_batch_size(
    theirs, tmp_path, mirror, pixels
):
    model, variables = theirs
    signature = Signature(64, 32, "both", mirror, pixels)
    write_onnx(tmp_path / "a.onnx", variables, AGW(50, WIDTH), signature, {"a": "note"})
    call = call_onnx(tmp_path / "a.onnx", signature)
    for batch in (1, 4):
        images_BHWC = made_up_pictures(signature, batch, seed=batch)
        assert images_BHWC.dtype == pixels
        for stem in ("visible", "infrared"):
            got = call(images_BHWC, np.asarray(stem == "infrared"))
            other = wanted(model, images_BHWC, stem, mirror)
            assert got.dtype == np.float32 and got.shape == (batch, 256)
            np.testing.assert_allclose(got, other, atol=2e-5)
    stems = [wanted(model, images_BHWC, stem, mirror) for stem in ("visible", "infrared")]
    assert np.abs(stems[0] - stems[1]).max() > 1e-2  # the stems tell


def test_a_graph_of_one_stem_takes_pictures_alone(theirs, tmp_path):
    model, variables = theirs
    signature = Signature(64, 32, "infrared")
    write_onnx(tmp_path / "a.onnx", variables, AGW(50, WIDTH), signature, {"recipe": "paper"})
    proto = onnx.load(tmp_path / "a.onnx")
    assert [value.name for value in proto.graph.input] == ["images"]
    assert not any(weight.name.startswith("visible") for weight in proto.graph.initializer)
    assert {prop.key: prop.value for prop in proto.metadata_props} == {"recipe": "paper"}
    images_BHWC = made_up_pictures(signature, 3, seed=0)
    got = call_onnx(tmp_path / "a.onnx", signature)(images_BHWC)
    np.testing.assert_allclose(got, wanted(model, images_BHWC, "infrared", True), atol=2e-5)


def test_a_file_that_computes_something_else_is_not_kept(run, tmp_path, monkeypatch):
    class Wrong(onnxruntime.InferenceSession):
        def run(self, *inputs):
            return [1.001 * output for output in super().run(*inputs)]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Wrong)
    with pytest.raises(ValueError, match=r"visible features differ from the model's by .* 1e-05"):
        export_encoder(run, tmp_path / "a.onnx", format="onnx")
    assert list(tmp_path.iterdir()) == []
