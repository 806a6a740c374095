"""One line instead of JAX's hundred for a device that has too little memory."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

SIZE = r"(\d[\d.,]* ?(?:[KMGT]i?B?|bytes|B)\b)"
ASKED = (rf"allocat(?:e|ing) (?:request for )?{SIZE}", rf"(?:[Nn]eed|require)s? {SIZE}")
# In the errors of XLA, of CUDA, and of its libraries, each of which takes memory when it starts.
FULL = re.compile(
    r"RESOURCE_EXHAUSTED|OUT_OF_MEMORY|[Ff]ailed to allocate|_STATUS_ALLOC_FAILED"
    r"|CU[A-Z]+_STATUS_NOT_INITIALIZED|[Ff]ailed to create cu\w+ handle|No BLAS support for stream"
    r"|DNN library initialization failed"
)
HELD = (
    "JAX reserves most of a card's memory when it starts: if another program uses this card, end "
    "that one, or start it with XLA_PYTHON_CLIENT_PREALLOCATE=false"
)
SMALLER_RUN = (
    "for a card of 16 or 24 GB add 16gb or 24gb to the recipe, as in --config=FILE:paper,16gb"
)
SMALLER_FEATURES = (
    "for fewer pictures at a time lower config.feature_batch_size; of embed and search --batch_size"
)
SMALLER_SEARCH = "use a card with more memory, or the CPU with JAX_PLATFORMS=cpu"


class DeviceMemoryError(MemoryError):
    """Its text says what did not fit, how much was requested, and what helps."""


@contextmanager
def fits(doing: str, remedy: str) -> Iterator[None]:
    """Turns an out-of-memory error of a device into one line.

    doing: what the block does. remedy: how to use less memory.

    Raises:
      DeviceMemoryError: the device has not enough memory.
    """
    try:
        yield
    except DeviceMemoryError:
        raise
    except Exception as error:
        if not exhausted(error):
            raise
        raise DeviceMemoryError(_line(error, doing, remedy)) from error


def exhausted(error: BaseException) -> bool:
    """Tested by the text, because the class of the error differs between versions of JAX."""
    return isinstance(error, RuntimeError) and FULL.search(str(error)) is not None


def explained_exhaustion(error: Exception) -> str:
    """One line for an out-of-memory error outside every `fits`; "" for any other error."""
    if not exhausted(error):
        return ""
    line = _line(error, "the computation", "make the input or the batch smaller")
    return f"DeviceMemoryError: {line}"


def _line(error: Exception, doing: str, remedy: str) -> str:
    asked = next((m[1] for p in ASKED if (m := re.search(p, str(error)))), None)
    first = str(error).partition("\n")[0][:200]
    more = f"it requested {asked} more" if asked else first
    return f"{doing} does not fit into the memory of the device: {more}; {remedy}. {HELD}"
