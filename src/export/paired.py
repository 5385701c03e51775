"""Compares two networks on the same pairs by a paired bootstrap.

Two networks err on mostly the same pairs, so that the difference of their error rates is far more precise than either rate.
"""

from typing import NamedTuple

import numpy as np

from kface.verification.bootstrap import BLOCK, Interval, Resampling
from kface.verification.curves import crossing, rank, rates, within


class Difference(NamedTuple):
    """The second network's error rates minus the first's, by replicate.

    Attributes:
        eer: float64 (r,), of the equal error rate.
        area: float64 (r,), of one minus the area under the ROC.
        miss: float64 (r,), of 1 - TAR at the given FAR; empty without one.
    """

    eer: np.ndarray
    area: np.ndarray
    miss: np.ndarray


def differences(
    first: np.ndarray,
    second: np.ndarray,
    genuine: np.ndarray,
    people: np.ndarray | None,
    replicates: int,
    seed: int = 0,
    far: float | None = None,
) -> Difference:
    """Return by how much a second network's error rates are higher, on draws of people or of pairs.

    Draw people if the answer should hold for other people; draw pairs if it is about these pairs.

    Args:
        first: (m,), similarities by the first network.
        second: (m,), by the second.
        genuine: bool (m,).
        people: Integers (m, 2), the two people of each pair; None to draw pairs.
        replicates: How many draws.
        seed: Of the draws.
        far: The false accept rate at which TAR is compared; None for none.
    """
    resampling = None if people is None else Resampling(people, replicates, seed)
    random = np.random.default_rng(seed)
    ranked = [rank(scores, genuine) for scores in (first, second)]
    found: dict[str, list[np.ndarray]] = {"eer": [], "area": [], "miss": []}
    for start in range(0, replicates, BLOCK):
        if resampling is None:
            # With many pairs, how often each is drawn follows a Poisson distribution.
            weights = random.poisson(1.0, (len(genuine), min(BLOCK, replicates - start))).astype(np.float64)
        else:
            weights = resampling.weights(start, start + BLOCK)
        both = [rates(one, weights) for one in ranked]
        eers = [crossing(*one) for one in both]
        found["eer"].append(eers[1] - eers[0])
        areas = [_missing_area(*one) for one in both]
        found["area"].append(areas[1] - areas[0])
        if far is not None:
            tars = [within(*one, far) for one in both]
            found["miss"].append(tars[0] - tars[1])
    made = {key: np.concatenate(values) if values else np.zeros(0) for key, values in found.items()}
    return Difference(**{key: values[np.isfinite(values)] for key, values in made.items()})


def interval(values: np.ndarray, level: float = 0.95) -> Interval | None:
    """Return the central interval of replicates; None without any."""
    if not len(values):
        return None
    tail = 50 * (1 - level)
    low, high = np.percentile(values, [tail, 100 - tail])
    return Interval(float(low), float(high))


def _missing_area(fmr: np.ndarray, fnmr: np.ndarray) -> np.ndarray:
    steps = np.diff(fmr, axis=0)
    return np.asarray(np.sum(steps * (fnmr[1:] + fnmr[:-1]) / 2, axis=0))
