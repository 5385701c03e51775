"""The figures of one test set."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Union

import numpy as np

from kface.verification.bootstrap import Interval, Resampling, informative
from kface.verification.curves import Curve, Ranked, crossing, eer, ranked_pairs, rates, roc_area, within
from kface.verification.kfold import fold_accuracies, folds_by_person
from kface.verification.scores import FAILED

#: False accept rates at which TAR is reported.
FARS = (1e-2, 1e-3, 1e-4)


class RateEstimate(NamedTuple):
    """A rate or an accuracy, from 0 to 1, with its 95 % interval.

    The interval is None where none was asked for, and where resampling cannot give one: see
    :func:`~kface.verification.bootstrap.informative`.
    """

    value: float
    interval: Optional[Interval] = None

    def to_dict(self) -> Dict[str, Any]:
        """Return ``{"value": ..., "interval": [low, high] or None}``."""
        return {"value": self.value, "interval": None if self.interval is None else list(self.interval)}


class VerificationReport(NamedTuple):
    """The results of verification on a set of pairs.

    Attributes:
        accuracy: With the threshold of the other folds.
        accuracy_error: Standard error over the folds, as LFW reports it.
        eer: Failed pairs count as non-matches.
        eer_acquired: EER* without the failed pairs.
        threshold: Where FMR and FNMR come closest.
        tar: TAR by FAR; None with fewer than 1 / FAR impostor pairs.
        area: Under the ROC.
        curve: The error rates by threshold.
        people: Number of people.
        failures: Number of pairs with a face that could not be acquired.
    """

    accuracy: RateEstimate
    accuracy_error: float
    eer: RateEstimate
    eer_acquired: float
    threshold: float
    tar: Dict[float, Optional[RateEstimate]]
    area: float
    curve: Curve
    people: int
    failures: int

    def to_dict(self) -> Dict[str, Any]:
        """Return the figures as JSON takes them; the curve is left out."""
        return {
            "accuracy": self.accuracy.to_dict(),
            "accuracy_standard_error": self.accuracy_error,
            "eer": self.eer.to_dict(),
            "eer_without_failures": self.eer_acquired,
            "threshold_at_eer": self.threshold,
            "tar_at_far": {
                "{:.0e}".format(far): None if figure is None else figure.to_dict() for far, figure in self.tar.items()
            },
            "roc_area": self.area,
            "pairs": {"genuine": self.curve.genuine, "impostor": self.curve.impostors, "failed": self.failures},
            "people": self.people,
        }


def verify(
    scores: np.ndarray,
    genuine: np.ndarray,
    people: np.ndarray,
    folds: Optional[np.ndarray] = None,
    replicates: int = 1000,
    seed: int = 0,
) -> VerificationReport:
    """Compute all figures of a set of pairs.

    Args:
        scores: (m,), similarities; :data:`~kface.verification.scores.FAILED` for pairs with a face that could not be acquired.
        genuine: bool (m,).
        people: Integers (m, 2), the two people of each pair.
        folds: Integers (m,); by default ten, by person.
        replicates: Draws of people for the intervals; 0 for none.
        seed: Seed of the draws and of the default folds.

    Raises:
        KFaceError: Genuine or impostor pairs are missing, or the shapes do not match.
    """
    scores, genuine, people, ranked = ranked_pairs(scores, genuine, people)
    fmr, fnmr = rates(ranked)
    count = int(genuine.sum())
    made = Curve(ranked.thresholds, fmr, fnmr, count, len(scores) - count)
    folds = folds_by_person(people, seed=seed) if folds is None else np.asarray(folds)
    right, _ = fold_accuracies(scores, genuine, folds)
    by_fold = np.array([right[folds == name].mean() for name in np.unique(folds)])
    fars = [far for far in FARS if made.impostors * far >= 1 - 1e-9]
    intervals = _intervals(ranked, people, right, fars, replicates, seed)
    failed = scores <= FAILED
    value, threshold = eer(scores, genuine)
    left = ~failed
    acquired = (
        eer(scores[left], genuine[left])[0]
        if failed.any() and genuine[left].any() and not genuine[left].all()
        else value
    )
    return VerificationReport(
        accuracy=RateEstimate(float(by_fold.mean()), intervals["accuracy"]),
        accuracy_error=float(by_fold.std(ddof=1) / np.sqrt(len(by_fold))),
        eer=RateEstimate(value, intervals["eer"]),
        eer_acquired=acquired,
        threshold=threshold,
        tar={far: RateEstimate(float(within(fmr, fnmr, far)), intervals[far]) if far in fars else None for far in FARS},
        area=roc_area(made),
        curve=made,
        people=len(np.unique(people)),
        failures=int(failed.sum()),
    )


def _intervals(
    ranked: Ranked, people: np.ndarray, right: np.ndarray, fars: List[float], replicates: int, seed: int
) -> "Dict[Union[str, float], Optional[Interval]]":
    names: List[Union[str, float]] = ["eer"]
    names += fars
    if replicates < 1:
        return dict.fromkeys(names + ["accuracy"])
    resampling = Resampling(people, replicates, seed)
    figures = [crossing] + [_tar(far) for far in fars]
    found = dict(zip(names, resampling.of_rates(ranked, *figures)))
    found["accuracy"] = resampling.of_mean(right)
    return {name: informative(interval) for name, interval in found.items()}


def _tar(far: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return lambda fmr, fnmr: within(fmr, fnmr, far)
