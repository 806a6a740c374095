from pclhd_jax.system.text import csv_cell, csv_text, printable, shortened, terminal_columns


def test_control_and_reordering_marks_become_visible():
    assert printable("a\x1b]0;x\x07b") == "a\\x1b]0;x\\x07b"
    assert printable("\u202egpj.exe") == "\\u202egpj.exe"
    assert printable("\udcff.jpg") == "\\udcff.jpg"
    assert printable("two\nlines\tand grün 日本") == "two\nlines\tand grün 日本"
    assert printable("one\nline", keep="") == "one\\nline"


def test_a_cell_is_no_formula_and_comes_back():
    for text in ("=1+1", "+x", "-x", "@x", "\tx", "'=x", "plain", "it's", ""):
        cell = csv_cell(text)
        assert not str(cell).startswith(("=", "+", "-", "@", "\t", "\r"))
        assert csv_text(cell) == text
    assert csv_cell(-0.5) == -0.5


def test_a_long_text_keeps_its_two_ends():
    assert shortened("0123456789", 10) == "0123456789"
    assert shortened("0123456789x", 10) == "012...789x"
    assert shortened("0123456789x", 3) == "..."
    assert terminal_columns("人a") == 3 and terminal_columns("e\u0301") == 1
    assert terminal_columns(shortened("人物一二三四五六七.jpg", 12)) <= 12
    assert shortened("x" * 100_000, 9) == "xxx...xxx"
