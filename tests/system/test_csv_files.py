"""The reader of CSV files: columns by name, and errors that name file and line."""

import pytest

from pclhd_jax.system.csv_files import read_csv


@pytest.fixture
def table(tmp_path):
    def write(text):
        (tmp_path / "t.csv").write_bytes(text.encode() if isinstance(text, str) else text)
        return tmp_path / "t.csv"

    return write


def rows(path):
    return list(read_csv(path, ("path", "identity"), ("camera",)))


def test_rows_have_the_number_of_their_first_line(table):
    path = table('\ufeffpath, identity\r\n"a\n,b.jpg", 1 \r\n\r\n,\n c.jpg,2')
    assert rows(path) == [
        (2, {"path": "a\n,b.jpg", "identity": "1"}),
        (6, {"path": "c.jpg", "identity": "2"}),
    ]
    assert rows(table("path,identity,camera\na,1,\n")) == [
        (2, {"path": "a", "identity": "1", "camera": ""})
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"t\.csv, line 1: the header is ''; it must be 'path,identity,camera', where camera"),
        ("identity,path\n", "line 1: the header is 'identity,path'"),
        ("path,identity,camera,camera\n", "line 1: the header is"),
        ("path,identity\na,1\nb\n", "line 3 has 1 fields, the header has 2; write path,identity"),
        ('path,identity\na,1\n"b,1\nc,2\n', "line 3: unexpected end of data; look for a quote"),
        ('"path,identity\na,1\n', "line 1: unexpected end of data; look for a quote"),
        ('path,identity\n"a"b,1\n', "line 2: .*expected after"),
        ('path,identity\n"' + "x" * 200_000, "line 2: field larger than field limit"),
        ('"path,identity\n' + "a,1\n" * 40_000, "line 1: field larger than field limit"),
        ("path,identity\na,1\nb\0,2\n", "line 3: zero bytes"),
        (b"path,identity\na,1\n\xff,2\n", "line 3: byte 0xff"),
    ],
)
def test_a_malformed_table_is_refused_with_file_and_line(table, text, message):
    with pytest.raises(ValueError, match=rf"t\.csv.*{message}" if text else message):
        rows(table(text))
