"""Checks of single settings; every message names the setting by its key."""

import math
from typing import Any, Optional

from kface.errors import ConfigError


def whole(key: str, value: Any, least: int, most: Optional[int] = None, remedy: Optional[str] = None) -> int:
    """Return a whole number; raises ConfigError where it is not one or out of its range."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        limits = "of at least {}".format(least) if most is None else "from {} to {}".format(least, most)
        raise ConfigError("must be a whole number {}, not {!r}".format(limits, value), key, remedy)
    return value


def number(
    key: str,
    value: Any,
    least: float = -math.inf,
    most: float = math.inf,
    open_below: bool = False,
    open_above: bool = False,
    remedy: Optional[str] = None,
) -> float:
    """Return a finite number within limits; raises ConfigError.

    Args:
        key: The setting, for the error.
        value: What it was set to.
        least: The smallest, or what it must be above where `open_below`.
        most: The largest, or what it must be below where `open_above`.
        open_below: Whether `least` itself is out of the range.
        open_above: Whether `most` itself is out of the range.
        remedy: What to do about it.
    """
    right = isinstance(value, (int, float)) and not isinstance(value, bool)
    try:
        right = right and math.isfinite(value)
    except OverflowError:
        right = False
    if not right or not least <= value <= most or (open_below and value == least) or (open_above and value == most):
        bounds = []
        if not math.isinf(least):
            bounds.append("{} {:g}".format("above" if open_below else "at least", least))
        if not math.isinf(most):
            bounds.append("{} {:g}".format("below" if open_above else "at most", most))
        limits = "".join(", " + bound for bound in bounds)
        raise ConfigError("must be a number{}, not {!r}".format(limits, value), key, remedy)
    return float(value)


def flag(key: str, value: Any) -> bool:
    """Return true or false; raises ConfigError where it is something else."""
    if not isinstance(value, bool):
        raise ConfigError("must be true or false, not {!r}".format(value), key)
    return value


def text(key: str, value: Any) -> str:
    """Return a text that is not empty; raises ConfigError."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigError("must be a text, not {!r}".format(value), key)
    return value
