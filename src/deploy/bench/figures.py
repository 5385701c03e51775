"""Figures: medians of interleaved repetitions, so that whatever else the machine does hits all candidates alike."""

import time
from typing import Any, Callable, Dict, Hashable, List, Mapping, NamedTuple, Sequence, TypeVar

import numpy as np

Key = TypeVar("Key", bound=Hashable)


class Figure(NamedTuple):
    """Measured values.

    Attributes:
        n: How many there are.
        median: Half of them are at most this.
        p95: 95 % of them are at most this.
    """

    n: int
    median: float
    p95: float

    def as_dict(self) -> Dict[str, Any]:
        """Return it for the report."""
        return {"n": self.n, "median": round(self.median, 4), "p95": round(self.p95, 4)}


def figure(values: Sequence[float]) -> Figure:
    """Return what values amount to; raises ValueError where there is none."""
    if not len(values):
        raise ValueError("there is nothing to take a median of")
    return Figure(len(values), float(np.median(values)), float(np.percentile(values, 95)))


def interleaved(
    candidates: Mapping[Key, Callable[[], Any]],
    rounds: int,
    seconds: float = 0.0,
    clock: Callable[[], float] = time.perf_counter,
) -> Dict[Key, List[float]]:
    """Return the milliseconds of each candidate's calls: A B C, A B C, and so on.

    Args:
        candidates: By name; each is called once beforehand, unmeasured.
        rounds: Rounds in any case.
        seconds: More rounds follow until this much time is spent.
        clock: In seconds.
    """
    for call in candidates.values():
        call()
    times: Dict[Key, List[float]] = {name: [] for name in candidates}
    began = clock()
    done = 0
    while candidates and (done < rounds or clock() - began < seconds):
        for name, call in candidates.items():
            start = clock()
            call()
            times[name].append(1000 * (clock() - start))
        done += 1
    return times
