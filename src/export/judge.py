"""What an embedder of reduced precision loses, and gains: on pairs, in bytes and in time."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from export.timing import interleaved
from kface.verification import score_pairs, verify
from train.testsets import TestSet

#: TAR is compared at these FARs, where the pairs can carry them.
FARS = (1e-2, 1e-3)

#: float32 (n, 3, h, w) -> (n, d).
Run = Callable[[np.ndarray], np.ndarray]


class Change(NamedTuple):
    """One test set: its title, and (before, after) of the equal error rate and of TAR by FAR, from 0 to 1."""

    title: str
    eer: tuple[float, float]
    tar: dict[float, tuple[float, float]]

    @property
    def loss(self) -> float:
        """The largest loss in EER or in TAR at FAR 1e-2; below 0 where it became better in both."""
        worse = [self.eer[1] - self.eer[0]]
        worse += [before - after for far, (before, after) in self.tar.items() if far == FARS[0]]
        return max(worse)


class Verdict(NamedTuple):
    """What became of an embedder.

    Attributes:
        file: Its name.
        changes: On each test set.
        size: Bytes before and after.
        speed_up: By batch size, how many times faster it is (below 1: slower), both on the same runtime here.
        allowed: Largest loss that is accepted.
    """

    file: str
    changes: tuple[Change, ...]
    size: tuple[int, int]
    speed_up: dict[int, float]
    allowed: float

    @property
    def accepted(self) -> bool:
        """Whether it loses no more than is allowed, on every test set."""
        return all(change.loss <= self.allowed for change in self.changes)

    def figures(self) -> dict[str, Any]:
        """Return the figures that a bundle's manifest keeps: numbers by what they are."""
        found: dict[str, Any] = {
            "share of the size": round(self.size[1] / self.size[0], 3),
            "largest loss": round(max(change.loss for change in self.changes), 5),
            "allowed loss": self.allowed,
        }
        for batch, ratio in self.speed_up.items():
            found[f"speed-up at batch {batch}"] = round(ratio, 2)
        for change in self.changes:
            found[f"EER on {change.title}"] = round(change.eer[1], 5)
            found[f"EER of full precision on {change.title}"] = round(change.eer[0], 5)
        return found

    def lines(self) -> list[str]:
        """Return the verdict as plain text."""
        ratios = ", ".join(f"{ratio:.2f} times the speed at batch {batch}" for batch, ratio in self.speed_up.items())
        made = [f"{self.file}: {self.size[1] / 1e6:.1f} of {self.size[0] / 1e6:.1f} MB, {ratios}"]
        for change in self.changes:
            tars = "".join(
                f", TAR at FAR {far:.0e} {100 * before:.1f} -> {100 * after:.1f} %"
                for far, (before, after) in change.tar.items()
            )
            made.append(f"  {change.title}: EER {100 * change.eer[0]:.2f} -> {100 * change.eer[1]:.2f} %{tars}")
        if not self.accepted:
            loss = 100 * max(change.loss for change in self.changes)
            made.append(
                f"  refused: it loses {loss:.1f} points where {100 * self.allowed:.1f} are allowed (precision.allowed_loss)"
            )
        return made


def judge(
    file: str,
    before: Run,
    after: Run,
    sets: Sequence[tuple[TestSet, np.ndarray]],
    size: tuple[int, int],
    allowed: float,
    seconds: float = 3.0,
) -> Verdict:
    """Compare two embedders on test sets.

    Args:
        file: Name of the second one.
        before: The embedder of full precision.
        after: The other, on the same runtime.
        sets: Test sets with their faces as both want them, float32 (n, 3, h, w).
        size: Bytes of the two.
        allowed: Largest loss that is accepted, in EER and in TAR at FAR 1e-2, from 0 to 1.
        seconds: How long to measure the speed at each batch size.
    """
    changes = []
    for testset, inputs in sets:
        reports = []
        for run in (before, after):
            embeddings = np.concatenate([run(inputs[start : start + 32]) for start in range(0, len(inputs), 32)])
            scores = score_pairs(embeddings.reshape(len(inputs), -1), testset.pairs, testset.failed)
            reports.append(verify(scores, testset.genuine, testset.people[testset.pairs], testset.folds, replicates=0))
        tar: dict[float, tuple[float, float]] = {}
        for far in FARS:
            first, second = reports[0].tar[far], reports[1].tar[far]
            if first is not None and second is not None:
                tar[far] = (first.value, second.value)
        changes.append(Change(testset.title, (reports[0].eer.value, reports[1].eer.value), tar))
    speed_up = {}
    faces = sets[0][1]
    for batch in (1, 8):
        some = faces[:batch]
        times = interleaved({"before": lambda: before(some), "after": lambda: after(some)}, 5, seconds)  # noqa: B023
        speed_up[batch] = times["before"] / times["after"]
    return Verdict(file, tuple(changes), size, speed_up, allowed)
