"""Figures: medians of interleaved repetitions, so that whatever else the machine does hits all candidates alike."""

from typing import Any, Dict, Hashable, NamedTuple, Sequence, TypeVar

import numpy as np

Key = TypeVar("Key", bound=Hashable)


class TimingFigure(NamedTuple):
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


def figure(values: Sequence[float]) -> TimingFigure:
    """Return number, median and 95th percentile of values; raises ValueError for no values."""
    if not len(values):
        raise ValueError("there is nothing to take a median of")
    return TimingFigure(len(values), float(np.median(values)), float(np.percentile(values, 95)))
