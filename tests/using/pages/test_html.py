"""Whatever a stranger's run says is text on the page."""

from html.parser import HTMLParser

import numpy as np
import pytest

from pclhd_jax.reports.thumbnails import encoded
from pclhd_jax.using.pages.html import (
    Html,
    Section,
    box,
    document,
    figure,
    folded,
    heading,
    image,
    joined,
    missing,
    note,
    paragraph,
    table,
    tag,
)

PNG = encoded(np.zeros((2, 2, 3), np.uint8), "png")
HOSTILE = [
    "<script>alert(1)</script>",
    '" onerror="alert(1)',
    "' onerror='alert(1)",
    "</pre></style></title><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "&lt;script&gt;",
    "\u202egnp.exe\u2066",
    "\x1b]0;title\x07\x00",
]


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.found, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, tuple(name for name, _ in attributes)))

    def handle_data(self, data):
        self.text += data


def places(text):
    """A page that says `text` at every place that takes some."""
    parts = [
        paragraph(text),
        missing(text),
        note(text),
        heading(3, text),
        box(text, [text, image(PNG, text), figure(PNG, text, text, text)]),
        folded(text, text),
        table([[text, text], [text], [text, text]], caption=text, css_class=text),
        joined([text]) + text,
        tag("a", text, href=text),
    ]
    return document(
        text, text, [Section(text, text, text, {}), Section("k", "t", joined(parts), {})]
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_no_place_of_a_page_interprets_a_text(text):
    calm, hostile = Tags(places("calm")), Tags(places(text))
    assert hostile.found == calm.found
    for character in "\u202e\u2066\x1b\x07\x00":
        assert character not in hostile.text


def test_what_was_plain_text_stays_so_whatever_is_done_with_it():
    assert joined([Html("<b>") + "<i>", "<u>"]) == "<b>&lt;i&gt;&lt;u&gt;"
    assert box("", ["".join([paragraph("a")])]) == "<div>&lt;p&gt;a&lt;/p&gt;</div>"


def test_the_page_forbids_scripts_and_what_lies_elsewhere():
    page = document("t", "", [])
    policy = page.index("Content-Security-Policy")
    assert policy < page.index("<title>") and "default-src 'none'" in page.replace("&#x27;", "'")
