"""Weight files of strangers: each is explained in our own words, and nothing in it is run."""

import argparse
import io
import json
import pickle
import tarfile
import zipfile

import numpy as np
import pytest

from pclhd_jax.models.agw import AGW
from pclhd_jax.weights.agw_torch import agw_from_torch, agw_of
from pclhd_jax.weights.files import read_state_dict, read_weights, write_state_dict
from pclhd_jax.weights.pickled_objects import stranger_in

torch = pytest.importorskip("torch")
TENSOR = torch.arange(6.0)


class Harmful:
    ran = False

    def __reduce__(self):
        return eval, ("__import__('tests.weights.test_foreign_weights')._run()",)


def _run():
    Harmful.ran = True


def saved(content, **how):
    file = io.BytesIO()
    torch.save(content, file, **how)
    return file.getvalue()


def archive(*names, content=b"0", method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as written:
        for name in names:
            written.writestr(name, content)
    return file.getvalue()


def changed_flag(data):
    """Every entry of a zip file says that it is encrypted."""
    data = bytearray(data)
    place = data.find(b"PK\x01\x02")
    while place >= 0:
        data[place + 8] |= 1
        place = data.find(b"PK\x01\x02", place + 1)
    return bytes(data)


def tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as written:
        for name in ("pickle", "tensors", "storages", "sys_info"):
            written.addfile(tarfile.TarInfo(name))
    return file.getvalue()


def npz():
    file = io.BytesIO()
    np.savez(file, a=np.zeros(2))
    return file.getvalue()


def script():
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), file)
    return file.getvalue()


def safetensors(header, data=b"\0" * 16):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


GOOD = saved({"state_dict": {"a": TENSOR}})
F32 = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
FOREIGN = {  # by file name: content, what the message says
    "array.pth": (
        saved({"state_dict": {"a": TENSOR}, "cmc": np.zeros(3)}),
        "'cmc' is a NumPy array",
    ),
    "inside.pth": (saved({"a": TENSOR, "b": [np.zeros(3)]}), "'b', 0 is a NumPy array"),
    "legacy.pth": (
        saved({"a": TENSOR, "c": np.zeros(3)}, _use_new_zipfile_serialization=False),
        "'c' is a NumPy array",
    ),
    "args.pth": (saved({"a": TENSOR, "args": argparse.Namespace()}), "argparse.Namespace"),
    "model.pth": (saved(torch.nn.Linear(1, 1)), "the whole file is a layer or a model"),
    "run.pth": (saved({"a": Harmful()}), "'a' is an object of Python"),
    "plain.pth": (pickle.dumps({"a": Harmful()}), "'a' is an object of Python"),
    "number.pth": (saved(3), "a value of type int, not a state_dict"),
    "numbers.pth": (saved({"a": 3}), "a are not tensors"),
    "keys.pth": (saved({3: TENSOR}), "3 are not tensors"),
    "control.pth": (saved({"\x1b[2J\u202e": 3}), "x1b"),
    "sparse.pth": (saved({"a": torch.eye(2).to_sparse()}), "not a plain tensor"),
    "meta.pth": (saved({"a": torch.empty(3, device="meta")}), "not a plain tensor"),
    "repeated.pth": (saved({"a": torch.zeros(1).expand(10**9)}), "not a plain tensor"),
    "size.pth": (saved({"state_dict": {"a": TENSOR}, "height": "9" * 5000, "width": 1}), "size"),
    "page.pth": (b"\n<!DOCTYPE html><html></html>", "is a web page"),
    "page.safetensors": (b"<html></html>", "is a web page"),
    "resnet50-19c8e357.pth": (b"<html></html>", "is a web page"),
    "lfs.pth": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "old.pth": (tar(), "tar archive"),
    "script.pt": (script(), "TorchScript"),
    "empty.pth": (b"", "is empty"),
    "cut.pth": (GOOD[: len(GOOD) // 2], "cut short, damaged"),
    "secret.pth": (changed_flag(GOOD), "encrypted"),
    "bomb.pth": (archive("x/data.pkl", content=b"\0" * 10**6, method=8), "never compresses"),
    "zip.pth": (archive("readme.txt"), "is a zip archive"),
    "weights.npz": (npz(), "is a NumPy archive"),
    "gz.pth": (b"\x1f\x8b\x08", "gzip"),
    "index.json": (b'{"weight_map": {}}', "the list of a model"),
    "other.json": (b"{}", "JSON text"),
    "model.bin": (GOOD, "ends in '.bin'"),
    "cut.safetensors": (safetensors({"a": F32}, b""), "cannot be read"),
    "long.safetensors": (b"\xff" * 8 + b"{}", "cannot be read"),
    "text.safetensors": (safetensors(b"no header"), "cannot be read"),
    "overlap.safetensors": (safetensors({"a": F32, "b": F32}), "cannot be read"),
    "fp8.safetensors": (
        safetensors({"a": {**F32, "dtype": "F8_E8M0", "data_offsets": [0, 4]}}, b"\0" * 4),
        "float32|cannot be read",
    ),
    "kind.safetensors": (safetensors({"a": {**F32, "dtype": "Q4"}}), "cannot be read"),
    "torch.safetensors": (GOOD, "cannot be read"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_named_with_what_it_is_and_what_to_do(tmp_path, name):
    content, words = FOREIGN[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        read_weights(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message and message.isprintable()
    assert "weights_only" not in message and "False" not in message
    assert not Harmful.ran


def test_a_pickle_is_looked_at_without_running_it(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(FOREIGN["run.pth"][0])
    assert "eval" in stranger_in(path) and not Harmful.ran


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_no_damaged_byte_is_another_kind_of_error(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_state_dict(path, {"a": np.arange(4.0, dtype=np.float32)})
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(len(whole), size=150):
        changed = bytearray(whole)
        changed[place] = rng.integers(256)
        path.write_bytes(changed)
        try:
            read_weights(path)
        except (ValueError, OSError) as error:
            assert str(path) in str(error)


def test_folders_pipes_and_files_of_a_run_are_errors_with_a_remedy(tmp_path):
    with pytest.raises(ValueError, match=r"is a folder.*export"):
        read_state_dict(tmp_path)
    (tmp_path / "manifest").write_bytes(b"\1\2")
    with pytest.raises(ValueError, match="RUN/checkpoints/12"):
        read_state_dict(tmp_path / "manifest")


def agw_state(**changes):
    stem = np.zeros((8, 3, 7, 7), np.float32)
    names = ("visible_module.visible.conv1.weight", "thermal_module.thermal.conv1.weight")
    return dict.fromkeys(names, stem) | changes


@pytest.mark.parametrize(
    "changes, words",
    [
        ({}, "missing: .*more"),
        ({f"extra{n}": np.zeros(1) for n in range(99)}, "99 extra: .* and 79 more"),
        ({"e\x1b[2J" + "x" * 999: np.zeros(1)}, "x1b"),
    ],
)
def test_the_lists_of_keys_are_short_and_printable(changes, words):
    with pytest.raises(ValueError, match=words) as caught:
        agw_from_torch(agw_state(**changes))
    assert len(str(caught.value)) < 6000 and "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "shape", [(), (0, 3, 7, 7), (8,), (7, 3), (10**6, 3, 7, 7), (999, 3, 1, 1)]
)
def test_a_stem_of_another_shape_is_no_model(shape):
    wrong = np.broadcast_to(np.float32(0), shape)
    with pytest.raises(ValueError, match="this architecture has no such stem"):
        agw_of(dict.fromkeys(agw_state(), wrong))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1j, 1])
def test_weights_that_are_no_finite_floats_are_named(value):
    from pclhd_jax.weights.agw_torch import agw_to_torch
    from tests.weights.test_weights import random_variables

    state = agw_to_torch(random_variables())
    name = "bottleneck.running_mean"
    state[name] = np.full_like(state[name], value, dtype=np.asarray(value).dtype)
    with pytest.raises(ValueError, match=rf"1 not of finite floating-point numbers: {name}"):
        agw_from_torch(state)
    assert isinstance(agw_of(state), AGW)


@pytest.mark.parametrize("length", [0x3C20, 0x3C])  # as text: a blank and `<`, and `<`
def test_a_length_that_reads_as_the_start_of_a_web_page_is_none(tmp_path, length):
    header = json.dumps(
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, separators=(",", ":")
    )
    header = header.encode().ljust(length)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + np.float32(3).tobytes())
    found = read_state_dict(path)
    assert list(found) == ["a"] and found["a"] == 3
