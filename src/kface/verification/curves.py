"""Error rates by threshold, exact with ties, optionally with a weight per pair.

A pair is accepted when its score reaches the threshold. FMR is the fraction of impostor pairs accepted, FNMR that of
genuine pairs rejected (ISO/IEC 19795-1; the field calls FMR at the level of pairs FAR, and 1 - FNMR TAR).
"""

from typing import NamedTuple, Optional, Tuple

import numpy as np

from kface.errors import KFaceError


class Curve(NamedTuple):
    """The error rates at every distinct threshold.

    Attributes:
        thresholds: float64 (t,), descending; the first is above all scores, the others are the distinct scores.
        fmr: float64 (t,), rising from 0 to 1.
        fnmr: float64 (t,), falling from 1 to 0.
        genuine: Number of genuine pairs.
        impostors: Number of impostor pairs.
    """

    thresholds: np.ndarray
    fmr: np.ndarray
    fnmr: np.ndarray
    genuine: int
    impostors: int


class Ranked(NamedTuple):
    """Scores sorted once, for many weightings of the pairs.

    Attributes:
        order: int64 (m,), pairs from the best score to the worst.
        last: int64 (t,), positions in the order of the end of each run of equal scores.
        genuine: bool (m,), in the order.
        thresholds: float64 (t + 1,), as in :class:`Curve`.
    """

    order: np.ndarray
    last: np.ndarray
    genuine: np.ndarray
    thresholds: np.ndarray


def rank(scores: np.ndarray, genuine: np.ndarray) -> Ranked:
    """Sort pairs by their scores.

    Args:
        scores: (m,), similarities: higher is more alike.
        genuine: bool (m,).

    Raises:
        KFaceError: The shapes differ, a score is not a number, or genuine or impostor pairs are missing.
    """
    scores = np.asarray(scores, np.float64)
    genuine = np.asarray(genuine, bool)
    if scores.ndim != 1 or scores.shape != genuine.shape:
        raise KFaceError(
            "scores and labels must have the same shape (m,), not {} and {}".format(scores.shape, genuine.shape)
        )
    if np.isnan(scores).any():
        raise KFaceError("a score is not a number")
    if genuine.all() or not genuine.any():
        raise KFaceError(
            "error rates need genuine and impostor pairs, not {} and {}".format(
                int(genuine.sum()), int((~genuine).sum())
            )
        )
    order = np.argsort(-scores, kind="mergesort")
    ordered = scores[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    thresholds = np.concatenate([[np.inf], ordered[last]])
    return Ranked(order, last, genuine[order], thresholds)


def ranked_pairs(
    scores: np.ndarray, genuine: np.ndarray, people: np.ndarray
) -> Tuple[np.ndarray, np.ndarray, np.ndarray, Ranked]:
    """Check pairs of people, and sort them by their scores.

    Args:
        scores: (m,), similarities: higher is more alike.
        genuine: bool (m,).
        people: (m, 2), who is in each pair.

    Returns:
        The three as arrays, and the pairs in order.

    Raises:
        KFaceError: As :func:`rank` raises it, or people and labels do not fit.
    """
    scores, genuine, people = np.asarray(scores, np.float64), np.asarray(genuine, bool), np.asarray(people)
    ranked = rank(scores, genuine)
    if people.shape != (len(scores), 2):
        raise KFaceError("people must have the shape ({}, 2), not {}".format(len(scores), people.shape))
    if ((people[:, 0] == people[:, 1]) != genuine).any():
        raise KFaceError("a genuine pair has two people, or an impostor pair has one")
    return scores, genuine, people, ranked


def rates(ranked: Ranked, weights: Optional[np.ndarray] = None) -> Tuple[np.ndarray, np.ndarray]:
    """Return FMR and FNMR at the thresholds of the ranking.

    Args:
        ranked: From :func:`rank`.
        weights: (m,) or (m, b), weight of each pair in its original order; b weightings at once.

    Returns:
        float64 (t + 1,) or (t + 1, b); NaN where no genuine or no impostor pair has a weight.
    """
    ordered = np.ones(len(ranked.order)) if weights is None else np.asarray(weights, np.float64)[ranked.order]
    labels = ranked.genuine.reshape((-1,) + (1,) * (ordered.ndim - 1))
    found = []
    for wanted in (~labels, labels):
        counts = np.cumsum(ordered * wanted, axis=0)[ranked.last]
        counts = np.concatenate([np.zeros_like(counts[:1]), counts])
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append(counts / counts[-1])
    return found[0], 1 - found[1]


def curve(scores: np.ndarray, genuine: np.ndarray) -> Curve:
    """Return the error rates of pairs at every distinct score; see :func:`rank` for the arguments and errors."""
    ranked = rank(scores, genuine)
    fmr, fnmr = rates(ranked)
    count = int(ranked.genuine.sum())
    return Curve(ranked.thresholds, fmr, fnmr, count, len(ranked.genuine) - count)


def crossing(fmr: np.ndarray, fnmr: np.ndarray) -> np.ndarray:
    """Return the EER of one or several curves: where the lines between the curve's points meet FMR = FNMR.

    Args:
        fmr: (t,) or (t, b), rising from 0.
        fnmr: (t,) or (t, b), falling from 1.
    """
    gap = fmr - fnmr
    # The first threshold at which FMR reaches FNMR.
    after = np.argmax(gap >= 0, axis=0)
    before = np.maximum(after - 1, 0)
    if fmr.ndim == 1:
        f0, f1, g0, g1 = fmr[before], fmr[after], gap[before], gap[after]
    else:
        columns = np.arange(fmr.shape[1])
        f0, f1, g0, g1 = fmr[before, columns], fmr[after, columns], gap[before, columns], gap[after, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(g1 > g0, -g0 / (g1 - g0), 1.0)
    return np.asarray(f0 + share * (f1 - f0))


def eer(scores: np.ndarray, genuine: np.ndarray) -> Tuple[float, float]:
    """Return the equal error rate, and the threshold at which FMR and FNMR come closest.

    Between two thresholds the rates are interpolated linearly, as by a random choice among tied pairs: constant scores have an
    EER of one half.
    """
    return eer_of(curve(scores, genuine))


def eer_of(made: Curve) -> Tuple[float, float]:
    """Return what :func:`eer` returns of a curve."""
    nearest = int(np.argmin(np.abs(made.fmr[1:] - made.fnmr[1:]))) + 1
    return float(crossing(made.fmr, made.fnmr)), float(made.thresholds[nearest])


def within(fmr: np.ndarray, fnmr: np.ndarray, far: float) -> np.ndarray:
    """Return TAR = 1 - FNMR at the last threshold whose FMR is at most ``far``; (t,) gives one, (t, b) gives b."""
    # The tolerance is far below one pair, and above rounding.
    last = np.sum(fmr <= far * (1 + 1e-9), axis=0) - 1
    if fmr.ndim == 1:
        return np.asarray(1 - fnmr[max(int(last), 0)])
    tar = 1 - fnmr[np.maximum(last, 0), np.arange(fmr.shape[1])]
    return np.where(np.isnan(fmr[-1]), np.nan, tar)


def tar_at_far(scores: np.ndarray, genuine: np.ndarray, far: float) -> Optional[float]:
    """Return TAR at the lowest threshold that accepts at most a fraction ``far`` of the impostor pairs.

    Returns:
        The rate, or None with fewer than 1 / far impostor pairs, with which it cannot be measured.
    """
    made = curve(scores, genuine)
    if made.impostors * far < 1 - 1e-9:
        return None
    return float(within(made.fmr, made.fnmr, far))


def operating_point(made: Curve, fmr: float) -> Tuple[float, float, float]:
    """Return the lowest threshold whose FMR is at most ``fmr``, with its FMR and FNMR."""
    last = int(np.sum(made.fmr <= fmr * (1 + 1e-9))) - 1
    return float(made.thresholds[last]), float(made.fmr[last]), float(made.fnmr[last])


def roc_area(made: Curve) -> float:
    """Return the area under the ROC (TAR over FMR): the probability that a genuine pair scores above an impostor one."""
    tar = 1 - made.fnmr
    return float(np.sum(np.diff(made.fmr) * (tar[1:] + tar[:-1]) / 2))
