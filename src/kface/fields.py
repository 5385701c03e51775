"""Reads typed fields of a document or of settings, and names the one that is wrong."""

import difflib
import json
import math
import re
import unicodedata
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple, TypeVar

from kface.errors import ConfigError, KFaceError, ModelError, join_errors
from kface.strict_json import decode

__all__ = ["Fields", "Settings", "decode"]

Value = TypeVar("Value")

#: Whole numbers above this are not exact in every language.
MOST = 1 << 53
#: Magnitude of a whole number that counts as a number where no limits are given.
LONGEST_WHOLE = 1 << 64


class Fields(object):
    """An object of a JSON document, read field by field; every reader raises ModelError where the field has another type.

    Args:
        value: The object.
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

    def _error(self, place: str, wanted: str, value: Any) -> KFaceError:
        shown = json.dumps(value, ensure_ascii=True)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        return ModelError("{} must be {}, not {}".format(place, wanted, shown), self.path, self._remedy)

    def _place(self, key: str) -> str:
        return "{}.{}".format(self._name, key) if self._name else key

    def error(self, key: str, wanted: str) -> KFaceError:
        """Return the error of a field that is not what is wanted."""
        return self._error(self._place(key), wanted, self._value.get(key))

    def value(self, key: str) -> Any:
        """Return a field as it is."""
        if key not in self._value:
            raise ModelError("has no field {}".format(self._place(key)), self.path, self._remedy)
        self._read.add(key)
        return self._value[key]

    def text(self, key: str, choices: Sequence[str] = (), pattern: str = "") -> str:
        """Return a text that is not empty, and one of some choices or of a regular expression's form."""
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
        """Return a fixed number of finite numbers."""
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
        """Return an object without checking its fields."""
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
        """Raise ModelError where a field was not read: its meaning is unknown."""
        unknown = sorted(set(self._value) - self._read)
        if unknown:
            raise ModelError("has an unknown field {}".format(self._place(unknown[0])), self.path, self._remedy)


class Settings(Fields):
    """A section of settings with their defaults; every reader raises a ConfigError that names the setting.

    Args:
        values: The section; None for an empty one.
        name: The section's name, the prefix of its settings' names; empty for settings outside sections.
        defaults: The default of every known setting.
        path: The file, for errors; None for settings that come from a command line.

    Attributes:
        values: The settings that are given.
        given: Those of them that are not null.

    Raises:
        ConfigError: It is not a section, or has unknown settings.
    """

    def __init__(self, values: Any, name: str, defaults: Mapping[str, Any], path: Any = None) -> None:
        values = {} if values is None else values
        if not isinstance(values, Mapping):
            # Not the value: a URI in the wrong place may contain a password.
            wanted = "must have settings of its own, not a {}".format(type(values).__name__)
            raise _refusal(wanted, name, path, "such as {}.{}".format(name, next(iter(defaults))))
        unknown = []
        for key in values:
            if key not in defaults:
                near = difflib.get_close_matches(str(key), list(defaults), n=1) or list(defaults)
                place = "{}.{}".format(name, key) if name else str(key)
                unknown.append(_refusal("unknown setting", place, path, "choose: " + ", ".join(near)))
        if unknown:
            raise join_errors(unknown)
        self.values: Dict[str, Any] = dict(values)
        self.given: Dict[str, Any] = {key: value for key, value in values.items() if value is not None}
        super(Settings, self).__init__(dict(defaults, **values), path, name)

    def _error(self, place: str, wanted: str, value: Any) -> KFaceError:
        shown = repr(value)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        return _refusal("must be {}, not {}".format(wanted, shown), place, self.path, self._remedy)

    def whole(self, key: str, least: int = 0, most: int = MOST) -> int:
        """Return a whole number within limits."""
        value = self.value(key)
        if type(value) is not int or not least <= value <= most:
            limits = "of at least {}".format(least) if most == MOST else "from {} to {}".format(least, most)
            raise self.error(key, "a whole number " + limits)
        return value

    def name(self, key: str) -> Optional[str]:
        """Return any text, such as a path; None for null and for an empty one. No error shows it."""
        value = self.value(key)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or "\0" in value:
            raise _refusal("must be a text", self._place(key), self.path, self._remedy)
        return value

    def section(self, key: str, defaults: Mapping[str, Any]) -> "Settings":
        """Return a section of these settings to read on."""
        return Settings(self.value(key), self._place(key), defaults, self.path)


def _refusal(wrong: str, place: str, path: Any, remedy: Optional[str]) -> ConfigError:
    if path is None:
        return ConfigError(wrong, place, remedy)
    return ConfigError("{}: {}".format(place, wrong), path, remedy)


def _is_finite(value: Any) -> bool:
    # A bool is an int to Python; a float of a very long int is an error.
    return math.isfinite(value) if type(value) is float else type(value) is int and abs(value) <= LONGEST_WHOLE


def _is_line(text: str) -> bool:
    """Whether a text has no control characters, which would reach the terminal, and no line breaks."""
    return all(unicodedata.category(sign) not in ("Cc", "Zl", "Zp") for sign in text)
