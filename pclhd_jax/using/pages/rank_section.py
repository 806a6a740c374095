"""Rank lists on the page: of some people the query that finds worst, of others the best one."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from pclhd_jax.data.protocol import Protocol
from pclhd_jax.reports.rank_lists import (
    Entry,
    RankList,
    average_precisions,
    entries,
    rank_query,
    sides,
    worst_and_best,
)
from pclhd_jax.reports.rank_strips import thumbnails
from pclhd_jax.reports.thumbnails import encoded, strip
from pclhd_jax.using.pages.html import Html, Section, box, figure, heading, joined, paragraph
from pclhd_jax.using.pages.per_run import Drawn, per_run
from pclhd_jax.using.pages.seen_runs import RunView

TITLE = "Rank lists, worst and best first"
WORDS = (
    "Of every person at most one query is shown, by average precision (AP): first those that find "
    "their person worst, then those that find best. Black: the query. Green with a tick: the same "
    "person. Red with a cross: somebody else. Grey, pale, with a bar: skipped, for the protocol "
    "does not count that camera for this query."
)


def rank_section(runs: Sequence[RunView], each: int) -> Section:
    """each: how many of the worst lists, and of the best, of a run."""
    return per_run("ranks", TITLE, WORDS, runs, partial(run_lists, each=each))


def run_lists(run: RunView, each: int) -> Drawn:
    """Of the first protocol's first gallery."""
    seen = run.seen.get()
    protocol = seen.protocols[0]
    query_side, gallery_side = sides(protocol)
    z = seen.z[query_side], seen.z[gallery_side]
    ap_Q = average_precisions(protocol, *z)
    chosen = worst_and_best(ap_Q, protocol.query.identities_N, each)
    of = "" if len(protocol.trials) == 1 else f", gallery 1 of {len(protocol.trials)}"
    parts = [
        paragraph(
            f"{protocol.name}{of}: mean average precision {100 * np.nanmean(ap_Q):.1f} % over "
            f"{np.count_nonzero(~np.isnan(ap_Q)):,} queries; {seen.encoder.epochs_done} epochs"
        )
    ]
    files = {}
    for name, queries in zip(("worst", "best"), chosen, strict=True):
        for place, query in enumerate(queries.tolist(), 1):
            ranked = rank_query(protocol, *z, query)
            shown, num_hidden = entries(ranked)
            query_HWC = seen.pictures[query_side][query]
            pictures = thumbnails(query_HWC, seen.pictures[gallery_side], shown)
            title = f"{name.capitalize()} {place}: {describe(ranked, protocol, num_hidden)}"
            parts += [heading(4, title), list_html(ranked, protocol, shown, pictures)]
            files[f"rank-list-{name}-{place}.png"] = encoded(strip(pictures), "png")
    return Drawn(joined(parts), files)


def describe(ranked: RankList, protocol: Protocol, num_hidden: int) -> str:
    person = protocol.query.identities_N[ranked.query]
    hidden = f"; {num_hidden} more skipped are not shown" if num_hidden else ""
    right = int(ranked.is_right_n.sum())
    return (
        f"person {person}, AP {100 * ranked.average_precision:.1f} %, {right} right in all{hidden}"
    )


def list_html(
    ranked: RankList, protocol: Protocol, shown: Sequence[Entry], pictures: Sequence[np.ndarray]
) -> Html:
    """pictures: the query's, then one for each entry."""
    person = protocol.query.identities_N[ranked.query]
    camera = protocol.query.cameras_N[ranked.query]
    query_words = "query" + (f", camera {camera}" if camera >= 0 else "")
    head, *rest = (encoded(picture, "jpeg") for picture in pictures)
    figures = [figure(head, f"query, person {person}", query_words, "query")]
    for entry, data in zip(shown, rest, strict=True):
        figures.append(figure(data, alt_of(entry, protocol), caption_of(entry, protocol)))
    return box("thumbs", figures)


def caption_of(entry: Entry, protocol: Protocol) -> str:
    camera = protocol.gallery.cameras_N[entry.gallery]
    place = f"{entry.rank}" if entry.rank else "skipped"
    return f"{place} · {entry.similarity:.2f}" + (f" · cam {camera}" if camera >= 0 else "")


def alt_of(entry: Entry, protocol: Protocol) -> str:
    if not entry.rank:
        return f"skipped: camera {protocol.gallery.cameras_N[entry.gallery]} does not count here"
    person = protocol.gallery.identities_N[entry.gallery]
    what = "right, the same person" if entry.is_right else f"wrong, person {person}"
    return f"rank {entry.rank}: {what}"
