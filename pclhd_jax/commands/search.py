"""Search an index for the people of query pictures.

    python -m pclhd_jax search gallery QUERIES/ --modality infrared --out found
    python -m pclhd_jax search gallery queries --out found --rerank

INDEX is the NAME that `python -m pclhd_jax embed` wrote. QUERY is pictures, folders, .txt lists or
a set, as embed takes them, of either modality; or the NAME of other embeddings. Pictures go through
the encoder that the index names; --checkpoint says where it is if it was moved. Another encoder
is an error. It prints the best three of the first queries and, where identities are known on both
sides, Rank-1 and mAP. It writes

    NAME.csv    query, rank, name, similarity; with --rerank the distance; identities where known
    NAME.png    some queries, evenly chosen, each with what was found: a whole green frame for the
                same person, a broken red one for another, a thin grey one where nobody knows

The search is exact and uses all devices; no more than the k best of each query are kept. --rerank
orders by (1 - lambda) Jaccard distance of k-reciprocal neighbours + lambda original distance (Zhong
et al., CVPR 2017), among all queries and pictures of the index together.
"""

import argparse
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
    parser = parser_of("search", __doc__)
    add = parser.add_argument
    add("index", metavar="INDEX", type=path_flag, help="NAME that embed wrote")
    add(
        "queries",
        metavar="QUERY",
        type=path_flag,
        nargs="+",
        help="pictures, folders, lists, or embeddings",
    )
    add(
        "--out",
        required=True,
        metavar="NAME",
        type=path_flag,
        help="NAME.csv and NAME.png are written",
    )
    add(
        "--checkpoint",
        type=path_flag,
        help="for pictures: where the index's encoder is, if it was moved",
    )
    add("--modality", help="of query pictures: visible or infrared")
    add("--k", type=int, default=10, help="pictures found for each query (%(default)s)")
    add("--rerank", action="store_true", help="re-rank by k-reciprocal neighbours")
    add("--k1", type=int, default=20, help="of --rerank: reciprocal neighbours (%(default)s)")
    add("--k2", type=int, default=6, help="of --rerank: the query expansion's (%(default)s)")
    add("--weight", type=float, default=0.3, help="of --rerank: lambda (%(default)s)")
    add("--skip", action="store_true", help="leave out queries that cannot be read: named, counted")
    add("--batch_size", type=int, default=64, help="pictures at a time (%(default)s)")
    add("--layout", default="", help="QUERY is a set as its authors hand it out: sysu, regdb, ...")
    add("--split", default="test", help="of a set: test or train (%(default)s)")
    add("--trial", type=int, default=1, help="of RegDB's ten splits (%(default)s)")
    add("--sheet_queries", type=int, default=20, help="rows of NAME.png, 0: none (%(default)s)")
    add(
        "--gallery_root",
        type=path_flag,
        help="where the index's pictures are now, if they were moved",
    )
    add("--show", type=int, default=5, help="queries printed, the best three of each (%(default)s)")
    add(
        "--score",
        action=argparse.BooleanOptionalAction,
        help="compute Rank-1 and mAP where identities are known on both sides, however many "
        "pictures there are (by default: up to 200 million pairs), or never",
    )
    options = vars(parser.parse_args(argv))
    del options["traceback"]
    show = options.pop("show")
    # Read when JAX meets a GPU: a run that trains there would be left without memory.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    words = pclhd_jax.search(**options).text(show)
    if words:
        print(words)


if __name__ == "__main__":
    main()
