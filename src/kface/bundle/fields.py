"""Reads typed fields out of a JSON document, and names the one that is wrong."""

import json
import math
import re
import unicodedata
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple, TypeVar

from kface.errors import ModelError
from kface.strict_json import decode

__all__ = ["Fields", "decode"]

Value = TypeVar("Value")

#: Whole numbers above this are not the same in every language.
MOST = 1 << 53
#: What is a number at all, where no limits are given.
LONGEST_WHOLE = 1 << 64


class Fields(object):
    """An object of a JSON document, read field by field; every reader raises ModelError where the field is not that.

    Args:
        value: What should be an object.
        path: The document's file, for errors.
        name: The object's place in the document, with dots.
        remedy: What to do about an error.

    Attributes:
        path: As given.
    """

    def __init__(self, value: Any, path: Any, name: str = "", remedy: Optional[str] = None) -> None:
        self.path = path
        self._name = name
        self._remedy = remedy
        self._value: Dict[str, Any] = {}
        self._read: Set[str] = set()
        if not isinstance(value, dict):
            raise self._error(name or "the document", "an object", value)
        self._value = value

    def _error(self, place: str, wanted: str, value: Any) -> ModelError:
        shown = json.dumps(value, ensure_ascii=True)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        return ModelError("{} must be {}, not {}".format(place, wanted, shown), self.path, self._remedy)

    def _place(self, key: str) -> str:
        return "{}.{}".format(self._name, key) if self._name else key

    def error(self, key: str, wanted: str) -> ModelError:
        """Return the error of a field that is not what is wanted."""
        return self._error(self._place(key), wanted, self._value.get(key))

    def value(self, key: str) -> Any:
        """Return a field as it is."""
        if key not in self._value:
            raise ModelError("has no field {}".format(self._place(key)), self.path, self._remedy)
        self._read.add(key)
        return self._value[key]

    def text(self, key: str, choices: Sequence[str] = (), pattern: str = "") -> str:
        """Return a text that is not empty, one of some choices, or of a regular expression's form."""
        value = self.value(key)
        if choices and value not in choices:
            raise self.error(key, "one of {}".format(", ".join(choices)))
        if not isinstance(value, str) or not value.strip() or not _is_line(value):
            raise self.error(key, "a text")
        if pattern and not re.match(pattern + r"\Z", value):
            raise self.error(key, "of the form {}".format(pattern))
        return value

    def whole(self, key: str, least: int = 0, most: int = MOST) -> int:
        """Return a whole number within limits."""
        value = self.value(key)
        # A bool is an int to Python, not to JSON.
        if type(value) is not int or value < least:
            raise self.error(key, "a whole number of at least {}".format(least))
        if value > most:
            raise self.error(key, "a whole number of at most {}".format(most))
        return value

    def number(self, key: str, least: float = -math.inf, most: float = math.inf) -> float:
        """Return a finite number within limits."""
        value = self.value(key)
        if not _is_finite(value) or not least <= value <= most:
            bounds = "" if math.isinf(least) and math.isinf(most) else " from {:g} to {:g}".format(least, most)
            raise self.error(key, "a number" + bounds)
        return float(value)

    def flag(self, key: str) -> bool:
        """Return true or false."""
        value = self.value(key)
        if not isinstance(value, bool):
            raise self.error(key, "true or false")
        return value

    def optional(self, key: str, read: Callable[..., Value], *arguments: Any) -> Optional[Value]:
        """Return what another reader of this object returns, or None for null."""
        return None if self.value(key) is None else read(key, *arguments)

    def numbers(self, key: str, count: int) -> Tuple[float, ...]:
        """Return so many finite numbers."""
        value = self.value(key)
        if not isinstance(value, list) or len(value) != count or not all(_is_finite(part) for part in value):
            raise self.error(key, "{} numbers".format(count))
        return tuple(float(part) for part in value)

    def texts(self, key: str) -> Tuple[str, ...]:
        """Return texts, none of them empty."""
        value = self.value(key)
        if not isinstance(value, list) or not all(isinstance(part, str) and part and _is_line(part) for part in value):
            raise self.error(key, "a list of texts")
        return tuple(value)

    def json(self, key: str) -> Dict[str, Any]:
        """Return an object whose fields are nobody's business here."""
        value = self.value(key)
        if not isinstance(value, dict):
            raise self.error(key, "an object")
        return value

    def object(self, key: str) -> "Fields":
        """Return an object to read on."""
        return Fields(self.value(key), self.path, self._place(key), self._remedy)

    def objects(self, key: str) -> "List[Fields]":
        """Return a list of objects to read on."""
        value = self.value(key)
        if not isinstance(value, list):
            raise self.error(key, "a list")
        return [
            Fields(part, self.path, "{}[{}]".format(self._place(key), number), self._remedy)
            for number, part in enumerate(value)
        ]

    def named(self, key: str) -> "Dict[str, Fields]":
        """Return an object's fields, each of them an object to read on."""
        inner = self.object(key)
        return {name: inner.object(name) for name in self.json(key)}

    def close(self) -> None:
        """Raise ModelError where a field was not read: nobody knows what it would change."""
        unknown = sorted(set(self._value) - self._read)
        if unknown:
            raise ModelError("has an unknown field {}".format(self._place(unknown[0])), self.path, self._remedy)


def _is_finite(value: Any) -> bool:
    # A bool is an int to Python; a float of a very long int is an error.
    return math.isfinite(value) if type(value) is float else type(value) is int and abs(value) <= LONGEST_WHOLE


def _is_line(text: str) -> bool:
    """Whether a text has no control characters, which would reach the terminal, and no line breaks."""
    return all(unicodedata.category(sign) not in ("Cc", "Zl", "Zp") for sign in text)
