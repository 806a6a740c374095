"""A device that is too small: one line, with what was done, how much was asked for, what helps."""

import pytest

from pclhd_jax.system.command import explained
from pclhd_jax.system.device_memory import SMALLER_RUN, DeviceMemoryError, fits

# As JAX 0.7 to 0.11 tell it.
TOLD = {
    "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 17179869184 bytes.\nBuffer": (
        "17179869184 bytes"
    ),
    "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 16.00GiB.": "16.00GiB",
    "RESOURCE_EXHAUSTED: Failed to allocate request for 2.50GiB (2684354560B) on device": "2.50GiB",
    "RESOURCE_EXHAUSTED: Allocator (GPU_0_bfc) ran out of memory trying to allocate 4.00GiB": (
        "4.00GiB"
    ),
    "RESOURCE_EXHAUSTED: Out of memory allocating 20029400304 bytes.": "20029400304 bytes",
    "RESOURCE_EXHAUSTED: Attempting to allocate 5.41G. That was not possible.": "5.41G",
    "INTERNAL: Failed to allocate 4096 bytes for new constant": "4096 bytes",
    "RESOURCE_EXHAUSTED: something else": None,
    "INTERNAL: Failed to load in-memory CUBIN: CUDA_ERROR_OUT_OF_MEMORY: out of memory": None,
    "INTERNAL: failed to create cublas handle: the library was not initialized": None,
    "INTERNAL: cublas error: CUBLAS_STATUS_ALLOC_FAILED": None,
    "FAILED_PRECONDITION: DNN library initialization failed. Look at the errors above": None,
}


class JaxRuntimeError(RuntimeError):
    """As jax.errors has it."""


@pytest.mark.parametrize("text", TOLD)
def test_a_full_device_is_one_line_with_the_size_and_the_remedy(text):
    with pytest.raises(DeviceMemoryError) as raised, fits("training", SMALLER_RUN):
        raise JaxRuntimeError(text)
    line = explained(raised.value)
    assert "\n" not in line and line.startswith("DeviceMemoryError: training does not fit")
    assert (TOLD[text] is None) == ("it requested" not in line)
    assert (f"it requested {TOLD[text]} more" if TOLD[text] else text) in line
    for part in (":paper,16gb", "24gb", "another program", "XLA_PYTHON_CLIENT_PREALLOCATE"):
        assert part in line


def test_the_innermost_says_what_was_done_and_other_errors_pass():
    with (
        pytest.raises(DeviceMemoryError, match=r"^extracting features"),
        fits("the run", ""),
        fits("extracting features", "less"),
    ):
        raise JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
    with pytest.raises(RuntimeError, match=r"^INTERNAL"), fits("the run", ""):
        raise JaxRuntimeError("INTERNAL: RESOURCE_USED")


def test_where_nobody_said_what_was_done_it_is_one_line_all_the_same():
    line = explained(JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating\n7 lines"))
    assert "does not fit into the memory" in line and "\n" not in line
