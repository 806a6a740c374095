"""What JAX computes on, and its settings that a shell or a notebook left: sound, or one line."""

import os
import re

import jax
import numpy as np
import pytest

from pclhd_jax.clustering.neighbour_search import nearest_neighbours
from pclhd_jax.processes import devices
from pclhd_jax.processes.devices import check_jax, describe_devices
from pclhd_jax.system.command import explained
from pclhd_jax.training.train import train_and_evaluate
from pclhd_jax.using.encoder import load_encoder
from pclhd_jax.using.evaluate import evaluate_only
from tests.helpers.tiny import tiny_config

OTHERS = {
    "jax_enable_x64": True,
    "jax_default_prng_impl": "rbg",
    "jax_threefry_partitionable": False,
    "jax_random_seed_offset": 1,
    "jax_high_dynamic_range_gumbel": True,
    "jax_default_matmul_precision": "bfloat16",
    "jax_numpy_dtype_promotion": "strict",
    "jax_disable_jit": True,
    "jax_no_tracing": True,
    "jax_no_execution": True,
    "jax_debug_infs": True,
    "jax_debug_key_reuse": True,
    "jax_thread_guard": True,
    **dict.fromkeys(devices.GUARDS, "disallow"),
}


@pytest.fixture
def set_jax():
    before = {}

    def set_jax(name, value):
        before.setdefault(name, getattr(jax.config, name))
        jax.config.update(name, value)

    yield set_jax
    for name, value in before.items():
        jax.config.update(name, getattr(value, "value", value))


def test_every_setting_that_is_looked_at_is_tried_here():
    assert OTHERS.keys() == devices.SETTINGS.keys()
    check_jax()  # all are as they should be


@pytest.mark.parametrize("name", [name for name in OTHERS if hasattr(jax.config, name)])
def test_a_setting_that_changes_or_ends_a_run_is_refused_with_its_variable(name, set_jax):
    set_jax(name, OTHERS[name])
    with pytest.raises(ValueError, match=rf"{name}: .*unset {name.upper()}, in Python jax\.config"):
        check_jax()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("--xla_nonsense=1", "Unknown flag in XLA_FLAGS: --xla_nonsense=1"),
        ("nonsense", 'Could not open file "nonsense"'),
        ("--xla_fuel=a=1 --xla_force_host_platform_device_count=x", "Couldn't interpret value x"),
    ],
)
def test_flags_that_xla_would_end_the_process_for_are_an_error(flags, told, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", flags)
    with pytest.raises(ValueError, match=f"{re.escape(told)}.*unset XLA_FLAGS"):
        check_jax()


@pytest.mark.parametrize(
    "door",
    [
        lambda path: train_and_evaluate(tiny_config(path / "set"), path / "run"),
        lambda path: evaluate_only(tiny_config(path / "set"), path / "run"),
        lambda path: load_encoder(path / "run"),
        lambda path: nearest_neighbours(np.ones((4, 2), np.float32), 2),
    ],
)
def test_every_door_refuses_before_anything_is_written(door, tmp_path, set_jax):
    set_jax("jax_enable_x64", True)
    with pytest.raises(ValueError, match="JAX_ENABLE_X64"):
        door(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_variable_of_the_shell_is_named_with_its_value(monkeypatch, set_jax):
    monkeypatch.setenv("JAX_ENABLE_X64", "yes")
    set_jax("jax_enable_x64", True)
    with pytest.raises(ValueError, match=r"^JAX_ENABLE_X64=yes: this setting of JAX would"):
        check_jax()


@pytest.mark.parametrize("error", [RuntimeError("no such\nbackend"), AssertionError()])
def test_a_device_that_is_not_there_is_one_line(error, monkeypatch):
    def devices_fail():
        raise error

    monkeypatch.setattr(jax, "devices", devices_fail)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    with pytest.raises(ValueError, match=r"JAX_PLATFORMS=cuda .*; unset JAX_PLATFORMS") as raised:
        check_jax()
    assert "\n" not in str(raised.value)


def test_a_run_says_what_it_computes_on_and_reports_an_idle_card(tmp_path, monkeypatch):
    (tmp_path / "0000:01:00.0").mkdir()
    monkeypatch.setattr(devices, "NVIDIA", tmp_path)
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")  # as wished
    count, kind = jax.device_count(), jax.devices()[0].device_kind
    if jax.devices()[0].platform != "cpu":
        pytest.skip("there is another device here")
    assert describe_devices() == f"computing on {count} x {kind} (cpu)"
    monkeypatch.delenv("JAX_PLATFORMS")
    line, note = describe_devices().splitlines()
    assert "NVIDIA card that JAX does not see" in note and "jax[cuda13]" in note
    monkeypatch.setattr(devices, "NVIDIA", tmp_path / "none")
    assert describe_devices() == line
    assert "JAX_PLATFORMS" not in os.environ


def test_a_card_that_is_full_at_the_start_is_told_as_full(monkeypatch):
    def full():
        raise RuntimeError("Unable to initialize backend 'cuda': CUDA_ERROR_OUT_OF_MEMORY")

    monkeypatch.setattr(jax, "devices", full)
    with pytest.raises(RuntimeError) as raised:
        check_jax()
    assert "another program uses this card" in explained(raised.value)
