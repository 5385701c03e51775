"""Accuracy with a threshold chosen on other pairs: LFW's protocol (Huang et al., 2007)."""

from typing import Tuple

import numpy as np

from kface.errors import KFaceError
from kface.verification.curves import rank


def best_threshold(scores: np.ndarray, genuine: np.ndarray) -> float:
    """Return the highest of the thresholds, halfway between neighbouring scores, that classify most pairs correctly."""
    ranked = rank(scores, genuine)
    accepted = np.concatenate([[0], np.cumsum(ranked.genuine)[ranked.last]])
    rejected = np.sum(~ranked.genuine) - np.concatenate([[0], np.cumsum(~ranked.genuine)[ranked.last]])
    best = int(np.argmax(accepted + rejected))
    scores_down = ranked.thresholds
    if best == 0:
        return float(np.nextafter(scores_down[1], np.inf))
    if best == len(scores_down) - 1:
        return float(scores_down[best])
    return float((scores_down[best] + scores_down[best + 1]) / 2)


def fold_accuracies(scores: np.ndarray, genuine: np.ndarray, folds: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Classify each fold with the threshold that is best on the others.

    Args:
        scores: (m,), similarities.
        genuine: bool (m,).
        folds: Integers (m,), each pair's fold.

    Returns:
        bool (m,), whether each pair was classified correctly; float64 (folds,), the thresholds.

    Raises:
        KFaceError: There are fewer than two folds, or the other folds of one have only one kind of pair.
    """
    scores, genuine, folds = np.asarray(scores, np.float64), np.asarray(genuine, bool), np.asarray(folds)
    names = np.unique(folds)
    if len(names) < 2:
        raise KFaceError("accuracy by folds needs at least two folds, not {}".format(len(names)))
    right = np.zeros(len(scores), bool)
    thresholds = []
    for name in names:
        test = folds == name
        thresholds.append(best_threshold(scores[~test], genuine[~test]))
        right[test] = (scores[test] >= thresholds[-1]) == genuine[test]
    return right, np.array(thresholds)


def kfold_accuracy(scores: np.ndarray, genuine: np.ndarray, folds: np.ndarray) -> Tuple[float, float]:
    """Return the mean of the folds' accuracies and its standard error, as LFW reports them."""
    right, _ = fold_accuracies(scores, genuine, folds)
    means = np.array([right[folds == name].mean() for name in np.unique(folds)])
    return float(means.mean()), float(means.std(ddof=1) / np.sqrt(len(means)))


def folds_by_person(people: np.ndarray, count: int = 10, seed: int = 0) -> np.ndarray:
    """Put pairs into folds by their first person, so that a person's genuine pairs share a fold.

    With too few people for that, the pairs of each kind are distributed in turn.

    Args:
        people: Integers (m, 2), the two people of each pair.
        count: Number of folds; at most one per person.
        seed: Seed of the assignment.

    Returns:
        int64 (m,).
    """
    people = np.asarray(people)
    names, first = np.unique(people[:, 0], return_inverse=True)
    count = min(count, len(names))
    places = np.random.RandomState(seed).permutation(len(names))
    folds = np.asarray((places % count)[first.reshape(-1)], np.int64)
    genuine = people[:, 0] == people[:, 1]
    if all(len(set(genuine[folds != name])) == 2 for name in set(folds)) and count > 1:
        return folds
    # With a handful of people the other folds can lack a kind of pair; then the pairs are distributed instead.
    for kind in (genuine, ~genuine):
        folds[kind] = np.arange(kind.sum()) % 10
    return folds
