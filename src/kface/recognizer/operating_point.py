"""Two thresholds: unknown below one, recognised from the other on, undecided in between."""

import math
import numbers
from typing import Any, Dict, Mapping, NamedTuple, Optional

from kface.bundle import Thresholds
from kface.errors import ConfigError
from kface.fields import Settings

RECOGNISED = "recognised"
UNDECIDED = "undecided"
UNKNOWN = "unknown"

#: Recognised is what meets the first FMR that could be measured, unknown what misses the last: as in ``deploy.yaml``.
TARGETS = (1e-4, 1e-3, 1e-2)
#: A stranger can be mistaken for any of the people enrolled: their number times the FMR is kept at or below this.
#: Measured on CFP with the pretrained network, by votes of three pictures of a stranger and galleries of one picture a person,
#: drawn again and again: at FMR 1e-4 about 0.1, 0.2 and 1 % of the strangers are named by 10, 30 and 100 people, while 94 % of
#: those enrolled are; at the threshold for about 4e-5, 0.2 % by 100 people, and 87 %.
CHANCES = 3e-3


class OperatingPoint(NamedTuple):
    """How cosines are judged.

    Attributes:
        recognised: From this cosine on it is the person.
        unknown: Below this cosine it is no one enrolled; at most `recognised`.
        fmr: The false match rate at `recognised`, or an upper bound of it; None where none was measured.
    """

    recognised: float
    unknown: float
    fmr: Optional[float] = None

    def state(self, score: float) -> str:
        """Return :data:`RECOGNISED`, :data:`UNDECIDED` or :data:`UNKNOWN`."""
        if score >= self.recognised:
            return RECOGNISED
        return UNDECIDED if score >= self.unknown else UNKNOWN

    def check(self) -> None:
        """Raise a ConfigError where a threshold is not a cosine, or `unknown` is above `recognised`."""
        for key, value in (("recognised", self.recognised), ("unknown", self.unknown)):
            if isinstance(value, bool) or not isinstance(value, numbers.Real) or not -1 <= float(value) <= 1:
                raise ConfigError("must be a cosine, from -1 to 1, not {!r}".format(value), "match." + key)
        if self.unknown > self.recognised:
            raise ConfigError(
                "is above match.recognised ({} > {})".format(self.unknown, self.recognised), "match.unknown"
            )

    @classmethod
    def from_thresholds(cls, table: Optional[Thresholds], people: int = 1) -> Optional["OperatingPoint"]:
        """Return what a bundle's table recommends; None where it has no threshold.

        Args:
            table: The bundle's.
            people: How many are enrolled; from 31 on the threshold that recognises rises, as far as the table reaches.
        """
        known = {} if table is None else {row.target: row.threshold for row in table.rows}
        measured = [threshold for threshold in (known.get(target) for target in TARGETS) if threshold is not None]
        if not measured:
            return None
        # A stricter target never has a lower threshold, but a table may lack the row of the loosest.
        lower = known.get(TARGETS[-1])
        recognised = max(measured[0], _threshold(known, CHANCES / max(people, 1)))
        return cls(recognised, measured[0] if lower is None else min(lower, measured[0]), bound(table, recognised))

    @classmethod
    def from_settings(
        cls, match: Mapping[str, Any], table: Optional[Thresholds] = None, people: int = 1
    ) -> Optional["OperatingPoint"]:
        """Return what the section ``match`` of a ``deploy.yaml`` says.

        Args:
            match: ``recognised`` and ``unknown``, cosines; both None leaves it to the table.
            table: The bundle's, for the rate that the threshold stands for.
            people: How many are enrolled; what is given in `match` holds for any number.

        Raises:
            ConfigError: A value is not a cosine, or `unknown` is above `recognised`.
        """
        Settings(match, "match", {"recognised": None, "unknown": None})
        recognised, unknown = match.get("recognised"), match.get("unknown")
        if recognised is None and unknown is None:
            return cls.from_thresholds(table, people)
        if recognised is None:
            raise ConfigError("is not given, but match.unknown is", "match.recognised", "give both")
        unknown = recognised if unknown is None else unknown
        cls(recognised, unknown).check()
        return cls(float(recognised), float(unknown), bound(table, float(recognised)))


def _threshold(known: Mapping[float, Optional[float]], fmr: float) -> float:
    """Return the threshold for an FMR: between two rows along the rate's logarithm, beyond the rows that of the nearest."""
    rows: Dict[float, float] = {target: threshold for target, threshold in known.items() if threshold is not None}
    looser, stricter = [one for one in rows if one >= fmr], [one for one in rows if one <= fmr]
    if not looser or not stricter:
        return rows[max(stricter) if stricter else min(looser)]
    above, below = min(looser), max(stricter)
    if above == below:
        return rows[above]
    part = (math.log(above) - math.log(fmr)) / (math.log(above) - math.log(below))
    return rows[above] + part * (rows[below] - rows[above])


def bound(table: Optional[Thresholds], threshold: float) -> Optional[float]:
    """Return the lowest measured FMR that a threshold is sure to meet; None where the table has none."""
    rows = [] if table is None else table.rows
    met = [row.fmr.value for row in rows if row.threshold is not None and row.fmr and row.threshold <= threshold]
    return min(met) if met else None
