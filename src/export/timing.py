"""Side-by-side timing: the candidates take turns on the same input, so that whatever else the machine does hits all of them."""

import statistics
import time
from collections.abc import Callable
from typing import Any


def interleaved(
    candidates: dict[str, Callable[[], Any]], least_rounds: int = 5, seconds: float = 4.0
) -> dict[str, float]:
    """Return the median milliseconds of each candidate.

    Args:
        candidates: By name; each is called once beforehand, unmeasured.
        least_rounds: Rounds in any case.
        seconds: More rounds follow until this much time is spent.
    """
    for call in candidates.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in candidates}
    began = time.perf_counter()
    while len(next(iter(times.values()))) < least_rounds or time.perf_counter() - began < seconds:
        for name, call in candidates.items():
            start = time.perf_counter()
            call()
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}
