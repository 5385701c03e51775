"""Judges an embedder of reduced precision: its accuracy on pairs, its size and its speed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from export import paired
from kface.bundle.manifest import PRECISIONS
from kface.data.testsets import TestSet
from kface.errors import KFaceError
from kface.networks import RUNTIMES, open_network, runtimes
from kface.timing import interleaved, medians
from kface.verification import score_pairs, verify
from kface.verification.bootstrap import Interval

#: TAR is compared at these FARs, if there are enough pairs.
FARS = (1e-2, 1e-3)
#: Smallest ratio of speeds that is more than noise.
FASTER = 1.05
#: Batches that are timed.
BATCHES = (1, 8)


class AccuracyChange(NamedTuple):
    """The change of accuracy on one test set.

    Attributes:
        title: Its title.
        eer: The equal error rate before and after, from 0 to 1.
        tar: TAR before and after, by FAR.
        eer_interval: 95 % interval of the loss in EER, over people; None if it was not computed.
        tar_interval: The same of the loss in TAR at FAR 1e-2.
    """

    title: str
    eer: tuple[float, float]
    tar: dict[float, tuple[float, float]]
    eer_interval: Interval | None = None
    tar_interval: Interval | None = None

    @property
    def loss(self) -> float:
        """The largest loss in EER or in TAR at FAR 1e-2; below 0 if both improved."""
        worse = [self.eer[1] - self.eer[0]]
        worse += [before - after for far, (before, after) in self.tar.items() if far == FARS[0]]
        return max(worse)

    @property
    def largest_loss(self) -> float:
        """The upper end of the losses' intervals; the loss itself without intervals."""
        ends = [one.high for one in (self.eer_interval, self.tar_interval) if one is not None]
        return max([self.loss, *ends])


class Verdict(NamedTuple):
    """The verdict on an embedder.

    Attributes:
        file: Its name.
        changes: On each test set, the most important first.
        size: Bytes before and after.
        speed_up: Ratio of speeds on this machine by runtime and batch size; below 1 it is slower.
        allowed: Largest acceptable loss.
        asked: Whether it was requested even if it is slower.
    """

    file: str
    changes: tuple[AccuracyChange, ...]
    size: tuple[int, int]
    speed_up: dict[tuple[str, int], float]
    allowed: float
    asked: bool = True

    @property
    def exact(self) -> bool:
        """Whether its loss is within the allowed one with certainty, on every test set."""
        return all(change.largest_loss <= self.allowed for change in self.changes)

    @property
    def useful(self) -> bool:
        """Whether it was requested, or is faster with an installed runtime."""
        return self.asked or any(ratio >= FASTER for ratio in self.speed_up.values())

    @property
    def accepted(self) -> bool:
        """Whether it is bundled."""
        return self.exact and self.useful

    def figures(self) -> dict[str, Any]:
        """Return the figures for a bundle's manifest, by name."""
        found: dict[str, Any] = {
            "share of the size": round(self.size[1] / self.size[0], 3),
            "largest loss": round(max(change.loss for change in self.changes), 5),
            "largest loss (95 % interval)": round(max(change.largest_loss for change in self.changes), 5),
            "allowed loss": self.allowed,
        }
        for (runtime, batch), ratio in self.speed_up.items():
            found[f"speed-up by {runtime} at batch {batch}"] = round(ratio, 2)
        for change in self.changes:
            found[f"EER on {change.title}"] = round(change.eer[1], 5)
            found[f"EER of full precision on {change.title}"] = round(change.eer[0], 5)
        return found

    def lines(self) -> list[str]:
        """Return the verdict as plain text."""
        ratios = [
            f"{ratio:.2f} times the speed with {runtime} at batch {batch}"
            for (runtime, batch), ratio in self.speed_up.items()
        ]
        made = [", ".join([f"{self.file}: {self.size[1] / 1e6:.1f} of {self.size[0] / 1e6:.1f} MB", *ratios])]
        for change in self.changes:
            tars = "".join(
                f", TAR at FAR {far:.0e} {100 * before:.1f} -> {100 * after:.1f} %"
                for far, (before, after) in change.tar.items()
            )
            made.append(f"  {change.title}: EER {100 * change.eer[0]:.2f} -> {100 * change.eer[1]:.2f} %{tars}")
        if not self.exact:
            loss = 100 * max(change.loss for change in self.changes)
            most = 100 * max(change.largest_loss for change in self.changes)
            upper = f" (95 % interval: up to {most:.1f})" if most > loss else ""
            advice = "; use more pairs: evaluate.lfw=DIR" if loss <= 100 * self.allowed else ""
            made.append(
                f"  refused: it loses {loss:.1f} points{upper}, more than the allowed {100 * self.allowed:.1f} "
                f"(precision.allowed_loss){advice}"
            )
        elif not self.useful:
            name = self.file.split(".")[1]
            made.append(
                f"  not bundled: it is no faster than full precision here; precision.{name}=true bundles it anyway"
            )
        return made


def judge(
    file: str,
    sets: Sequence[tuple[TestSet, np.ndarray, np.ndarray]],
    size: tuple[int, int],
    allowed: float,
    speed_up: dict[tuple[str, int], float] | None = None,
    replicates: int = 200,
    seed: int = 0,
    asked: bool = True,
) -> Verdict:
    """Compare two embedders on test sets.

    Args:
        file: Name of the second one.
        sets: Test sets with their faces' embeddings by either embedder, (n, d).
        size: Bytes of the two.
        allowed: Largest acceptable loss, in EER and in TAR at FAR 1e-2, from 0 to 1.
        speed_up: Of :func:`speed`.
        replicates: Draws of people for the losses' intervals; 0 to judge by the losses alone.
        seed: Of the draws.
        asked: Whether it was requested even if it is slower.
    """
    changes = []
    for testset, *both in sets:
        genuine, people = testset.genuine, testset.people[testset.pairs]
        scores = [score_pairs(embeddings, testset.pairs, testset.failed) for embeddings in both]
        reports = [verify(one, genuine, people, testset.folds, replicates=0) for one in scores]
        tar: dict[float, tuple[float, float]] = {}
        for far in FARS:
            first, second = reports[0].tar[far], reports[1].tar[far]
            if first is not None and second is not None:
                tar[far] = (first.value, second.value)
        change = AccuracyChange(testset.title, (reports[0].eer.value, reports[1].eer.value), tar)
        if replicates:
            far_ = FARS[0] if FARS[0] in tar else None
            found = paired.differences(scores[0], scores[1], genuine, people, replicates, seed, far_)
            change = change._replace(eer_interval=paired.interval(found.eer), tar_interval=paired.interval(found.miss))
        changes.append(change)
    return Verdict(file, tuple(changes), size, speed_up or {}, allowed, asked)


def timed() -> list[str]:
    """Return the installed runtimes that are timed: those on a CPU that compute every precision correctly."""
    return [name for name in runtimes(".onnx", gpu=False) if set(PRECISIONS) <= set(RUNTIMES[name].precisions)]


def speed(before: Path, after: Path, inputs: np.ndarray, seconds: float) -> dict[tuple[str, int], float]:
    """Return the second file's speed relative to the first, by runtime and batch size.

    Args:
        before: The embedder of full precision.
        after: The other embedder.
        inputs: float32, at least eight preprocessed faces.
        seconds: Duration of each measurement.
    """
    found: dict[tuple[str, int], float] = {}
    for runtime in timed():
        try:
            networks = [open_network(path, runtime) for path in (before, after)]
            for batch in BATCHES:
                calls: dict[str, Callable[[], Any]] = {
                    str(number): lambda network=network, some=inputs[:batch]: network.run(some)  # type: ignore[misc]
                    for number, network in enumerate(networks)
                }
                times = medians(interleaved(calls, 5, seconds))
                found[runtime, batch] = times["0"] / times["1"]
        # A runtime that cannot read it is not timed.
        except KFaceError:
            continue
    return found
