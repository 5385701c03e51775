"""Texts to and from a terminal whose encoding may lack Hangul (LANG=C on a board)."""

import os
import sys
from typing import Optional, TextIO

from kface.errors import ConfigError
from kface.redaction import redact
from kface.text import printable


def print_line(line: str, stream: Optional[TextIO] = None, secret: bool = False) -> None:
    """Print a line; what the stream's encoding lacks, or a terminal would obey, is escaped.

    Args:
        line: What is secret in it by its form is not printed.
        stream: Standard output where None.
        secret: The line is for a user at a terminal, who is to read the secret in it.
    """
    line = printable(line if secret else redact(line), keep="\t\n")
    stream = sys.stdout if stream is None else stream
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def typed_name(argument: str) -> str:
    """Return a name as it was typed: Python 3.6 reads arguments as ASCII under LANG=C.

    Raises:
        ConfigError: It is not UTF-8.
    """
    try:
        return os.fsencode(argument).decode("utf-8")
    except UnicodeError:
        raise ConfigError("is not UTF-8", ascii(argument), "type the name in UTF-8")
