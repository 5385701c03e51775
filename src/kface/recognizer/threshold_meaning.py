"""What a threshold means: its error rates on the bundle's measured curve, and a stranger's chance to be taken for someone.

A bundle has the curve at a few points (:class:`kface.bundle.Thresholds`). Between two of them the false match rate (FMR) is
interpolated along its logarithm and the false non-match rate (FNMR) linearly, as impostors' tails fall about exponentially;
outside of them only a bound is known, and a bound is what is returned.
"""

import math
from typing import List, NamedTuple, Optional, Tuple

from kface.bundle.thresholds import Thresholds

#: How a rate is known.
MEASURED, BETWEEN, AT_MOST, AT_LEAST, UNKNOWN_RATE = "measured", "between", "at most", "at least", "unknown"
#: No error among n pairs: the rate is below 3 / n with 95 % confidence (the rule of three).
RULE_OF_THREE = 3.0
#: Cosines that differ by less are one.
SAME = 1e-9


class Rate(NamedTuple):
    """An error rate.

    Attributes:
        kind: How it is known: :data:`MEASURED` at this very threshold, interpolated :data:`BETWEEN` two measured points,
            :data:`AT_MOST` or :data:`AT_LEAST` the value, or :data:`UNKNOWN_RATE`.
        value: From 0 to 1; None where it is unknown.
    """

    kind: str
    value: Optional[float]

    def __str__(self) -> str:
        if self.value is None:
            return "unknown"
        prefix = {AT_MOST: "at most ", AT_LEAST: "at least ", BETWEEN: "about "}.get(self.kind, "")
        return prefix + percent(self.value)


class ThresholdMeaning(NamedTuple):
    """What a threshold means.

    Attributes:
        threshold: The cosine.
        people: How many are enrolled.
        fmr: Part of the comparisons of two different people that reach it.
        fnmr: Part of the comparisons of one person with themselves that miss it.
        stranger: The chance that a stranger's picture reaches it with at least one of `people`: 1 - (1 - FMR)^people. It
            takes the comparisons for independent and people to have a template each; who resembles one resembles others,
            so that it is rather too high, while several templates of a person make it up to that many times higher. A
            stream decides by several pictures of a face, which makes it rarer.
        source: What the curve was measured on; empty where there is none.
        synthetic: Whether that is the synthetic sample, whose figures say nothing about real faces.
    """

    threshold: float
    people: int
    fmr: Rate
    fnmr: Rate
    stranger: Rate
    source: str
    synthetic: bool


def threshold_meaning(table: Optional[Thresholds], threshold: float, people: int) -> ThresholdMeaning:
    """Return what a threshold means.

    Args:
        table: The bundle's; None where nothing was measured.
        threshold: A cosine.
        people: How many are enrolled.
    """
    fmr, fnmr = rates_at(table, threshold)
    return ThresholdMeaning(
        threshold,
        people,
        fmr,
        fnmr,
        stranger_chance(fmr, people),
        "" if table is None else table.source,
        table is not None and table.synthetic,
    )


def stranger_chance(fmr: Rate, people: int) -> Rate:
    """Return the chance that a stranger matches one of some people, known as the FMR is."""
    if people <= 0:
        return Rate(MEASURED, 0.0)
    if fmr.value is None:
        return fmr
    if fmr.value >= 1:
        return Rate(fmr.kind, 1.0)
    # Exact for small rates, unlike 1 - (1 - FMR) ** people.
    return Rate(fmr.kind, -math.expm1(people * math.log1p(-fmr.value)))


def rates_at(table: Optional[Thresholds], threshold: float) -> Tuple[Rate, Rate]:
    """Return the FMR and the FNMR at a threshold."""
    points = [] if table is None else _points(table)
    if not points or table is None:
        return Rate(UNKNOWN_RATE, None), Rate(UNKNOWN_RATE, None)
    for at, fmr, fnmr in points:
        if abs(at - threshold) <= SAME:
            return _fmr(fmr, table), Rate(MEASURED, fnmr)
    below, above = [one for one in points if one[0] < threshold], [one for one in points if one[0] > threshold]
    if not below:
        # A lower threshold accepts more: more strangers, fewer people who are turned away.
        return Rate(AT_LEAST, above[0][1]), Rate(AT_MOST, above[0][2])
    if not above:
        return Rate(AT_MOST, _fmr(below[-1][1], table).value), Rate(AT_LEAST, below[-1][2])
    (low, fmr_low, fnmr_low), (high, fmr_high, fnmr_high) = below[-1], above[0]
    part = (threshold - low) / (high - low)
    fnmr_rate = Rate(BETWEEN, fnmr_low + part * (fnmr_high - fnmr_low))
    if fmr_low <= 0 or fmr_high <= 0:
        return Rate(AT_MOST, _fmr(fmr_low, table).value), fnmr_rate
    return Rate(BETWEEN, math.exp((1 - part) * math.log(fmr_low) + part * math.log(fmr_high))), fnmr_rate


def curve_range(table: Optional[Thresholds]) -> Optional[Tuple[float, float]]:
    """Return the lowest and the highest threshold that were measured; None where there are none."""
    points = [] if table is None else _points(table)
    return (points[0][0], points[-1][0]) if points else None


def percent(value: float) -> str:
    """Return a rate for people: as a percentage, or "1 in n" where that is less than a hundredth of one."""
    if value <= 0:
        return "0 %"
    if value < 1e-4:
        return "1 in {:,.0f}".format(_rounded(1 / value))
    return "{:.3g} %".format(100 * value)


def _rounded(value: float) -> float:
    """Return a number with two significant digits."""
    digits = 1 - int(math.floor(math.log10(value)))
    return round(value, digits)


def _fmr(value: float, table: Thresholds) -> Rate:
    if value > 0:
        return Rate(MEASURED, value)
    return Rate(AT_MOST, min(1.0, RULE_OF_THREE / table.impostors))


def _points(table: Thresholds) -> List[Tuple[float, float, float]]:
    """Return threshold, FMR and FNMR of the rows that have them, by threshold."""
    found = sorted(
        (row.threshold, row.fmr.value, row.fnmr.value)
        for row in table.rows
        if row.threshold is not None and row.fmr is not None and row.fnmr is not None
    )
    return [point for place, point in enumerate(found) if place == 0 or point[0] - found[place - 1][0] > SAME]
