"""Torch names and layouts <-> our tree: nothing is lost, nothing is passed over in silence."""

import hashlib
import json
import re
import sys
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict

from configs import regdb, sysu
from pclhd_jax.models.agw import AGW
from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.settings.sections import settings_of
from pclhd_jax.training.experiment import fresh_state
from pclhd_jax.training.train import train_and_evaluate
from pclhd_jax.weights.agw_torch import agw_from_torch, agw_to_torch, resnet_leaves, shapes_of
from pclhd_jax.weights.files import read_state_dict, write_state_dict
from pclhd_jax.weights.starting import read_starting_weights
from tests.helpers.tiny import tiny_config

DEPTHS = (18, 34, 50, 101)
TINY = AGW(depth=18, width=0.125)


def random_variables(depth=18, width=0.125, seed=0):
    rng = np.random.default_rng(seed)
    shapes = shapes_of(depth, width)
    return unflatten_dict(
        {path: rng.normal(size=leaf.shape).astype(np.float32) for path, leaf in shapes.items()}
    )


def resnet_state(depth=18, width=0.125, seed=0):
    """A torchvision ResNet with fc: the unused half of a complete export is one."""
    complete = agw_to_torch(random_variables(depth, width, seed), complete=True)
    prefix = "module.visible_module.visible."
    state = {name.removeprefix(prefix): v for name, v in complete.items() if prefix in name}
    fc = np.zeros((1000, 512), np.float32)
    return state | {"fc.weight": fc, "fc.bias": fc[:, 0]}


def assert_same_tree(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_round_trip_through_torch_names_is_bit_identical(depth, complete):
    variables = random_variables(depth)
    assert_same_tree(agw_from_torch(agw_to_torch(variables, complete=complete)), variables)


def test_a_full_width_resnet_50_has_the_authors_names_and_sizes():
    state = agw_to_torch(random_variables(50, 1.0))
    sizes = {
        "visible_module.visible.conv1.weight": (64, 3, 7, 7),
        "thermal_module.thermal.bn1.running_var": (64,),
        "base_resnet.base.layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "base_resnet.base.layer3.5.conv2.weight": (256, 256, 3, 3),
        "NL_2.1.g.0.weight": (1, 512, 1, 1),
        "NL_3.2.theta.bias": (1,),
        "NL_3.0.W.0.weight": (1024, 1, 1, 1),
        "NL_3.0.W.1.num_batches_tracked": (),
        "bottleneck.bias": (2048,),
    }
    assert {name: state[name].shape for name in sizes} == sizes
    assert not any(name.startswith(("NL_2.2", "NL_3.3", "NL_1", "NL_4")) for name in state)
    assert not state["bottleneck.bias"].any()


def test_kernels_change_their_layout_and_non_local_blocks_their_number():
    variables = random_variables(50)
    state, params = agw_to_torch(variables), variables["params"]
    theirs = state["base_resnet.base.layer1.0.conv2.weight"]
    ours = params["layer1_0"]["conv2"]["kernel"]
    assert theirs[3, 5, 2, 1] == ours[2, 1, 5, 3]
    # The last 2 of stage 2's 4 blocks, the last 3 of stage 3's 6.
    for name, block in {"NL_2.0": "non_local2_2", "NL_3.0": "non_local3_3"}.items():
        np.testing.assert_array_equal(state[f"{name}.phi.bias"], params[block]["phi"]["bias"])
        mean = variables["batch_stats"][block]["W_bn"]["mean"]
        np.testing.assert_array_equal(state[f"{name}.W.1.running_mean"], mean)


def test_the_data_parallel_prefix_and_counters_may_be_there_or_not():
    variables = random_variables()
    state = agw_to_torch(variables)
    assert_same_tree(agw_from_torch({f"module.{k}": v for k, v in state.items()}), variables)
    old = {name: v for name, v in state.items() if not name.endswith("num_batches_tracked")}
    assert len(old) < len(state)
    assert_same_tree(agw_from_torch(old), variables)


def test_missing_extra_and_misshapen_keys_are_all_listed():
    state = agw_to_torch(random_variables())
    del state["NL_3.1.g.0.weight"], state["base_resnet.base.layer4.1.bn2.running_mean"]
    state["NL_3.1.g.weight"] = state["base_resnet.base.layer5.0.weight"] = np.zeros(1)
    state["NL_9.0.W.1.num_batches_tracked"] = np.zeros(())
    state["bottleneck.weight"] = np.zeros(7)
    with pytest.raises(ValueError) as caught:
        agw_from_torch(state)
    message = str(caught.value)
    assert "2 missing: base_resnet.base.layer4.1.bn2.running_mean, NL_3.1.g.0.weight" in message
    assert (
        "3 extra: NL_3.1.g.weight, base_resnet.base.layer5.0.weight, NL_9.0.W.1.num_batches_tracked"
        in message
    )
    assert "bottleneck.weight (7,) instead of (64,)" in message


def test_our_own_tree_must_be_complete_too():
    variables = random_variables()
    del variables["batch_stats"]["bottleneck"]["mean"]
    with pytest.raises(ValueError, match=r"1 missing: bottleneck\.running_mean"):
        agw_to_torch(variables)


def test_what_is_known_as_unused_is_passed_over_and_nothing_else():
    variables = random_variables()
    state = agw_to_torch(variables)
    unused = (
        "visible_module.visible.layer3.0.conv1.weight",
        "thermal_module.thermal.fc.bias",
        "base_resnet.base.conv1.weight",
        "base_resnet.base.bn1.running_var",
        "classifier.weight",
    )
    assert_same_tree(agw_from_torch(state | {name: np.ones(3) for name in unused}), variables)
    for name in ("visible_module.visible.conv2.weight", "base_resnet.conv1.weight", "classifier2"):
        with pytest.raises(ValueError, match=f"1 extra: {name}"):
            agw_from_torch(state | {name: np.ones(3)})


def test_a_neck_with_a_bias_is_refused():
    state = agw_to_torch(random_variables())
    state["bottleneck.bias"][3] = -0.25
    with pytest.raises(ValueError, match=r"bottleneck\.bias reaches 0\.25, .* fixed at 0"):
        agw_from_torch(state)


def test_imagenet_weights_fill_both_stems_and_the_trunk_and_nothing_else():
    source = flatten_dict(random_variables())
    leaves = resnet_leaves(resnet_state(), 18, 0.125)
    given, left = set(leaves), set(source) - set(leaves)
    assert {path[1].split("_")[0] for path in left} == {"non", "bottleneck"}
    assert {"visible", "infrared", "layer1_0", "layer4_1"} <= {path[1] for path in given}
    for path, leaf in leaves.items():
        same = ("visible" if part == "infrared" else part for part in path)
        np.testing.assert_array_equal(leaf, source[tuple(same)])


def test_imagenet_weights_of_another_depth_name_the_setting():
    with pytest.raises(ValueError, match=r"ResNet-18 of width 0\.125.*config\.model\.depth=18"):
        resnet_leaves(resnet_state(), 50, 1.0)
    state = resnet_state()
    del state["layer2.0.conv1.weight"]
    with pytest.raises(ValueError, match=r"1 missing: layer2\.0\.conv1\.weight"):
        resnet_leaves(state, 18, 0.125)


def test_each_kind_of_file_given_as_the_other_is_recognised():
    with pytest.raises(ValueError, match=r"torchvision ResNet.*--config\.init\.imagenet"):
        agw_from_torch(resnet_state())
    with pytest.raises(ValueError, match=r"AGW checkpoint.*--config\.init\.agw"):
        resnet_leaves(agw_to_torch(random_variables()), 18, 0.125)
    with pytest.raises(ValueError, match="not weights of this architecture"):
        agw_from_torch({"a": np.zeros(1)})


def test_safetensors_are_written_and_read_without_torch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # an import of it fails now
    variables = random_variables()
    write_state_dict(tmp_path / "agw.safetensors", agw_to_torch(variables, complete=True))
    assert_same_tree(agw_from_torch(read_state_dict(tmp_path / "agw.safetensors")), variables)
    (tmp_path / "best.pth.tar").touch()
    with pytest.raises(ValueError, match=r"torch is not installed") as caught:
        read_state_dict(tmp_path / "best.pth.tar")
    remedy = 'write_state_dict("best.safetensors", read_state_dict("best.pth.tar"))'
    assert remedy in str(caught.value)


@pytest.mark.parametrize("version", ["1.13.1", "2.5.1+cu121"])
def test_a_torch_whose_weights_only_can_be_led_astray_is_refused(tmp_path, monkeypatch, version):
    (tmp_path / "a.pth").touch()
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(__version__=version))
    with pytest.raises(
        ValueError, match=rf"torch {re.escape(version)} .*a\.pth needs 2\.6 or newer"
    ):
        read_state_dict(tmp_path / "a.pth")


def test_a_number_format_that_numpy_lacks_is_named(tmp_path):
    header = json.dumps({"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}).encode()
    data = len(header).to_bytes(8, "little") + header + bytes(4)
    (tmp_path / "a.safetensors").write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.safetensors holds numbers .*; save them in float32"):
        read_state_dict(tmp_path / "a.safetensors")


def test_a_file_that_is_not_there_damaged_or_of_another_kind_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no weight file .*none\.pth"):
        read_state_dict(tmp_path / "none.pth")
    for name, match in {"a.onnx": "ends in '.onnx'", "a.safetensors": "cannot be read"}.items():
        (tmp_path / name).write_bytes(b"not weights")
        with pytest.raises(ValueError, match=match):
            read_state_dict(tmp_path / name)
    (tmp_path / "resnet50-19c8e357.pth").write_bytes(b"half a download")
    found = hashlib.sha256(b"half a download").hexdigest()[:8]
    with pytest.raises(ValueError, match=rf"{found}.*19c8e357.*fetch it again"):
        read_state_dict(tmp_path / "resnet50-19c8e357.pth")


def test_a_run_starts_both_encoders_from_the_file(tmp_path):
    variables = random_variables()
    write_state_dict(tmp_path / "agw.safetensors", agw_to_torch(variables))
    leaves = read_starting_weights(TINY, imagenet="", agw=str(tmp_path / "agw.safetensors"))
    config, mesh = tiny_config(tmp_path), make_mesh()
    state = fresh_state(config, mesh, leaves)
    assert_same_tree(jax.tree.map(np.asarray, state.online), variables)
    assert_same_tree(jax.tree.map(np.asarray, state.momentum), variables)
    # ImageNet's leave neck and non-local blocks as they were drawn.
    write_state_dict(tmp_path / "resnet.safetensors", resnet_state())
    leaves = read_starting_weights(TINY, imagenet=str(tmp_path / "resnet.safetensors"), agw="")
    fresh, begun = (flatten_dict(fresh_state(config, mesh, w).online) for w in (None, leaves))
    for path, leaf in begun.items():
        np.testing.assert_array_equal(leaf, leaves.get(path, fresh[path]))


def test_an_encoder_of_another_size_names_file_and_settings(tmp_path):
    path = tmp_path / "agw.safetensors"
    write_state_dict(path, agw_to_torch(random_variables()))
    with pytest.raises(ValueError, match=rf"{path}: .*ResNet-18 of width 0\.125.*depth=18"):
        read_starting_weights(AGW(), imagenet="", agw=str(path))


def test_two_files_to_start_from_are_refused():
    config = sysu.get_config()
    config.init.imagenet, config.init.agw = "a.pth", "b.pth"
    with pytest.raises(ValueError, match=r"imagenet \(a\.pth\) and config\.init\.agw \(b\.pth\)"):
        settings_of(config)


def test_a_wrong_file_costs_no_workdir(tmp_path):
    config = regdb.get_config()
    config.init.imagenet = str(tmp_path / "none.pth")
    with pytest.raises(FileNotFoundError, match=r"none\.pth"):
        train_and_evaluate(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_training_from_random_weights_is_said_aloud(tmp_path, capsys):
    config = regdb.get_config()
    config.data.source = str(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        train_and_evaluate(config, tmp_path / "run")
    warning = capsys.readouterr().out
    assert "warning: training starts from random weights" in warning
    assert "resnet50-19c8e357.pth" in warning and "--config.init.imagenet=FILE" in warning
