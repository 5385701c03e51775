"""Checks of single settings; every error names the setting by its key."""

import contextlib
import math
import threading
from typing import Any, Iterator, List, Optional

from kface.errors import ConfigError, KFaceError, join_errors

_collected = threading.local()


@contextlib.contextmanager
def all_errors() -> Iterator[None]:
    """Report all wrong settings at once: inside, checks note an error and go on; at the end it is raised with the others.

    An exception of another kind counts as a consequence where a wrong setting was noted before. Of two that are nested, the
    outer one raises.

    Raises:
        ConfigError: A setting is wrong; :class:`kface.errors.WrongSettingsError` where several are.
    """
    if getattr(_collected, "errors", None) is not None:
        yield
        return
    errors: List[KFaceError] = []
    _collected.errors = errors
    try:
        yield
    except KFaceError as error:
        errors.append(error)
    except Exception:
        if not errors:
            raise
    finally:
        _collected.errors = None
    if errors:
        # The first error of a setting; what follows from it may contradict the setting once more.
        raise join_errors(list({error.where: error for error in reversed(errors)}.values())[::-1])


def refuse(error: ConfigError, value: Any = None) -> Any:
    """Raise an error; inside :func:`all_errors` note it, and return the value as it was given."""
    errors = getattr(_collected, "errors", None)
    if errors is None:
        raise error
    errors.append(error)
    return value


def whole(key: str, value: object, least: int, most: Optional[int] = None, remedy: Optional[str] = None) -> int:
    """Return a whole number; raises ConfigError where it is not one or out of its range."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        limits = "of at least {}".format(least) if most is None else "from {} to {}".format(least, most)
        return refuse(ConfigError("must be a whole number {}, not {!r}".format(limits, value), key, remedy), value)
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
        return refuse(ConfigError("must be a number{}, not {!r}".format(limits, value), key, remedy), value)
    return float(value)


def flag(key: str, value: object) -> bool:
    """Return true or false; raises ConfigError where it is something else."""
    if not isinstance(value, bool):
        return refuse(ConfigError("must be true or false, not {!r}".format(value), key), value)
    return value


def text(key: str, value: object) -> str:
    """Return a text that is not empty; raises ConfigError."""
    if not isinstance(value, str) or not value.strip():
        return refuse(ConfigError("must be a text, not {!r}".format(value), key), value)
    return value
