"""Texts to and from a terminal whose encoding may lack Hangul (LANG=C on a board)."""

import os
import sys
from typing import Any

from kface.errors import ConfigError


def say(line: str, stream: Any = None) -> None:
    """Print a line; signs that the stream's encoding lacks are escaped."""
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
