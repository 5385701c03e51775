"""Troubleshooting entries are headed by the very words that the programs print."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Printed by others: CUDA's and NVIDIA's libraries.
FOREIGN = {"CUDA error", "no such device", "Failed to create CaptureSession"}


def _pattern(text):
    """Replace values, whether of a message (1, ...) or of its source ({:g}), by a mark."""
    return re.sub(r"\{[^}]*\}|\.\.\.|-?\d+", "{}", text)


@pytest.fixture(scope="module")
def messages():
    """All string literals of the source, values replaced."""
    found = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [
            each.value for each in ast.walk(tree) if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
    return "\n".join(map(_pattern, found))


def _headings(name):
    section = (ROOT / "docs" / name).read_text(encoding="utf-8").partition("Troubleshooting\n")[2].partition("\n## ")[0]
    return re.findall(r"^\*\*(.+?)\*\*", section, re.MULTILINE)


@pytest.mark.parametrize("name", ["realtime.md", "jetson.md"])
def test_each_message_that_a_troubleshooting_entry_quotes_is_printed(name, messages):
    headings = _headings(name)
    assert len(headings) > 10
    quoted = [quote for heading in headings for quote in re.findall(r"`([^`]+)`", heading) if quote not in FOREIGN]
    assert len(quoted) > 5
    assert [quote for quote in quoted if _pattern(quote) not in messages] == []


def test_a_message_that_nothing_prints_would_be_found(messages):
    assert _pattern("no frame for 3 s") in messages
    assert _pattern("no frame for 3 hours") not in messages
