"""The pieces of a page that needs nothing but itself: no script, no font, no file beside it."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

GENERATOR = "pclhd_jax visualize"
KINDS = {b"\x89PN": "png", b"\xff\xd8\xff": "jpeg"}

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff;
  max-width: 1160px; margin: 0 auto; padding: 0 16px 48px; overflow-wrap: anywhere; }
h1 { font-size: 1.6em; line-height: 1.2; } h2 { margin: 2em 0 .4em; border-top: 2px solid #222;
  padding-top: .4em; font-size: 1.3em; } h3 { margin: 1.2em 0 .3em; font-size: 1.05em; }
h4 { margin: .8em 0 .2em; font-size: .9em; font-weight: 600; }
p { max-width: 48em; margin: .4em 0; } img { max-width: 100%; height: auto; display: block; }
nav { columns: 2 16em; } nav a { display: block; } a { color: #0072B2; }
figure { margin: 0; } figcaption { font-size: .8em; color: #444; line-height: 1.3; }
.side { display: grid; gap: 8px 24px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 30em), 1fr)); }
.side > * { min-width: 0; }
.plots { display: grid; gap: 16px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 28em), 1fr)); }
.thumbs { display: flex; flex-wrap: wrap; gap: 6px; align-items: flex-start; }
.thumbs figure { width: 68px; } .thumbs img { width: 100%; }
.thumbs figure.query { margin-right: 12px; } .thumbs.wide figure { width: 110px; }
.groups { display: flex; flex-wrap: wrap; gap: 4px 20px; }
h5 { margin: 4px 0 2px; font-size: .8em; font-weight: 400; color: #444; }
table { border-collapse: collapse; font-size: .9em; font-variant-numeric: tabular-nums; }
th, td { white-space: nowrap; text-align: right; padding: 2px 8px; vertical-align: top; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { border-bottom: 1px solid #222; } tbody tr.last td { font-weight: 600; }
.words td, .words th, td.group { text-align: left; white-space: normal; }
td.group { font-weight: 600; padding-top: 6px; }
caption { text-align: left; font-size: .9em; color: #444; }
.note { background: #f2f2f2; border-left: 4px solid #595959; padding: 6px 10px; }
.missing { background: #fff6e0; border-left: 4px solid #E69F00; padding: 6px 10px; }
pre { white-space: pre-wrap; font-size: .8em; }
@media (max-width: 600px) { body { padding: 0 12px 32px; }
  th, td { padding: 2px 4px; } table { font-size: .8em; }
  .thumbs figure { width: 56px; } .thumbs.wide figure { width: 82px; } }
"""


class Section(NamedTuple):
    """A heading and what stands under it."""

    key: str  # of the link, and the beginning of its files' names
    title: str
    body: str  # HTML
    files: Mapping[str, bytes]  # PNGs to lie beside the page, by name
    missing: Sequence[str] = ()  # what could not be drawn, and why; on the page and the terminal


def image(data: bytes, alt: str) -> str:
    """data: of a PNG or JPEG file."""
    text = base64.b64encode(data).decode()
    return f'<img alt="{escape(alt)}" src="data:image/{KINDS[data[:3]]};base64,{text}">'


def figure(data: bytes, alt: str, caption: str = "", css_class: str = "") -> str:
    """caption: plain text, shown under the picture."""
    kind = f' class="{css_class}"' if css_class else ""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure{kind}>{image(data, alt)}{below}</figure>"


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def missing(reason: str) -> str:
    return f'<p class="missing">Not drawn: {escape(reason)}</p>'


def note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def heading(level: int, text: str) -> str:
    return f"<h{level}>{escape(text)}</h{level}>"


def box(css_class: str, parts: Sequence[str]) -> str:
    return f'<div class="{css_class}">{"".join(parts)}</div>'


def table(
    rows: Sequence[Sequence[str]],
    *,
    caption: str = "",
    css_class: str = "",
    bold_last: bool = False,
) -> str:
    """rows: of plain text, the first is the header; a row of one cell is a title over the next."""
    kind = f' class="{css_class}"' if css_class else ""
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    head, *lines = rows
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    trs = [f"<tr>{row_cells(line, len(head))}</tr>" for line in lines]
    if bold_last:
        trs[-1] = trs[-1].replace("<tr>", '<tr class="last">')
    body = "".join(trs)
    return f"<table{kind}>{title}<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def row_cells(line: Sequence[str], width: int) -> str:
    if len(line) == 1:
        return f'<td class="group" colspan="{width}">{escape(line[0])}</td>'
    return "".join(f"<td>{escape(cell)}</td>" for cell in line)


def document(title: str, intro: str, sections: Sequence[Section]) -> str:
    """The whole page. intro: HTML."""
    links = "".join(f'<a href="#{s.key}">{escape(s.title)}</a>' for s in sections)
    bodies = "".join(
        f'<section id="{s.key}"><h2>{escape(s.title)}</h2>{s.body}</section>' for s in sections
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="generator" content="{GENERATOR}"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>{intro}"
        f"<nav>{links}</nav>{bodies}</body></html>\n"
    )
