"""What a command inherits from the shell that started it."""

import os
import sys
import warnings


def prepare_environment() -> None:
    """Undoes inherited settings that would end a command although nothing is wrong.

    Raises FileNotFoundError: the current folder was removed.
    """
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            "the current folder has been removed; go to one that is there, with cd"
        ) from error
    if any("error" in option for option in sys.warnoptions):
        warnings.resetwarnings()  # PYTHONWARNINGS=error: warnings of other packages would end it
        warnings.simplefilter("ignore", DeprecationWarning)
