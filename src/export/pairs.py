"""The pairs on which a bundle is measured: given real ones first, then those of the run's data set."""

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
from kface.evaluation import runs, test_sets

#: Test sets that name the person in each image, so that all pairs can be used; the others come with a list of pairs.
KNOWN_PEOPLE = ("kface", "lfw")
#: Descriptions of a set's own list of pairs, and of all pairs of its images.
OWN_LIST = "the pairs of"
ALL_PAIRS = "all pairs of"
#: Whether a network was trained on the people of a set: a run was not; for a network that was trained elsewhere this is
#: unknown.
UNSEEN, UNKNOWN = "unseen people, {}", "{} (whether these people were trained on is not known)"


class Material(NamedTuple):
    """Faces for judging networks.

    Attributes:
        sets: Test sets; thresholds are measured on the first.
        data_set: The run's data set, whose training split calibrates INT8; None without one.
    """

    sets: list[TestSet]
    data_set: DataSet | None

    def calibration(self, count: int, seed: int) -> np.ndarray:
        """Return faces for calibration, uint8 (n, 112, 112, 3), RGB: if possible not those of the test sets."""
        images = read_arrays(self.data_set, "train")[0] if self.data_set is not None else self._acquired()
        chosen = np.random.default_rng(seed).permutation(len(images))[:count]
        return np.asarray(images[chosen])

    def calibrated_on(self) -> str:
        """Return a description of the faces of the calibration."""
        if self.data_set is None:
            return f"faces of {self.sets[-1].title}"
        synthetic = bool(self.data_set.source.get("synthetic"))
        return "the training split of " + ("the synthetic sample" if synthetic else "the run's data set")

    def _acquired(self) -> np.ndarray:
        last = self.sets[-1]
        return np.asarray(last.images[~last.failed] if len(last.failed) else last.images)


def gather(job: ExportJob, run_dir: Path | None, otherwise: Callable[[], TestSet] | None = None) -> Material:
    """Load the test sets, the most important first.

    Given real pairs come first: LFW, AgeDB-30, CFP-FP. The run's own data set follows. For a foreign embedder the newest run's
    data set is used only if no pairs were given, so that the content of the output directory does not change the result.

    Args:
        job: The export.
        run_dir: The run's directory; None for a foreign embedder.
        otherwise: Makes faces for a foreign embedder if no pairs were given.

    Raises:
        ConfigError: No pairs are available.
        KFaceError: A test set cannot be read.
    """
    # Thresholds and precisions are judged on pairs of images, not of templates of several.
    given = [testset for testset in test_sets.photographs(job.evaluation) if testset.templates is None]
    if run_dir is None:
        if given:
            return Material(given, None)
        if otherwise is not None:
            return Material([otherwise()], None)
        try:
            run_dir = runs.newest_run(job.output_dir, None)
        except ConfigError:
            raise ConfigError(
                "no pairs of faces are available to judge the embedder on",
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
        # A run may have been copied here without its data set.
        if not given:
            raise
        print(f"export: the run's data set is not used: {error}")
        return Material(given, None)


def _with_own(given: list[TestSet], job: ExportJob, data_set: DataSet) -> list[TestSet]:
    """Return the test sets followed by the data set's own; raises ConfigError if there are none."""
    if job.evaluation.pairs is not None:
        return [*given, kface_set(data_set, job.evaluation.pairs, job.seed)]
    if not given:
        raise ConfigError(
            "null leaves no pairs to judge on", "evaluate.pairs", "give a number, or add evaluate.lfw=DIR"
        )
    return given


def threshold_pairs(testset: TestSet, impostors: int, seed: int, people: str = UNSEEN) -> tuple[np.ndarray, str]:
    """Return the pairs on which a threshold table is measured, and a description of them.

    A test set's own list is too short for small false match rates. If the set names the person in each image, all genuine
    pairs are used, with up to `impostors` impostor pairs drawn at random.

    Args:
        testset: The test set.
        impostors: Most impostor pairs.
        seed: Of the draw.
        people: What is known of its people, as a template around its title: :data:`UNSEEN`, :data:`UNKNOWN` or the like.

    Returns:
        int64 (m, 2), indices of its images; the description.
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
    # The title of a run's own set already says that its people are unseen.
    title = testset.title if people == UNSEEN else testset.title.removeprefix("unseen ")
    return np.concatenate([*genuine, drawn]).astype(np.int64), f"{ALL_PAIRS} {people.format(title)}"


def _impostors(images: np.ndarray, people: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Return at most `most` impostor pairs, without listing all of the millions of pairs."""
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
        # Encode each pair as one number, so that each is drawn once.
        found = np.unique(np.concatenate([found, low.astype(np.int64) * count + high]))
    found = np.sort(random.choice(found, most, replace=False))
    return np.stack([images[found // count], images[found % count]], axis=1)
