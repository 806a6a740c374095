"""What a command inherits from the shell that started it."""

import os
import sys
import warnings


def prepare_environment() -> None:
    """Undoes what would end a command for reasons that are none of its own.

    Raises FileNotFoundError: the current folder is no more, so that no path means anything.
    """
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            "the current folder has been removed; go to one that is there, with cd"
        ) from error
    if any("error" in option for option in sys.warnoptions):
        warnings.resetwarnings()  # PYTHONWARNINGS=error: those of other packages would end it
        warnings.simplefilter("ignore", DeprecationWarning)
