"""What a command inherits from the shell that started it."""

import sys
import warnings


def prepare_environment() -> None:
    """Undoes inherited settings that would end a command although nothing is wrong."""
    if any("error" in option for option in sys.warnoptions):
        warnings.resetwarnings()  # PYTHONWARNINGS=error: warnings of other packages would end it
        warnings.simplefilter("ignore", DeprecationWarning)
