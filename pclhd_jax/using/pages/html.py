"""The pieces of a page in one file, without scripts, fonts or other files.

Only `tag` and `joined` return `Html`. Any other text is escaped when it enters the page, so a
browser shows a name or a setting of a stranger's run and never interprets it.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

from pclhd_jax.system.text import printable

GENERATOR = "pclhd_jax visualize"
# A browser that reads this runs no script on the page and fetches nothing for it.
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)
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


class Html(str):
    """HTML that this module made. Any other text is escaped."""

    __slots__ = ()

    def __add__(self, other: str) -> "Html":
        return joined([self, other])


def joined(parts: Iterable[str]) -> Html:
    """The parts joined; those that are not Html are escaped."""
    return Html("".join(part if isinstance(part, Html) else escaped(part) for part in parts))


def escaped(text: str) -> str:
    """Text as HTML that shows it; control characters and marks of direction as escapes."""
    return escape(printable(text))


def tag(name: str, /, *inside: str, **attributes: str) -> Html:
    """An element. Attributes are escaped, empty ones left out; `css_class` stands for class."""
    names = {"css_class": "class"}
    words = [f' {names.get(n, n)}="{escaped(value)}"' for n, value in attributes.items() if value]
    start = f"<{name}{''.join(words)}>"
    if name in ("img", "meta"):  # these have no content and no end tag
        return Html(start)
    return Html(f"{start}{joined(inside)}</{name}>")


class Section(NamedTuple):
    """A heading and what stands under it."""

    key: str  # of the link, and the beginning of its files' names
    title: str
    body: Html
    files: Mapping[str, bytes]  # PNGs to lie beside the page, by name
    missing: Sequence[str] = ()  # what could not be drawn, and why; on the page and the terminal


def image(data: bytes, alt: str) -> Html:
    """data: of a PNG or JPEG file."""
    text = base64.b64encode(data).decode()
    return tag("img", alt=alt, src=f"data:image/{KINDS[data[:3]]};base64,{text}")


def figure(data: bytes, alt: str, caption: str = "", css_class: str = "") -> Html:
    """caption: shown under the picture."""
    below = [tag("figcaption", caption)] if caption else []
    return tag("figure", image(data, alt), *below, css_class=css_class)


def paragraph(text: str) -> Html:
    return tag("p", text)


def missing(reason: str) -> Html:
    return tag("p", f"Not drawn: {reason}", css_class="missing")


def note(text: str) -> Html:
    return tag("p", text, css_class="note")


def heading(level: int, text: str) -> Html:
    return tag(f"h{level}", text)


def box(css_class: str, parts: Iterable[str]) -> Html:
    return tag("div", *parts, css_class=css_class)


def folded(title: str, text: str) -> Html:
    """text: as it stands, line by line."""
    return tag("details", tag("summary", title), tag("pre", text))


def table(
    rows: Sequence[Sequence[str]],
    *,
    caption: str = "",
    css_class: str = "",
    bold_last: bool = False,
) -> Html:
    """rows: the first is the header; a row of one cell is a title over the next."""
    title = [tag("caption", caption)] if caption else []
    head, *lines = rows
    header = tag("thead", tag("tr", *(tag("th", cell) for cell in head)))
    last = len(lines) - 1 if bold_last else -1
    trs = [
        tag("tr", *cells(line, len(head)), css_class="last" if number == last else "")
        for number, line in enumerate(lines)
    ]
    return tag("table", *title, header, tag("tbody", *trs), css_class=css_class)


def cells(line: Sequence[str], width: int) -> list[Html]:
    if len(line) == 1:
        return [tag("td", line[0], css_class="group", colspan=f"{width}")]
    return [tag("td", cell) for cell in line]


def document(title: str, intro: str, sections: Sequence[Section]) -> Html:
    """The whole page."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", **{"http-equiv": "Content-Security-Policy"}, content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content=GENERATOR),
        tag("title", title),
        tag("style", Html(STYLE)),
    )
    links = [tag("a", s.title, href=f"#{s.key}") for s in sections]
    bodies = [tag("section", tag("h2", s.title), s.body, id=s.key) for s in sections]
    body = tag("body", tag("h1", title), intro, tag("nav", *links), *bodies)
    return Html("<!DOCTYPE html>") + tag("html", head, body, lang="en") + Html("\n")
