"""A device that is too small, in words: JAX tells it in a hundred lines."""

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
    "JAX reserves most of a card's memory when it starts: if another program holds this card, end "
    "that one, or start it with XLA_PYTHON_CLIENT_PREALLOCATE=false"
)
SMALLER_RUN = (
    "for a card of 16 or 24 GB add 16gb or 24gb to the recipe, as in --config=FILE:paper,16gb"
)
SMALLER_FEATURES = (
    "for fewer pictures at a time lower config.feature_batch_size; of embed and search --batch_size"
)
SMALLER_SEARCH = "compute on the CPU, with JAX_PLATFORMS=cpu, if the card has no more"


class DeviceMemoryError(MemoryError):
    """What did not fit, how much it asked for, and what helps."""


@contextmanager
def fits(doing: str, remedy: str) -> Iterator[None]:
    """Errors of a device that is full become one line.

    doing: what is being done within. remedy: what makes it smaller.

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
    """JAX's own class for it differs by version; its text does not."""
    return isinstance(error, RuntimeError) and FULL.search(str(error)) is not None


def explained_exhaustion(error: Exception) -> str:
    """One line for an error that no `fits` has met; "" for any other error."""
    if not exhausted(error):
        return ""
    return f"DeviceMemoryError: {_line(error, 'the computation', 'make it smaller')}"


def _line(error: Exception, doing: str, remedy: str) -> str:
    asked = next((m[1] for p in ASKED if (m := re.search(p, str(error)))), None)
    first = str(error).partition("\n")[0][:200]
    more = f"{asked} more were asked for" if asked else first
    return f"{doing} does not fit into the memory of the device: {more}; {remedy}. {HELD}"
