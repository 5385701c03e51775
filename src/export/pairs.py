"""The pairs that a bundle is measured on: real ones that were given before those of a run's data set."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from export.settings import ExportJob
from kface.data.dataset import DatasetManifest as DataSet
from kface.data.dataset import load as load_data_set
from kface.data.dataset import read_arrays
from kface.data.testsets import TestSet, kface_set
from kface.errors import ConfigError, KFaceError
from kface.evaluation import runs
from train import stages

#: Test sets in which it is known who is in each image, so that all their pairs can be used; the others have their lists.
KNOWN_PEOPLE = ("kface", "lfw")
#: What is said of a set's own list of pairs, and of all pairs of its images.
OWN_LIST = "the pairs of"
ALL_PAIRS = "all pairs of"
#: What is known of whether a network was trained on the people of a set: a run's was not; of one that was trained
#: elsewhere nobody here knows.
UNSEEN, UNKNOWN = "unseen people, {}", "{} (whether these people were trained on is not known)"


class Material(NamedTuple):
    """Faces to judge on.

    Attributes:
        sets: Test sets; the first is the one that thresholds are measured on.
        data_set: The run's, whose training split calibrates INT8; None where there is none.
    """

    sets: list[TestSet]
    data_set: DataSet | None

    def calibration(self, count: int, seed: int) -> np.ndarray:
        """Return faces to calibrate on, uint8 (n, 112, 112, 3), RGB: not those of the judgement, where there are others."""
        images = read_arrays(self.data_set, "train")[0] if self.data_set is not None else self._acquired()
        chosen = np.random.default_rng(seed).permutation(len(images))[:count]
        return np.asarray(images[chosen])

    def calibrated_on(self) -> str:
        """Return what the faces of the calibration are, in words."""
        if self.data_set is None:
            return f"faces of {self.sets[-1].title}"
        synthetic = bool(self.data_set.source.get("synthetic"))
        return "the training split of " + ("the synthetic sample" if synthetic else "the run's data set")

    def _acquired(self) -> np.ndarray:
        last = self.sets[-1]
        return np.asarray(last.images[~last.failed] if len(last.failed) else last.images)


def gather(job: ExportJob, run_dir: Path | None, otherwise: Callable[[], TestSet] | None = None) -> Material:
    """Load the test sets, in the order of their weight.

    Real pairs that were given come first: LFW, AgeDB-30, CFP-FP. A run's own data set follows. For a foreign embedder the
    newest run's data set is only looked for where no pairs were given, so that what lies in the output directory does not
    change what is measured.

    Args:
        job: The export.
        run_dir: The run's directory; None for a foreign embedder.
        otherwise: Makes faces for a foreign embedder where no pairs were given.

    Raises:
        ConfigError: There are no pairs at all.
        KFaceError: A test set cannot be read.
    """
    given = stages.photographs(job.evaluation)
    if run_dir is None:
        if given:
            return Material(given, None)
        if otherwise is not None:
            return Material([otherwise()], None)
        try:
            run_dir = runs.newest_run(job.output_dir, None)
        except ConfigError:
            raise ConfigError(
                "there are no pairs of faces to judge the embedder on",
                "evaluate",
                "add evaluate.lfw=DIR, or train a run first",
            )
        data_set = load_data_set(runs.data_set_of(run_dir, runs.read_about(run_dir), job.evaluation.data_dir))
        return Material(_with_own([], job, data_set), data_set)
    about = runs.read_about(run_dir)
    try:
        data_set = load_data_set(runs.data_set_of(run_dir, about, job.evaluation.data_dir))
        return Material(_with_own(given, job, data_set), data_set)
    except KFaceError as error:
        # A run may have come here without its data set.
        if not given:
            raise
        print(f"export: without the data set of the run: {error}")
        return Material(given, None)


def _with_own(given: list[TestSet], job: ExportJob, data_set: DataSet) -> list[TestSet]:
    """Return the test sets with the data set's own behind them; raises ConfigError where there are none at all."""
    if job.evaluation.pairs is not None:
        return [*given, kface_set(data_set, job.evaluation.pairs, job.seed)]
    if not given:
        raise ConfigError(
            "null leaves no pairs to judge on", "evaluate.pairs", "give a number, or add evaluate.lfw=DIR"
        )
    return given


def threshold_pairs(testset: TestSet, impostors: int, seed: int, people: str = UNSEEN) -> tuple[np.ndarray, str]:
    """Return the pairs that a threshold table is measured on, and what they are in words.

    A test set's own list is too short for small false match rates; where it is known who is in the images, all genuine
    pairs are taken and so many impostor pairs, drawn at random.

    Args:
        testset: The test set.
        impostors: Most impostor pairs.
        seed: Of the draw.
        people: What is known of its people, around its title: :data:`UNSEEN`, :data:`UNKNOWN` or the like.

    Returns:
        int64 (m, 2), indices of its images; the words.
    """
    failed = testset.failed if len(testset.failed) else np.zeros(len(testset.images), bool)
    if testset.name not in KNOWN_PEOPLE:
        kept = testset.pairs[~failed[testset.pairs].any(axis=1)]
        return kept, f"{OWN_LIST} {testset.title}"
    images = np.flatnonzero(~failed)
    who = testset.people[images]
    genuine = []
    for person in np.unique(who):
        own = images[who == person]
        first, second = np.triu_indices(len(own), 1)
        genuine.append(np.stack([own[first], own[second]], axis=1))
    drawn = _impostors(images, who, impostors, seed)
    # A run's own set is called after what its people are to that run.
    title = testset.title if people == UNSEEN else testset.title.removeprefix("unseen ")
    return np.concatenate([*genuine, drawn]).astype(np.int64), f"{ALL_PAIRS} {people.format(title)}"


def _impostors(images: np.ndarray, people: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Return impostor pairs, all or as many as are wanted, without listing the millions there are."""
    count = len(images)
    total = count * (count - 1) // 2
    same = sum(n * (n - 1) // 2 for n in np.unique(people, return_counts=True)[1])
    if total - same <= most or total <= 2 * most:
        first, second = np.triu_indices(count, 1)
        other = np.flatnonzero(people[first] != people[second])
        if len(other) > most:
            other = np.sort(np.random.default_rng(seed).choice(other, most, replace=False))
        return np.stack([images[first[other]], images[second[other]]], axis=1)
    random = np.random.default_rng(seed)
    found = np.zeros(0, np.int64)
    while len(found) < most:
        first, second = random.integers(0, count, (2, 2 * most))
        fits = people[first] != people[second]
        low, high = np.minimum(first, second)[fits], np.maximum(first, second)[fits]
        # Numbers stand for pairs, so that each is drawn once.
        found = np.unique(np.concatenate([found, low.astype(np.int64) * count + high]))
    found = np.sort(random.choice(found, most, replace=False))
    return np.stack([images[found // count], images[found % count]], axis=1)
