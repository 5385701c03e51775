"""Side-by-side timing: the candidates take turns, so that other load on the machine affects all of them alike."""

import statistics
import time
from typing import Any, Callable, Dict, Hashable, List, Mapping, Sequence, TypeVar

Key = TypeVar("Key", bound=Hashable)


def interleaved(
    candidates: Mapping[Key, Callable[[], Any]],
    rounds: int,
    seconds: float = 0.0,
    clock: Callable[[], float] = time.perf_counter,
) -> Dict[Key, List[float]]:
    """Return the milliseconds of each candidate's calls: A B C, A B C, and so on.

    Args:
        candidates: By name; each is called once beforehand, unmeasured.
        rounds: Minimum number of rounds.
        seconds: Minimum duration; further rounds follow until it has passed.
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


def medians(times: Mapping[Key, Sequence[float]]) -> Dict[Key, float]:
    """Return the median of each candidate's times; raises ValueError where one has none."""
    return {name: statistics.median(values) for name, values in times.items()}
