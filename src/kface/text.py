"""Makes untrusted texts, such as those from files and other machines, fit for a terminal or a log."""

from typing import List, Sequence

#: Zero-width characters that some scripts and emoji need between two others.
JOINERS = "\u200c\u200d"
#: Characters that are invisible, although Unicode classifies them as letters and symbols.
BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U0001d159\U00013441\U00013442\U00016fe4")


def printable(text: object, keep: str = "") -> str:
    r"""Return a text in which nothing moves the cursor, changes colours or direction, or is invisible.

    Such characters (control characters, escape sequences, line ends, overrides of direction, lone surrogates, blank letters)
    are written as in Python source, such as ``\x1b``; letters of every script, emoji and their joiners stay. A text without
    such characters is returned unchanged.

    Args:
        text: A text, or an object that `str` converts, such as a path.
        keep: Characters to leave unescaped, such as "\t" between columns.

    Example:
        >>> printable("Kim\x1b[2J")
        'Kim\\x1b[2J'
    """
    text = str(text)
    if text.isprintable() and not any(character in BLANKS for character in text):
        return text
    return "".join(
        character if character in keep or character in JOINERS or _is_seen(character) else _escaped(character)
        for character in text
    )


def _is_seen(character: str) -> bool:
    return character.isprintable() and character not in BLANKS


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return "\\x{:02x}".format(code)
    return "\\u{:04x}".format(code) if code < 0x10000 else "\\U{:08x}".format(code)


def first_line(error: object) -> str:
    """Return the first line of an error's text that is not blank; the name of its class where all are."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def columns(table: Sequence[Sequence[str]]) -> List[str]:
    """Return a table's lines, with aligned columns and a rule below the first line."""
    widths = [max(len(line[place]) for line in table) for place in range(len(table[0]))]
    made = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in table]
    return [made[0], "-" * max(map(len, made))] + made[1:]
