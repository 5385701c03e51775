"""Texts on their way to a terminal or a log, such as those that came from a file or another machine."""

from typing import List, Sequence

#: Characters without a width that some scripts and emoji need between two others.
JOINERS = "\u200c\u200d"
#: Characters that look like nothing, although Unicode counts them among letters and symbols.
BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U0001d159\U00013441\U00013442\U00016fe4")


def printable(text: object, keep: str = "") -> str:
    r"""Return a text in which nothing moves the cursor, changes colours or direction, or cannot be seen.

    What could (control characters, escape sequences, line ends, overrides of direction, lone surrogates, blank letters) is
    written as in Python's source, such as ``\x1b``; letters of every script, emoji and their joiners stay. A text without such
    characters is returned as it is.

    Args:
        text: Any text, or what `str` makes one of, such as a path.
        keep: Characters to leave although they would be escaped, such as "\t" between columns.

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
    """Return the first line of an error's text that says something; the error's class where none does."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def columns(table: Sequence[Sequence[str]]) -> List[str]:
    """Return a table's lines, its columns aligned, a rule below the first."""
    widths = [max(len(line[place]) for line in table) for place in range(len(table[0]))]
    made = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in table]
    return [made[0], "-" * max(map(len, made))] + made[1:]
