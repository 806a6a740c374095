import json
import os

import pytest

from pclhd_jax.system.json_files import read_json, read_json_lines
from pclhd_jax.system.json_shapes import list_of, maybe, real, record, table_of, text, whole
from tests.helpers.hostile_json import damaged, variants

SHAPE = record(
    {"count": whole(0, 9), "share": real(0, 1), "name": text(pattern="[a-z]+")},
    {"rows": list_of(whole(0, 9), most=3), "by": table_of(real()), "none": maybe(whole(0, 9))},
)
VALUE = {"count": 1, "share": 0.5, "name": "a", "rows": [1], "by": {"x": 1.0}, "none": 1}


@pytest.mark.parametrize(
    "value, words",
    [
        ({**VALUE, "count": -1}, "count is -1; it must be a whole number from 0 to 9"),
        ({**VALUE, "count": True}, "count is True"),
        ({**VALUE, "count": 10**30}, "count is a number of too many digits"),
        ({**VALUE, "share": 1.5}, "share is 1.5; it must be a finite number from 0 to 1"),
        ({**VALUE, "name": "A"}, "name is 'A'"),
        ({**VALUE, "name": "\x1b[2J"}, r"name is '\x1b[2J'"),
        ({**VALUE, "rows": [1] * 4}, "rows is a list of 4; it must be a list of 0 to 3 entries"),
        ({**VALUE, "rows": [1, "b"]}, r"rows[1] is 'b'"),
        ({**VALUE, "by": {"a b": None}}, "by['a b'] is None"),
        ({"count": 1}, "it has no share, name"),
        ([1], "it is a list of 1; it must be an object"),
    ],
)
def test_the_field_is_named_with_what_it_must_be(tmp_path, value, words):
    (tmp_path / "a.json").write_text(json.dumps(value))
    with pytest.raises(ValueError) as caught:
        read_json(tmp_path / "a.json", SHAPE, remedy="do this")
    message = str(caught.value)
    assert words in message and message.startswith(f"{tmp_path / 'a.json'} is damaged (")
    assert message.endswith("); do this") and message.isprintable()


def test_every_other_file_is_the_value_or_an_error_that_names_it(tmp_path):
    path = tmp_path / "a.json"
    for what, data in variants(VALUE):
        path.write_bytes(data)
        for read in (read_json, read_json_lines):
            try:
                read(path, SHAPE)
            except ValueError as error:
                assert str(path) in str(error) and "\n" not in str(error), what


def test_kinds_of_damage_are_distinguished(tmp_path):
    words = {"not UTF-8": "is not UTF-8", "nested": "nested too deeply", "a name twice": "twice"}
    words |= {"many digits": "a number of 5,000 digits", "not a number": "NaN"}
    for what, data in damaged(b'{"count": 1}'):
        (tmp_path / "a").write_bytes(data)
        if what in words:
            with pytest.raises(ValueError, match=words[what]):
                read_json(tmp_path / "a")


def test_a_byte_order_mark_and_a_torn_last_line_are_ignored(tmp_path):
    (tmp_path / "a").write_bytes(b'\xef\xbb\xbf{"a": 1}\n{"a": 2}\n{"a":')
    assert read_json_lines(tmp_path / "a") == [{"a": 1}, {"a": 2}]


def test_the_line_is_named(tmp_path):
    (tmp_path / "a").write_bytes(b'{"a": 1}\n{"a": \x9a}\n{"a": 1}\n')
    with pytest.raises(ValueError, match=r"a, line 2 is damaged \(byte 6 is not UTF-8\)"):
        read_json_lines(tmp_path / "a")


def test_what_is_not_a_file_or_is_too_large_is_not_read(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        read_json(tmp_path)
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(10 * 2**30)
    with pytest.raises(ValueError, match="10,737,418,240 bytes"):
        read_json(tmp_path / "huge")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ValueError, match="is a pipe"):
            read_json(tmp_path / "pipe")
