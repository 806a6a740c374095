"""`python -m pclhd_jax VERB ...` is `pclhd VERB ...`."""

import sys
from pathlib import Path

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pclhd_jax.commands.verbs import main

if __name__ == "__main__":
    main()
