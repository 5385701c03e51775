"""The figures of the test: error rates by category and condition, failures, intervals, and what passes."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from kface.kisa.bootstrap import Draws, Weighing
from kface.kisa.conditions import CONDITIONS, PROBE_CATEGORIES, PROBES, Category, Condition
from kface.kisa.database import KisaDatabase
from kface.kisa.matching import FAILED_SCORE, KisaScores
from kface.verification import Curve, RateEstimate, curve, eer_of

#: The key of all probes together.
TOTAL: Final = "total"
#: Rates are counts over counts, and 1 - 0.99 is a little above 0.01: far less than one pair, and more than rounding.
ROUNDING: Final = 1e-9


class Verdict(str, enum.Enum):
    """What a category's EER says beside the passing mark."""

    PASS = "pass"
    FAIL = "fail"
    NOT_MEASURED = "not measured"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class RatesFigures:
    """The error rates of some probes; every rate is a fraction.

    Attributes:
        genuine: How many genuine pairs there are.
        impostor: How many impostor pairs.
        genuine_failed: Genuine pairs that lack a template.
        impostor_failed: Impostor pairs that lack one.
        eer: Pairs that lack a template count as non-matches.
        eer_acquired: EER*, without those pairs; None where nothing is left.
        threshold: Where FMR and FNMR come closest.
        fmr: At that threshold.
        fnmr: At that threshold.
        fixed_fmr: At the threshold of all probes together.
        fixed_fnmr: At the threshold of all probes together.
        failed_to_acquire: Probes without a template.
        probes: How many probes there are.
        curve: The error rates by threshold.
    """

    genuine: int
    impostor: int
    genuine_failed: int
    impostor_failed: int
    eer: RateEstimate
    eer_acquired: RateEstimate | None
    threshold: float
    fmr: float
    fnmr: float
    fixed_fmr: RateEstimate
    fixed_fnmr: RateEstimate
    failed_to_acquire: int
    probes: int
    curve: Curve

    @property
    def fta(self) -> float:
        """Failure to acquire: the share of probes without a template."""
        return self.failed_to_acquire / self.probes


@dataclass(frozen=True)
class CategoryVerdict:
    """A category beside its passing mark.

    Attributes:
        criterion: The highest EER that passes.
        verdict: By the EER, failures counted.
        straddles: Whether the interval holds the mark, so that other people might have given the other verdict.
        incomplete: Whether the data base lacks images of the category.
    """

    criterion: float
    verdict: Verdict
    straddles: bool
    incomplete: bool


@dataclass(frozen=True)
class KisaResults:
    """All figures.

    Attributes:
        total: Of all probes.
        categories: By category; None where the data base has no probe of it.
        conditions: By condition; None where it has none.
        verdicts: By category.
        fixed_threshold: The threshold at the EER of all probes.
        people: How many are enrolled.
        failed_to_enrol: How many of them have no template.
    """

    total: RatesFigures
    categories: dict[Category, RatesFigures | None]
    conditions: dict[Condition, RatesFigures | None]
    verdicts: dict[Category, CategoryVerdict]
    fixed_threshold: float
    people: int
    failed_to_enrol: int

    @property
    def fte(self) -> float:
        """Failure to enrol: the share of people without a template."""
        return self.failed_to_enrol / self.people

    @property
    def verdict(self) -> Verdict:
        """Pass where all categories pass and are complete; fail where one fails; else not measured."""
        found = {made.verdict for made in self.verdicts.values()}
        if Verdict.FAIL in found:
            return Verdict.FAIL
        incomplete = any(made.incomplete for made in self.verdicts.values())
        return Verdict.NOT_MEASURED if incomplete or Verdict.NOT_MEASURED in found else Verdict.PASS


def compute(
    scores: KisaScores,
    database: KisaDatabase,
    criteria: Mapping[Category, float],
    replicates: int = 1000,
    seed: int = 0,
) -> KisaResults:
    """Compute all figures.

    Args:
        scores: Of :func:`kface.kisa.matching.match`.
        database: What it was made of.
        criteria: The passing mark of each category.
        replicates: Draws of people for the intervals; 0 for none.
        seed: Of the draws.

    Raises:
        KFaceError: There is no genuine or no impostor pair at all.
    """
    draws = Draws.of(scores.people, replicates, seed)
    made = curve(*flat(scores))
    threshold = _equal_error(made)[1]
    total = _figures(scores, draws, threshold, made)
    assert total is not None
    categories = {each: _figures(scores.of_category(each), draws, threshold) for each in PROBE_CATEGORIES}
    conditions = {each: _figures(scores.of_condition(each), draws, threshold) for each in PROBES}
    return KisaResults(
        total,
        categories,
        conditions,
        {each: _verdict(each, categories[each], criteria[each], database) for each in PROBE_CATEGORIES},
        threshold,
        scores.people,
        int(scores.enrolment_failed.sum()),
    )


def flat(scores: KisaScores, acquired: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of all pairs, float32 (m,), and whether each is genuine, bool (m,).

    Args:
        scores: Of some probes.
        acquired: Leave out pairs that lack a template.
    """
    genuine, impostor = scores.genuine, scores.scores[scores.compared]
    if acquired:
        genuine = genuine[~scores.genuine_failed]
        impostor = scores.scores[scores.compared & ~scores.failed]
    return (
        np.concatenate([genuine, impostor]),
        np.concatenate([np.ones(len(genuine), bool), np.zeros(len(impostor), bool)]),
    )


def _figures(scores: KisaScores, draws: Draws, fixed: float, made: Curve | None = None) -> RatesFigures | None:
    """Return the figures of some probes; None where they lack a kind of pair. `made` is their curve, where it is known."""
    pairs, genuine = flat(scores)
    count = int(genuine.sum())
    if not count or count == len(genuine):
        return None
    made = made or curve(pairs, genuine)
    value, threshold = _equal_error(made)
    weighing = Weighing(scores, draws)
    fmr, fnmr = _rates(pairs, genuine, threshold)
    fixed_fmr, fixed_fnmr = _rates(pairs, genuine, fixed)
    intervals = weighing.rates(fixed) if len(draws) else (None, None)
    counted = RateEstimate(value, weighing.eer(value) if len(draws) else None)
    return RatesFigures(
        genuine=count,
        impostor=len(genuine) - count,
        genuine_failed=int(scores.genuine_failed.sum()),
        impostor_failed=int((scores.failed & scores.compared).sum()),
        eer=counted,
        eer_acquired=_acquired(scores, draws, counted),
        threshold=threshold,
        fmr=fmr,
        fnmr=fnmr,
        fixed_fmr=RateEstimate(fixed_fmr, intervals[0]),
        fixed_fnmr=RateEstimate(fixed_fnmr, intervals[1]),
        failed_to_acquire=int(scores.probe_failed.sum()),
        probes=scores.probes,
        curve=thinned(made),
    )


def _equal_error(made: Curve) -> tuple[float, float]:
    """Return the EER and its threshold, which no failed pair reaches."""
    value, threshold = eer_of(made)
    if threshold <= FAILED_SCORE:
        threshold = float(np.nextafter(np.float32(FAILED_SCORE), np.float32(1)))
    return value, threshold


def thinned(made: Curve, points: int = 1000) -> Curve:
    """Return a curve with fewer thresholds, evenly spread over the logarithms of FMR and of FNMR, as plots show them."""
    if len(made.thresholds) <= 2 * points:
        return made
    kept = [np.array([0, len(made.thresholds) - 1])]
    for rates, count in ((made.fmr, made.impostors), (made.fnmr[::-1], made.genuine)):
        wanted = np.logspace(np.log10(1 / count), 0, points)
        places = np.clip(np.searchsorted(rates, wanted), 0, len(rates) - 1)
        kept.append(places if rates is made.fmr else len(rates) - 1 - places)
    places = np.unique(np.concatenate(kept))
    return made._replace(thresholds=made.thresholds[places], fmr=made.fmr[places], fnmr=made.fnmr[places])


def _acquired(scores: KisaScores, draws: Draws, counted: RateEstimate) -> RateEstimate | None:
    """Return EER*; where nothing failed it is the EER, `counted`."""
    if not scores.genuine_failed.any() and not (scores.failed & scores.compared).any():
        return counted
    pairs, genuine = flat(scores, acquired=True)
    if not genuine.any() or genuine.all():
        return None
    left = eer_of(curve(pairs, genuine))[0]
    return RateEstimate(left, Weighing(scores, draws, acquired=True).eer(left) if len(draws) else None)


def _rates(pairs: np.ndarray, genuine: np.ndarray, threshold: float) -> tuple[float, float]:
    """Return FMR and FNMR at a threshold."""
    accepted = pairs >= threshold
    return float(accepted[~genuine].mean()), float((~accepted[genuine]).mean())


def _verdict(
    category: Category, figures: RatesFigures | None, criterion: float, database: KisaDatabase
) -> CategoryVerdict:
    incomplete = not database.complete(category)
    if figures is None:
        return CategoryVerdict(criterion, Verdict.NOT_MEASURED, False, incomplete)
    verdict = Verdict.PASS if figures.eer.value <= criterion + ROUNDING else Verdict.FAIL
    interval = figures.eer.interval
    straddles = interval is not None and interval.low - ROUNDING <= criterion < interval.high - ROUNDING
    return CategoryVerdict(criterion, verdict, straddles, incomplete)


__all__ = [
    "CONDITIONS",
    "TOTAL",
    "CategoryVerdict",
    "KisaResults",
    "RatesFigures",
    "Verdict",
    "compute",
    "flat",
]
