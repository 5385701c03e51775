"""Reads the JSON files of runs, which may have been damaged or edited."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from kface.errors import ModelError, TrainingError
from kface.fields import Fields
from kface.files import read_regular
from kface.strict_json import decode

Value = TypeVar("Value")

#: Maximum size in bytes; a report has some 10 kB.
LARGEST = 64 << 20


def read_json(path: Path, remedy: str, absent: str | None = None) -> dict[str, Any]:
    """Return the object in a JSON file.

    Its numbers fit a float, its texts can be printed, and its nesting is shallow.

    Args:
        path: The file.
        remedy: What to do where it is damaged.
        absent: What to do where it is missing or cannot be read; by default the same.

    Raises:
        TrainingError: It is missing, is not a regular file, or does not contain a JSON object.
    """
    try:
        data = read_regular(path, LARGEST)
    except OSError as error:
        raise TrainingError(f"cannot be read ({error.strerror or error})", path, absent or remedy)
    try:
        value = decode(data)
    except ValueError as error:
        raise TrainingError(f"is damaged: {_reason(error)}", path, remedy)
    if not isinstance(value, dict):
        raise TrainingError("is damaged: it is not an object", path, remedy)
    return value


def parse(read: Callable[[Fields], Value], value: dict[str, Any], path: Path, remedy: str) -> Value:
    """Read the fields of an object with a function that takes it as :class:`~kface.fields.Fields`.

    Raises:
        TrainingError: A field is missing or of another type; the message names it.
    """
    try:
        return read(Fields(value, path))
    except ModelError as error:
        raise TrainingError(f"is damaged, or not of this schema version: {error.what}", path, remedy)


def check_schema(value: dict[str, Any], schema: int, path: Path, remedy: str) -> None:
    """Compare an object's schema version; raises TrainingError."""
    found = value.get("schema")
    if found is None or isinstance(found, (dict, list)):
        raise TrainingError("is damaged: it has no schema version", path, remedy)
    if type(found) is not int or found != schema:
        raise TrainingError(f"has schema version {found} instead of {schema}", path, remedy)


def _reason(error: ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, UnicodeEncodeError):
        return "contains text that is not Unicode"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON, line {error.lineno}"
    return str(error)
