"""Two virtual CPU devices for the mesh tests; ranks never broadcast by accident.

On a GPU (JAX_PLATFORMS=cuda) float32 is multiplied as float32, not in TF32, and sums have one
order: tests compare at the precision of a CPU.
"""

import os

flags = "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
os.environ["XLA_FLAGS"] = f"{flags} {os.environ.get('XLA_FLAGS', '')}"  # level 0: compile fast
os.environ.setdefault("JAX_PLATFORMS", "cpu")
ON_CPU = os.environ["JAX_PLATFORMS"] == "cpu"
if not ON_CPU:
    os.environ["XLA_FLAGS"] += " --xla_gpu_deterministic_ops=true"

import jax  # noqa: E402
import pytest  # noqa: E402

pytest_plugins = ["tests.helpers.finished_run"]

jax.config.update("jax_numpy_rank_promotion", "raise")
if not ON_CPU:
    jax.config.update("jax_default_matmul_precision", "highest")


@pytest.fixture(scope="session", autouse=True)
def _compiled_once(tmp_path_factory):
    """Several tests start the same run; all workers together compile its steps once."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    jax.config.update("jax_compilation_cache_dir", str(root / "compiled"))
    jax.config.update("jax_compilation_cache_max_size", 2**32)  # with a limit JAX locks the folder
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
