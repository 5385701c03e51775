"""Every probe against the enrolments: genuine pairs, and impostor pairs by a policy."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from kface.errors import ConfigError, ModelError
from kface.kisa.conditions import CONDITIONS, Category, Condition
from kface.kisa.templates import KisaTemplates
from kface.progress import Progress

#: The score of a pair one of whose images has no template: a non-match at every threshold above it.
FAILED_SCORE: Final = -1.0
#: Which impostor pairs are compared.
POLICIES: Final = ("full_cross", "one_direction", "random")
#: Scores that are computed at once; bounds the memory at 4 MiB a block besides the templates.
BLOCK: Final = 1 << 20
#: How far rounding may take a similarity above 1 or below -1.
ROUNDING: Final = 1e-3

#: Scores templates, uint8 (n, size) and (m, size), against each other: float32 (n, m).
Scorer = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class PairPolicy:
    """Which impostor pairs are compared; genuine pairs are each probe against its own person's enrolment.

    Attributes:
        impostors: ``full_cross``: each probe against all other people's enrolments, 500 x 499 x n in the full form.
            ``one_direction``: each two people once, the probes of the one that comes later in the sorted names against the
            earlier one's enrolment, half as many. ``random``: `pairs` of the full cross in each category, drawn without
            replacement.
        pairs: How many, for ``random``.
        seed: Of the draw.
    """

    impostors: str = "full_cross"
    pairs: int = 100_000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.impostors not in POLICIES:
            raise ConfigError(
                f"must be one of {', '.join(POLICIES)}, not {self.impostors!r}",
                "pairs.impostors",
            )

    def compared(self, owners: np.ndarray, categories: np.ndarray, people: int) -> np.ndarray:
        """Return bool (n, people): which cells of the score matrix are impostor pairs of this policy.

        Args:
            owners: Integers (n,), the person of each probe.
            categories: (n,), the category of each probe: ``random`` draws in each.
            people: How many enrolments there are.
        """
        columns = np.arange(people)[None, :]
        if self.impostors == "one_direction":
            return np.asarray(owners[:, None] > columns)
        cells = np.asarray(owners[:, None] != columns)
        if self.impostors == "full_cross":
            return cells
        random = np.random.RandomState(self.seed)
        chosen = np.zeros_like(cells)
        # In the order of the categories, not of their numbers in some set: the same seed draws the same pairs.
        for category in sorted(set(categories.tolist())):
            there = np.flatnonzero(cells & (categories == category)[:, None])
            some = there if len(there) <= self.pairs else random.choice(there, self.pairs, replace=False)
            chosen.reshape(-1)[some] = True
        return chosen


@dataclass(frozen=True)
class KisaScores:
    """All scores of a test, or those of some probes.

    Attributes:
        scores: float32 (n, p), each of n probes against the enrolments of p people; :data:`FAILED_SCORE` where one of the
            two has no template.
        owners: int64 (n,), which of the p people each probe shows.
        conditions: int64 (n,), the place of each probe's condition in :data:`~kface.kisa.conditions.CONDITIONS`.
        images: int64 (n,), the number of each probe in the data base's images.
        compared: bool (n, p), the impostor pairs.
        probe_failed: bool (n,).
        enrolment_failed: bool (p,).
    """

    scores: np.ndarray
    owners: np.ndarray
    conditions: np.ndarray
    images: np.ndarray
    compared: np.ndarray
    probe_failed: np.ndarray
    enrolment_failed: np.ndarray

    @property
    def probes(self) -> int:
        """How many probes there are."""
        return len(self.owners)

    @property
    def people(self) -> int:
        """How many people are enrolled."""
        return self.scores.shape[1]

    @property
    def genuine(self) -> np.ndarray:
        """float32 (n,), the score of each probe with its own enrolment."""
        return np.asarray(self.scores[np.arange(self.probes), self.owners])

    @property
    def genuine_failed(self) -> np.ndarray:
        """Bool (n,), whether a genuine pair lacks a template."""
        return np.asarray(self.probe_failed | self.enrolment_failed[self.owners])

    @property
    def failed(self) -> np.ndarray:
        """Bool (n, p), whether a pair lacks a template."""
        return np.asarray(self.probe_failed[:, None] | self.enrolment_failed[None, :])

    def rows(self, which: np.ndarray) -> "KisaScores":
        """Return the probes that a mask or an index array selects; all enrolments stay."""
        return KisaScores(
            self.scores[which],
            self.owners[which],
            self.conditions[which],
            self.images[which],
            self.compared[which],
            self.probe_failed[which],
            self.enrolment_failed,
        )

    def of_category(self, category: Category) -> "KisaScores":
        """Return a category's probes."""
        places = [number for number, condition in enumerate(CONDITIONS) if condition.category is category]
        return self.rows(np.isin(self.conditions, places))

    def of_condition(self, condition: Condition) -> "KisaScores":
        """Return a condition's probes."""
        return self.rows(self.conditions == condition.place)


@dataclass(frozen=True)
class Matching:
    """What came out of the comparisons, and what they took.

    Attributes:
        scores: The scores.
        seconds: That the comparisons took.
        comparisons: How many scores were computed.
        peak_bytes: The most memory that the process has had so far, in bytes.
    """

    scores: KisaScores
    seconds: float
    comparisons: int
    peak_bytes: int


def match(templates: KisaTemplates, scorer: Scorer, policy: PairPolicy, progress: bool = True) -> Matching:
    """Compare every probe with every enrolment, block by block.

    Args:
        templates: Of a data base, see :func:`kface.kisa.templates.make_templates`.
        scorer: The engine's.
        policy: Which impostor pairs count.
        progress: Whether to show progress bars.

    Raises:
        ModelError: A similarity is not a number from -1 to 1.
    """
    database = templates.database
    people = {person: number for number, person in enumerate(database.people)}
    categories = np.array([image.category is Category.ENROLMENT for image in database.images])
    enrolments, probes = np.flatnonzero(categories), np.flatnonzero(~categories)
    owners = np.array([people[database.images[number].person] for number in probes], np.int64)
    conditions = np.array([database.images[number].condition.place for number in probes], np.int64)
    of_category = np.array([database.images[number].category.value for number in probes])
    # An enrolment a person, in the order of the people.
    enrolments = enrolments[np.argsort([people[database.images[number].person] for number in enrolments])]
    began = time.perf_counter()
    scores = np.full((len(probes), len(enrolments)), FAILED_SCORE, np.float32)
    good_enrolments = np.flatnonzero(~templates.failed[enrolments])
    against = templates.data[enrolments[good_enrolments]]
    good = np.flatnonzero(~templates.failed[probes])
    step = max(1, BLOCK // max(len(against), 1))
    with Progress(len(good), "matching", "probes", enabled=progress) as shown:
        for start in range(0, len(good), step):
            some = good[start : start + step]
            if len(against):
                found = np.asarray(scorer(templates.data[probes[some]], against), np.float32)
                scores[some[:, None], good_enrolments[None, :]] = _checked(found)
            shown.update(len(some))
    np.clip(scores, FAILED_SCORE, 1, out=scores)
    seconds = time.perf_counter() - began
    made = KisaScores(
        scores,
        owners,
        conditions,
        probes,
        policy.compared(owners, of_category, len(enrolments)),
        templates.failed[probes],
        templates.failed[enrolments],
    )
    return Matching(made, seconds, len(good) * len(against), peak_bytes())


def _checked(scores: np.ndarray) -> np.ndarray:
    """Return an engine's scores; one that is not a similarity would be sorted anywhere, and no rate would show it."""
    wrong = ~(np.abs(scores) <= 1 + ROUNDING)
    if wrong.any():
        raise ModelError(
            f"gave {int(wrong.sum())} similarities that are not numbers from -1 to 1, such as {scores[wrong][0]:g}",
            "the engine under test",
            "delete the templates in data_dir and check the bundle: kface check",
        )
    return scores


def peak_bytes() -> int:
    """Return the most memory that this process has had, in bytes; 0 where the system does not count it (Windows)."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return int(peak if sys.platform == "darwin" else peak * 1024)
