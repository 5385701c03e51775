"""Reads JSON from untrusted files, and refuses what readers in other languages refuse or fail on."""

import json
import math
from typing import Any, Dict, List, Tuple

#: Maximum nesting of objects and lists; ours are six deep.
DEPTH = 64
#: Maximum digits of a whole number: 2^64 has twenty.
DIGITS = 20


def decode(data: bytes, surrogates: bool = False) -> Any:
    """Return the value that JSON represents.

    Args:
        data: The file's bytes.
        surrogates: Whether lone surrogates are accepted: they stand for file names that are not UTF-8.

    Raises:
        ValueError: It is not JSON, or contains NaN, an infinity, a number beyond double precision or of more than
            :data:`DIGITS` digits, a key twice, a lone surrogate, or more than :data:`DEPTH` levels.
    """
    try:
        value = json.loads(
            data.decode("utf-8"),
            parse_constant=_refuse,
            parse_int=_whole,
            parse_float=_number,
            object_pairs_hook=_object,
        )
    except RecursionError:
        raise ValueError("nested too deeply")
    _check(value, surrogates)
    return value


def _refuse(constant: str) -> None:
    raise ValueError("{} is not JSON".format(constant))


def _whole(text: str) -> int:
    # Python would take minutes for a million digits, and no size of an array or file has as many.
    if len(text.lstrip("-")) > DIGITS:
        raise ValueError("a whole number of {} digits".format(len(text.lstrip("-"))))
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number beyond double precision")
    return value


def _object(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError("the key {} occurs twice".format(json.dumps(key)[:60]))
            seen.add(key)
    return found


def _check(value: Any, surrogates: bool) -> None:
    """Check all values, without recursion; raises ValueError."""
    level: List[Any] = [[value]]
    for _ in range(DEPTH + 1):
        following: List[Any] = []
        for part in level:
            for inner in list(part) + list(part.values()) if isinstance(part, dict) else part:
                if isinstance(inner, (dict, list)):
                    following.append(inner)
                elif isinstance(inner, str) and not surrogates:
                    # A lone surrogate is not a character: it can be neither written nor printed.
                    inner.encode("utf-8")
        if not following:
            return
        level = following
    raise ValueError("nested too deeply")
