"""What comes from a file does nothing to a terminal."""

import pytest

from kface.text import printable


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
