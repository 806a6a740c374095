"""Draw what a run has left.

    python -m pclhd_jax.visualize --clusters runs/synthetic-paper

--clusters: what other values of eps would make of a saved epoch. From the workdir alone (no
pictures, no GPU, no checkpoint) it computes the distances anew, prints a table per modality and
writes one PNG; stage 2 adds both modalities together. How to read it:

    eps too small   most pictures are outliers, and people fall apart into several clusters
    eps too large   clusters merge: their count falls, and the largest swallows ever more people
    good values     where the count has levelled off, just before the largest cluster, until then
                    about as large as one person, begins to grow
    k-distance      the eps at which a picture becomes a core of a cluster; where the curve bends
                    upwards, a larger eps gains little but pictures that stand alone
"""

import argparse
import os
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m pclhd_jax.visualize",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--clusters", metavar="RUN", help="workdir of a run, finished or not")
    parser.add_argument(
        "--epoch",
        type=int,
        metavar="N",
        help="number of features/epoch-N.npz in RUN; default: the newest. A run keeps as many as "
        "config.keep_features says",
    )
    parser.add_argument("--eps_max", type=float, default=0.9, help="end of the sweep (%(default)s)")
    parser.add_argument(
        "--out", metavar="FILE.png", help="default: RUN/clusters-epoch-N.png, N with four digits"
    )
    args = parser.parse_args(argv)
    if args.clusters is None:
        sys.exit(
            "name a picture: --clusters RUN (what other values of eps would make of a saved "
            "epoch); --help tells more"
        )
    # Read when JAX meets a GPU: a run that trains there would be left without memory.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    from pclhd_jax.reports.eps_report import report_clusters  # here: --help should be quick

    try:
        report_clusters(args.clusters, epochs_done=args.epoch, eps_max=args.eps_max, out=args.out)
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
