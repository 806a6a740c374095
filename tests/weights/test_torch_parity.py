"""ResNet-50 AGW here against one written in plain torch.nn, from the same weights."""

import io
import pickle
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pclhd_jax.models.agw import AGW  # noqa: E402
from pclhd_jax.weights.agw_torch import agw_from_torch, agw_to_torch  # noqa: E402
from pclhd_jax.weights.files import read_state_dict, write_state_dict  # noqa: E402
from tests.helpers.torch_agw import TorchAGW, norms, randomize  # noqa: E402

HEIGHT, WIDTH = 64, 32


def arrays(model):
    """A snapshot, as a checkpoint would be."""
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def relative(got, want):
    return float(np.linalg.norm(got - want) / np.linalg.norm(want))


def random_pictures(rng, count):
    """Noise of many contrasts and shades: the network must tell the pictures apart."""
    noise = rng.normal(size=(count, 3, HEIGHT, WIDTH))
    contrast, shade = rng.uniform(0.2, 2, (count, 1, 1, 1)), rng.normal(size=(count, 3, 1, 1))
    return (contrast * noise + shade).astype(np.float32)


@pytest.fixture(scope="module")
def both():
    """(torch's eval features, ours), (train features ...), (statistics after training ...)."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    visible, infrared = (random_pictures(rng, count) for count in (5, 4))
    pictures = torch.from_numpy(visible), torch.from_numpy(infrared)
    theirs = TorchAGW()
    randomize(theirs, *pictures)
    start = arrays(theirs)
    with torch.no_grad():
        wanted = theirs.eval()(*pictures).numpy(), theirs.train()(*pictures).numpy()
    ours = [jnp.asarray(x.transpose(0, 2, 3, 1)) for x in (visible, infrared)]
    model, variables = AGW(depth=50), agw_from_torch(start)
    got_eval = jax.jit(partial(model.apply, train=False))(variables, *ours)
    train = jax.jit(partial(model.apply, train=True, mutable=["batch_stats"]))
    got_train, moved = train(variables, *ours)
    after = agw_to_torch({"params": variables["params"], "batch_stats": moved["batch_stats"]})
    return {
        "eval": (wanted[0], np.asarray(got_eval)),
        "train": (wanted[1], np.asarray(got_train)),
        "statistics": (start, arrays(theirs), after),
    }


def test_eval_features_are_torchs_within_one_in_ten_thousand(both):
    wanted, got = both["eval"]
    assert got.shape == wanted.shape == (9, 2048)
    assert max(map(relative, got, wanted)) < 1e-4


def test_train_features_are_torchs(both):
    wanted, got = both["train"]
    assert max(map(relative, got, wanted)) < 1e-4


def test_running_statistics_after_a_training_pass_are_torchs(both):
    start, wanted, got = both["statistics"]
    names = [name for name in got if "running_" in name]
    assert len(names) == 2 * (2 + 52 + 5 + 1)  # stems, trunk, non-local, neck
    for name in names:
        assert relative(got[name], wanted[name]) < 1e-5, name
        assert relative(start[name], wanted[name]) > 1e-4, name  # it did move


def test_the_complete_export_loads_strictly_into_the_authors_model():
    torch.manual_seed(1)
    source, target = TorchAGW(width=0.125), TorchAGW(width=0.125)
    with torch.no_grad():
        for norm in norms(source):
            norm.weight.uniform_(0.5, 1.5)
    target = torch.nn.DataParallel(target)
    exported = agw_to_torch(agw_from_torch(arrays(source)), complete=True)
    target.load_state_dict({name: torch.from_numpy(v) for name, v in exported.items()})
    pictures = torch.randn(2, 3, 64, 32), torch.randn(2, 3, 64, 32)
    with torch.no_grad():
        wanted, got = source.eval()(*pictures), target.module.eval()(*pictures)
    torch.testing.assert_close(got, wanted, rtol=0, atol=0)


def test_a_plain_export_leaves_only_the_unused_parts_missing():
    exported = agw_to_torch(agw_from_torch(arrays(TorchAGW(width=0.125))))
    left = TorchAGW(width=0.125).load_state_dict(
        {name: torch.from_numpy(v) for name, v in exported.items()}, strict=False
    )
    assert left.unexpected_keys == []
    used = ("base_resnet.base.layer", "NL_", "bottleneck")
    assert left.missing_keys and not any(name.startswith(used) for name in left.missing_keys)


def test_a_checkpoint_of_the_authors_program_is_read_with_its_numpy_score(tmp_path):
    model = torch.nn.DataParallel(TorchAGW(width=0.125))
    path = tmp_path / "model_best.pth.tar"
    score = np.float64(0.5)
    torch.save({"state_dict": model.state_dict(), "epoch": 3, "best_mAP": score}, path)
    state = read_state_dict(path)
    assert all(name.startswith("module.") for name in state)
    wanted = agw_from_torch(arrays(model.module))
    jax.tree.map(np.testing.assert_array_equal, agw_from_torch(state), wanted)
    # The conversion that docs/weights.md shows.
    write_state_dict(tmp_path / "model.safetensors", read_state_dict(path))
    converted = agw_from_torch(read_state_dict(tmp_path / "model.safetensors"))
    jax.tree.map(np.testing.assert_array_equal, converted, wanted)


def test_what_we_write_as_pth_has_the_authors_top_level_keys(tmp_path):
    state = {"a.weight": np.float32([[1, 2]]), "a.num_batches_tracked": np.zeros((), np.int64)}
    write_state_dict(tmp_path / "a.pth", state)
    loaded = torch.load(tmp_path / "a.pth", weights_only=True)
    assert set(loaded) == {"state_dict", "epoch", "best_mAP"}
    back = read_state_dict(tmp_path / "a.pth")
    assert {name: (v.dtype, v.tolist()) for name, v in back.items()} == {
        name: (v.dtype, v.tolist()) for name, v in state.items()
    }


def test_a_file_that_would_run_code_is_refused(tmp_path):
    class Call:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    buffer = io.BytesIO()
    pickle.dump({"state_dict": Call()}, buffer)
    (tmp_path / "bad.pth").write_bytes(buffer.getvalue())
    torch.save({"state_dict": Call()}, tmp_path / "bad2.pth")
    for name in ("bad.pth", "bad2.pth"):
        with pytest.raises(ValueError, match=r"cannot be read as plain tensors"):
            read_state_dict(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_a_file_without_tensors_is_refused(tmp_path):
    torch.save({"state_dict": {"a": torch.zeros(1), "lr": 0.1}}, tmp_path / "odd.pth")
    with pytest.raises(ValueError, match=r"lr are not tensors; save model\.state_dict"):
        read_state_dict(tmp_path / "odd.pth")


@pytest.mark.parametrize("kind", ["sparse", "meta", "float8"])
def test_a_tensor_that_numpy_cannot_hold_is_named(tmp_path, kind):
    tensor = {
        "sparse": lambda: torch.eye(2).to_sparse(),
        "meta": lambda: torch.ones(2, device="meta"),
        "float8": lambda: torch.ones(2).to(torch.float8_e4m3fn),
    }[kind]()
    torch.save({"state_dict": {"conv.weight": tensor}}, tmp_path / "odd.pth")
    with pytest.raises(ValueError, match=r"odd\.pth: conv\.weight is not a plain tensor"):
        read_state_dict(tmp_path / "odd.pth")


def test_parameters_that_were_saved_with_their_gradient_flag_are_read(tmp_path):
    torch.save({"state_dict": {"a": torch.nn.Parameter(torch.ones(2))}}, tmp_path / "a.pth")
    assert read_state_dict(tmp_path / "a.pth")["a"].tolist() == [1.0, 1.0]
