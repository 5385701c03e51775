"""The program's own lines (why a stream is lost, what was refused) in the window's language.

The log has them in English, and the page has a table of them in Korean; that one is read here as well.
"""

import os
import re
from typing import List, Pattern, Tuple

import deploy.web
from deploy.app import texts

#: The page's table: ``[/pattern/, "Korean with $1"],``.
FILE = os.path.join(os.path.dirname(os.path.abspath(deploy.web.__file__)), "page", "reasons.js")
_ENTRY = re.compile(r'\[/((?:\\.|[^/\\])+)/, "((?:\\.|[^"\\])*)"\]')
_TABLE: List[Tuple[Pattern[str], str]] = []


def table() -> List[Tuple[Pattern[str], str]]:
    """Return what is replaced by what, in order; the groups are numbered as :mod:`re` has them."""
    if not _TABLE:
        with open(FILE, encoding="utf-8") as file:
            for pattern, korean in _ENTRY.findall(file.read()):
                _TABLE.append((re.compile(pattern.replace("\\/", "/")), re.sub(r"\$(\d)", r"\\\1", korean)))
    return _TABLE


def reason(line: str) -> str:
    """Return a line of the program in the window's language; what is not known stays as it is."""
    if texts.spoken() != "ko":
        return line
    for pattern, korean in table():
        line = pattern.sub(korean, line, count=1)
    return line
