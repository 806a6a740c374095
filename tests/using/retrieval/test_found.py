"""What was found, as rows, words and CSV: hostile and long names, unknown people, re-ranking."""

import csv

import numpy as np
import pytest

from pclhd_jax.data.lists import Pictures
from pclhd_jax.system.text import csv_text, terminal_columns
from pclhd_jax.using.retrieval.found import Found
from pclhd_jax.using.retrieval.found_table import write_found

NAMES = ("=1+1.jpg", "\u202egpj.jpg", "人物/" + "x" * 80 + ".jpg", "a.jpg")


def found(identities=(-1, -1, -1, -1), distances=None):
    pictures = Pictures("root", NAMES, np.array(identities), np.full(4, -1))
    indices_QK = np.array([[0, 1, 2, 3]] * 4, np.int32)
    return Found(pictures, pictures, indices_QK, np.full((4, 4), 0.5), distances)


def test_names_are_printable_and_short_and_the_columns_stand_below_each_other():
    header, rule, *rows, rest = found().text(3).splitlines()
    assert rest == "and 1 more queries" and len(rows) == 9  # the best three of three
    assert not any("\u202e" in row for row in rows) and any("\\u202egpj" in row for row in rows)
    column = terminal_columns(header[: header.index("found")])
    for row in rows:
        assert row.isprintable() and terminal_columns(row) <= len(rule) <= 80
        before = row[: row.index("0.500") + 5]
        assert terminal_columns(before) + 2 == column
    assert "person" not in header


def test_an_unknown_person_has_no_verdict():
    lines = found(identities=(1, 2, -1, 1)).text(1).splitlines()
    assert lines[0].endswith("person")
    assert [line.split()[-1] for line in lines[2:4]] == ["same", "other"]
    assert not lines[4].endswith(("same", "other"))


def test_re_ranked_lines_have_their_distance_and_no_query_no_line():
    lines = found(distances=np.full((4, 4), 0.25)).text(1).splitlines()
    assert "distance" in lines[0] and "0.250" in lines[2]
    assert found().text(0).splitlines() == []


def test_the_rows_are_records_with_who_was_found_and_none_for_nobody_knows():
    rows = list(found(identities=(1, 2, -1, 1)).rows())
    assert [row.rank for row in rows] == [1, 2, 3, 4] * 4
    assert [row.same for row in rows[:4]] == [True, False, None, True]
    assert [row.same for row in rows[8:12]] == [None] * 4  # the query is of nobody known
    assert rows[1] == (NAMES[0], 2, NAMES[1], 0.5, None, 1, 2)
    assert next(found(distances=np.full((4, 4), 0.25)).rows()).distance == 0.25


@pytest.mark.parametrize("place", [0, 1])
def test_a_name_is_no_formula_in_the_table_and_comes_back(tmp_path, place):
    write_found(tmp_path / "found.csv", found())
    assert (tmp_path / "found.csv").stat().st_mode & 0o077 == 0  # it tells who was found
    with (tmp_path / "found.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    cell = rows[0][2 * place]
    assert cell == "'=1+1.jpg" and csv_text(cell) == NAMES[0]
    assert [csv_text(row[2]) for row in rows[:4]] == list(NAMES)


def test_who_was_found_is_its_owners_to_read(tmp_path, monkeypatch):
    monkeypatch.delenv("PCLHD_GROUP_READABLE", raising=False)
    write_found(tmp_path / "found.csv", found())
    assert (tmp_path / "found.csv").stat().st_mode & 0o777 == 0o600
