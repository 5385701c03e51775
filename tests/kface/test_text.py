"""What comes from a file does nothing to a terminal."""

import pytest

from kface.text import columns, first_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Kim", "Kim"),
        ("김 철수", "김 철수"),
        ("علی\u200cرضا", "علی\u200cرضا"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("a\x1b[31mb\r\n", "a\\x1b[31mb\\x0d\\x0a"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u202eb", "a\\u202eb"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\u3164", "\\u3164"),
    ],
)
def test_a_text_is_shown_or_escaped(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown


def test_what_is_to_stay_stays():
    assert printable("a\tb\n", keep="\t") == "a\tb\\x0a"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("\n  no such node \n at 0x1"), "no such node"),
        (ValueError(" \n"), "ValueError"),
        (KeyError("a"), "'a'"),
        (OSError(), "OSError"),
    ],
)
def test_the_first_line_of_an_error_that_says_something(error, line):
    assert first_line(error) == line


def test_columns_are_as_wide_as_their_widest_cell():
    assert columns([("a", "b"), ("one", "two"), ("", "x")]) == ["a    b", "--------", "one  two", "     x"]
