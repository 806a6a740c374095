"""Words in a picture: what the font lacks, hidden marks, and names that are too long."""

import pytest

from pclhd_jax.reports.lettering import drawable, fitting, font_of


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("cam1/0001.jpg", "cam1/0001.jpg"),
        ("Ελλάδα-Москва.png", "Ελλάδα-Москва.png"),
        ("人a.jpg", "\\u4ebaa.jpg"),
        ("🙂.png", "\\U0001f642.png"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\x1b[31m\n\t", "\\x1b[31m\\n\\t"),
    ],
)
def test_what_the_font_lacks_and_hidden_marks_are_escapes(name, drawn):
    assert drawable(name, font_of(10)) == drawn


def test_a_name_that_is_too_wide_keeps_both_ends():
    font = font_of(10)
    name = "IMG_20240512_123456_camera_17.jpg"
    short = fitting(name, font, 95)
    head, tail = short.split("...")
    assert name.startswith(head) and name.endswith(tail) and len(tail) > 4
    assert 75 < font.getlength(short) <= 95
    assert fitting(name, font, 1000) == name
