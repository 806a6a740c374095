"""What a command inherits from the shell that started it."""

import sys
import warnings


def prepare_environment() -> None:
    """Undoes what would end a command for reasons that are none of its own."""
    if any("error" in option for option in sys.warnoptions):
        warnings.resetwarnings()  # PYTHONWARNINGS=error: those of other packages would end it
        warnings.simplefilter("ignore", DeprecationWarning)
