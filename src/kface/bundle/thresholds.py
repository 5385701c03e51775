"""The threshold table: the error rates measured at some cosines."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from kface.errors import ConfigError, KFaceError
from kface.fields import Fields
from kface.verification.bootstrap import Interval, Resampling
from kface.verification.curves import Curve, operating_point, ranked_pairs, rates
from kface.verification.report import RateEstimate
from kface.verification.scores import FAILED

#: The false match rates for which a bundle has thresholds.
FMRS = (1e-2, 1e-3, 1e-4, 1e-5)
#: Why a row has no threshold.
NOT_MEASURABLE = "not measurable"
NOT_MET = "no threshold meets it"


class ThresholdRow(NamedTuple):
    """A target false match rate and the threshold that meets it.

    Attributes:
        target: The false match rate (FMR) asked for.
        threshold: The lowest cosine whose FMR is at most the target; pairs that reach it are accepted. None if no
            threshold meets the target.
        fmr: FMR measured at the threshold; None without a threshold.
        fnmr: False non-match rate (FNMR) measured at the threshold; None without a threshold.
        reason: Why the threshold is None: :data:`NOT_MEASURABLE` or :data:`NOT_MET`.
    """

    target: float
    threshold: Optional[float]
    fmr: Optional[RateEstimate]
    fnmr: Optional[RateEstimate]
    reason: Optional[str] = None

    def to_dict(self) -> Dict[str, Any]:
        """Return the row ready for JSON."""
        return {
            "target": self.target,
            "threshold": self.threshold,
            "fmr": None if self.fmr is None else self.fmr.to_dict(),
            "fnmr": None if self.fnmr is None else self.fnmr.to_dict(),
            "reason": self.reason,
        }


class Thresholds(NamedTuple):
    """A threshold table and the pairs it was measured on.

    Attributes:
        source: Name of the pairs, such as "K-Face Q4".
        synthetic: Whether they come from the synthetic sample.
        genuine: Number of genuine pairs.
        impostors: Number of impostor pairs.
        people: Number of people.
        replicates: Bootstrap draws of people behind the intervals.
        seed: Of the draws.
        rows: One for each target.
    """

    source: str
    synthetic: bool
    genuine: int
    impostors: int
    people: int
    replicates: int
    seed: int
    rows: Tuple[ThresholdRow, ...]

    def at(self, target: float) -> float:
        """Return the threshold for a false match rate.

        Raises:
            ConfigError: The table has no threshold for it; the message lists the rates that it has.
        """
        known = [row for row in self.rows if row.threshold is not None]
        for row in known:
            if row.threshold is not None and abs(row.target - target) <= 1e-9 * row.target:
                return row.threshold
        reasons = [row.reason for row in self.rows if abs(row.target - target) <= 1e-9 * row.target]
        raise ConfigError(
            "the bundle has no threshold for a false match rate of {:g}{}".format(
                target, " ({})".format(reasons[0]) if reasons else ""
            ),
            None,
            "choose one of: {}".format(", ".join("{:g}".format(row.target) for row in known))
            if known
            else "give the threshold itself",
        )

    def to_dict(self) -> Dict[str, Any]:
        """Return the table ready for JSON."""
        return dict(self._asdict(), rows=[row.to_dict() for row in self.rows])


def threshold_table(
    scores: np.ndarray,
    genuine: np.ndarray,
    people: np.ndarray,
    fmrs: Sequence[float] = FMRS,
    replicates: int = 1000,
    seed: int = 0,
) -> Tuple[ThresholdRow, ...]:
    """Measure the error rates at the thresholds for some false match rates.

    The intervals show how the rates at these fixed thresholds vary with the people, not how the thresholds would vary.

    Args:
        scores: (m,), cosines; :data:`~kface.verification.scores.FAILED` for pairs without a template.
        genuine: bool (m,).
        people: Integers (m, 2), the two people of each pair.
        fmrs: The targets, each between 0 and 1.
        replicates: Bootstrap draws of people for the intervals; 0 for no intervals.
        seed: Of the draws.

    Returns:
        A row for each target, in the order of `fmrs`. A target has no threshold if there are fewer than 1 / target
        impostor pairs, or if only rejecting every pair meets it.

    Raises:
        ConfigError: A target or `replicates` is out of its range.
        KFaceError: Genuine or impostor pairs are missing, the shapes do not match, or a score is not a cosine.
    """
    if replicates < 0:
        raise ConfigError("must be at least 0, not {}".format(replicates), "replicates")
    for target in fmrs:
        if not 0 < target < 1:
            raise ConfigError("must be between 0 and 1, not {}".format(target), "fmrs")
    scores, genuine, people, ranked = ranked_pairs(scores, genuine, people)
    if (np.abs(scores[scores != FAILED]) > 1).any():
        raise KFaceError("a score is not a cosine: it must be from -1 to 1, or {:g}".format(FAILED))
    fmr, fnmr = rates(ranked)
    count = int(genuine.sum())
    made = Curve(ranked.thresholds, fmr, fnmr, count, len(scores) - count)
    rows = [_row(made, float(target)) for target in fmrs]
    if replicates == 0:
        return tuple(rows)
    # A row's position on the curve is unique: its thresholds are the distinct scores.
    places = [int(np.flatnonzero(made.thresholds == row.threshold)[0]) for row in rows if row.threshold is not None]
    figures = [_rate(place, kind) for place in places for kind in (0, 1)]
    found = iter(Resampling(people, replicates, seed).of_rates(ranked, *figures))
    return tuple(
        row
        if row.fmr is None or row.fnmr is None
        else row._replace(fmr=RateEstimate(row.fmr.value, next(found)), fnmr=RateEstimate(row.fnmr.value, next(found)))
        for row in rows
    )


def _row(made: Curve, target: float) -> ThresholdRow:
    # Such a target is less than one pair; the tolerance is for rounding, as in tar_at_far.
    if made.impostors * target < 1 - 1e-9:
        return ThresholdRow(target, None, None, None, NOT_MEASURABLE)
    threshold, fmr, fnmr = operating_point(made, target)
    if not np.isfinite(threshold):
        return ThresholdRow(target, None, None, None, NOT_MET)
    return ThresholdRow(target, threshold, RateEstimate(fmr), RateEstimate(fnmr))


def _rate(place: int, kind: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return lambda *fmr_fnmr: np.asarray(fmr_fnmr[kind][place])


def measure(
    scores: np.ndarray,
    genuine: np.ndarray,
    people: np.ndarray,
    source: str,
    synthetic: bool,
    fmrs: Sequence[float] = FMRS,
    replicates: int = 1000,
    seed: int = 0,
) -> Thresholds:
    """Return a bundle's threshold table: :func:`threshold_table` with a description of the pairs.

    Args:
        scores: See :func:`threshold_table`, as for all arguments but these two.
        genuine: See there.
        people: See there.
        source: Name of the pairs.
        synthetic: Whether they come from the synthetic sample.
        fmrs: See there.
        replicates: See there.
        seed: See there.
    """
    rows = threshold_table(scores, genuine, people, fmrs, replicates, seed)
    count = int(np.sum(np.asarray(genuine, bool)))
    return Thresholds(
        source, bool(synthetic), count, len(genuine) - count, len(np.unique(people)), int(replicates), int(seed), rows
    )


def parse(fields: Fields) -> Thresholds:
    """Return the table that :meth:`Thresholds.to_dict` wrote; raises ModelError if a field is wrong."""
    rows: List[ThresholdRow] = []
    for part in fields.objects("rows"):
        row = ThresholdRow(
            target=part.number("target", 0, 1),
            threshold=part.optional("threshold", part.number, -1, 1),
            fmr=_figure(part, "fmr"),
            fnmr=_figure(part, "fnmr"),
            reason=part.optional("reason", part.text, (NOT_MEASURABLE, NOT_MET)),
        )
        absent = [row.threshold is None, row.fmr is None, row.fnmr is None, row.reason is not None]
        if any(absent) != all(absent):
            raise part.error("threshold", "given with its rates, or null with a reason")
        part.close()
        rows.append(row)
    made = Thresholds(
        source=fields.text("source"),
        synthetic=fields.flag("synthetic"),
        genuine=fields.whole("genuine", 1),
        impostors=fields.whole("impostors", 1),
        people=fields.whole("people", 1),
        replicates=fields.whole("replicates"),
        seed=fields.whole("seed"),
        rows=tuple(rows),
    )
    fields.close()
    return made


def _figure(fields: Fields, key: str) -> Optional[RateEstimate]:
    if fields.value(key) is None:
        return None
    part = fields.object(key)
    found = part.optional("interval", part.numbers, 2)
    figure = RateEstimate(part.number("value", 0, 1), None if found is None else Interval(*found))
    part.close()
    return figure
