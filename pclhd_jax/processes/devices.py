"""The devices that JAX computes on, and settings of JAX inherited from a shell or a notebook."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax

from pclhd_jax.system.device_memory import exhausted

NVIDIA = Path("/proc/driver/nvidia/gpus")  # a folder for each card, whatever JAX sees of them


class Needed(NamedTuple):
    """What a setting of JAX may be, and what another value would do."""

    values: tuple[Any, ...]
    harm: str


INSTALL = 'for an NVIDIA card: pip install "jax[cuda13]" (requirements-cuda.txt)'
NUMBERS = "would change the numbers of a run"
# By JAX's names; `check_jax` skips those that the installed version of JAX lacks.
SETTINGS = {
    "jax_enable_x64": Needed((False,), "would compute in 64 bits instead of 32"),
    "jax_default_prng_impl": Needed(("threefry2x32",), NUMBERS),
    "jax_threefry_partitionable": Needed((True,), NUMBERS),
    "jax_random_seed_offset": Needed((0,), NUMBERS),
    "jax_high_dynamic_range_gumbel": Needed((False,), NUMBERS),
    "jax_default_matmul_precision": Needed((None, "highest", "float32"), NUMBERS),
    "jax_numpy_dtype_promotion": Needed(("standard",), "is stricter than this program allows"),
    "jax_disable_jit": Needed((False,), "would run each operation alone, which takes days"),
    "jax_no_tracing": Needed((False,), "forbids all compilation"),
    "jax_no_execution": Needed((False,), "forbids all computation"),
    "jax_debug_infs": Needed((False,), "ends a run at infinities that are intended"),
    "jax_debug_key_reuse": Needed((False,), "ends a run at keys that are reused on purpose"),
    "jax_thread_guard": Needed((False,), "forbids the threads that read ahead"),
}
GUARDS = tuple(
    f"jax_transfer_guard{way}"
    for way in ("", "_host_to_device", "_device_to_host", "_device_to_device")
)
for _name in GUARDS:
    SETTINGS[_name] = Needed((None, "allow", "log"), "forbids transfers that a run needs")


def check_jax() -> None:
    """Checks JAX before anything is computed.

    Raises:
      ValueError: a setting of JAX would change the results or end the run, or there is no device.
        The text is one line with the remedy.
    """
    for name, needed in SETTINGS.items():
        value = getattr(jax.config, name, needed.values[0])
        if getattr(value, "value", value) not in needed.values:
            variable = name.upper()
            usual = needed.values[0]
            where = f"{variable}={os.environ[variable]}" if variable in os.environ else name
            raise ValueError(
                f"{where}: this setting of JAX {needed.harm}; unset {variable}, in Python "
                f"jax.config.update({name!r}, {getattr(usual, 'value', usual)!r})"
            )
    _check_xla_flags(os.environ.get("XLA_FLAGS", ""))
    try:
        jax.devices()
    except Exception as error:  # RuntimeError, or a bare AssertionError where a plug-in is missing
        if exhausted(error):
            raise
        asked = os.environ.get("JAX_PLATFORMS")
        reason = " ".join(str(error).split()) or "it has no such device"
        raise ValueError(
            f"JAX finds nothing to compute on{f', JAX_PLATFORMS={asked}' if asked else ''} "
            f"({reason[:300]}); unset JAX_PLATFORMS, or set it to cpu; {INSTALL}"
        ) from error


@cache
def _check_xla_flags(flags: str) -> None:
    """XLA ends the process at a flag that it does not take, so another process tries them.

    Raises ValueError: the flag, in XLA's words.
    """
    if not flags.strip():
        return
    attempt = [sys.executable, "-P", "-c", "import jaxlib.xla_client as x; x.make_cpu_client()"]
    try:
        tried = subprocess.run(attempt, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):  # a Python without a program file: XLA tells
        return
    words = tried.stderr.decode(errors="replace").split("\nusage:")[0]
    if "parse_flags_from_env" in words:  # a source file of XLA, in front of what it tells
        reason = words.splitlines()[0].partition("] ")[2]
        raise ValueError(
            f"XLA_FLAGS={flags}: this version of XLA does not take it ({reason[:300]}); correct "
            "it, or unset XLA_FLAGS"
        )


def describe_devices() -> str:
    """One line about the devices of a run; a second line if JAX misses an NVIDIA card."""
    devices = jax.devices()
    first = devices[0]
    line = f"computing on {len(devices)} x {first.device_kind} ({first.platform})"
    precision = jax.config.jax_default_matmul_precision
    if precision is not None:
        line += f", products at precision {precision}"
    if first.platform == "cpu" and "JAX_PLATFORMS" not in os.environ and has_nvidia_card():
        line += "\nnote: this machine has an NVIDIA card that JAX does not see; " + INSTALL
    return line


def has_nvidia_card() -> bool:
    try:
        return any(NVIDIA.iterdir())
    except OSError:
        return False
