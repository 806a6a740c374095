"""Show what a run has left: one page with everything, or what other values of eps would make.

    python -m pclhd_jax visualize runs/synthetic-paper
    python -m pclhd_jax visualize runs/a runs/b --out both
    python -m pclhd_jax visualize --clusters runs/synthetic-paper

RUN: one HTML page that needs no network and nothing beside it, and its PNGs in the same folder:
results, curves by epoch, rank lists, t-SNE, heat maps, prototypes as pictures, clusters against
eps; of several runs side by side, with the differences of their settings. Rank lists, t-SNE, heat
maps and prototypes need the pictures where the run's settings name them: give the command in the
folder that the run was started in, or say with --pictures_root where the pictures are now. The page
leaves out what a run lacks, and says why.

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

import os
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import pclhd_jax
from pclhd_jax.system.command import command, parser_of, path_flag


@command
def main(argv: Sequence[str] | None = None) -> None:
    parser = parser_of("visualize", __doc__)
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", type=path_flag, help="workdir of a run, finished or not"
    )
    parser.add_argument(
        "--clusters", metavar="RUN", type=path_flag, help="workdir of a run, finished or not"
    )
    parser.add_argument(
        "--epoch",
        type=int,
        metavar="N",
        help="with --clusters: number of features/epoch-N.npz in RUN; default: the newest. A run "
        "keeps as many as "
        "config.keep_features says",
    )
    parser.add_argument(
        "--eps_max", type=float, help="with --clusters: end of the sweep (default: 0.9)"
    )
    parser.add_argument(
        "--out",
        metavar="PATH",
        type=path_flag,
        help="folder of the page, by default RUN/page; with --clusters a FILE.png, by default "
        "RUN/clusters-epoch-N.png, N with four digits",
    )
    parser.add_argument(
        "--pictures_root",
        type=path_flag,
        metavar="DIR",
        help="where the pictures of the runs are now: the original folder or the prepared set",
    )
    args = parser.parse_args(argv)
    if bool(args.runs) == bool(args.clusters):
        sys.exit(
            "name either runs, for a page (RUN [RUN...]), or --clusters RUN, for what other values "
            "of eps would make of a saved epoch; --help tells more"
        )
    if args.runs and (args.epoch is not None or args.eps_max is not None):
        sys.exit("--epoch and --eps_max go with --clusters RUN; a page shows the newest epoch")
    if args.clusters and args.pictures_root is not None:
        sys.exit("--pictures_root needs runs to draw; --clusters RUN uses no pictures")
    # Read when JAX meets a GPU: a run that trains there would be left without memory.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if args.runs:
        pclhd_jax.visualize(args.runs, args.out, pictures_root=args.pictures_root)
    else:
        eps_max = 0.9 if args.eps_max is None else args.eps_max
        pclhd_jax.report_clusters(
            args.clusters, epochs_done=args.epoch, eps_max=eps_max, out=args.out
        )


if __name__ == "__main__":
    main()
