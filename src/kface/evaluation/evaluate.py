"""Verification of a network on test sets: ``report.json``, the scores of the pairs, and the plots."""

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kface.data.testsets import Templates, TestSet
from kface.data.testsets.kface_protocols import ConditionFaces
from kface.errors import TrainingError
from kface.evaluation.conditions import by_condition, described
from kface.evaluation.reports import SCHEMA, SETS, read_report
from kface.evaluation.runs import About
from kface.evaluation.score_files import write_scores
from kface.evaluation.settings import PROTOCOLS
from kface.files import write_atomic, write_json
from kface.progress import Progress
from kface.verification import Curve, VerificationReport, identify, score_pairs, verify

__all__ = ["OWN", "SETS", "Embed", "evaluate", "pool", "raw_pixels", "read_report", "verify_set"]

#: The set whose people are of the corpus that was trained on: what training brought is measured there.
OWN = "kface"

#: Images between two steps of the progress.
BLOCK = 256
#: Pairs of a set at most for which people are drawn.
MOST_RESAMPLED = 1_000_000

Embed = Callable[[np.ndarray], np.ndarray]


def raw_pixels(images: np.ndarray) -> np.ndarray:
    """Return grey 28x28 miniatures as embeddings, float32 (n, 784): what a trained network has to beat."""
    small = np.stack(
        [
            cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (28, 28), interpolation=cv2.INTER_AREA)
            for image in images
        ]
    )
    flat = small.reshape(len(images), -1).astype(np.float32)
    return np.asarray(flat - flat.mean(axis=1, keepdims=True), np.float32)


def verify_set(
    embed: Embed, testset: TestSet, replicates: int, seed: int, progress: bool = False
) -> VerificationReport:
    """Verify one network on one test set."""
    return _verify(score_set(Embeddings(embed, progress).of(testset), testset), testset, replicates, seed, progress)


def _verify(
    scores: np.ndarray, testset: TestSet, replicates: int, seed: int, progress: bool = False
) -> VerificationReport:
    # Drawing people for IJB's 15 million pairs would take hours, and its interval is narrow.
    replicates = replicates if len(scores) <= MOST_RESAMPLED else 0
    with Progress(None, f"{testset.title}: intervals", enabled=progress and replicates > 0):
        return verify(scores, testset.genuine, testset.people[testset.pairs], testset.folds, replicates, seed)


def score_set(embeddings: np.ndarray, testset: TestSet) -> np.ndarray:
    """Return the scores of a test set's pairs, float32 (m,); the embeddings are those of its images, (n, d)."""
    if testset.templates is None:
        return score_pairs(embeddings, testset.pairs, testset.failed)
    pooled, failed = pool(embeddings, testset.templates, testset.failed)
    return score_pairs(pooled, testset.pairs, failed)


def pool(embeddings: np.ndarray, templates: Templates, failed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return one embedding for each template: the mean within each medium, then the sum over the media (Whitelam et al., 2017).

    Args:
        embeddings: float32 (n, d), of any length; they count with length 1.
        templates: The images of each template.
        failed: bool (n,), images without a face, which are left out.

    Returns:
        float32 (t, d), of any length; bool (t,), templates without any face.
    """
    unit = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    kept = np.ones(len(templates.image), bool) if not len(failed) else ~failed[templates.image]
    image, template, medium = templates.image[kept], templates.template[kept], templates.medium[kept]
    groups, group = np.unique(np.stack([template, medium], axis=1), axis=0, return_inverse=True)
    group = group.reshape(-1)
    means = np.zeros((len(groups), unit.shape[1]), np.float64)
    np.add.at(means, group, unit[image])
    means /= np.bincount(group, minlength=len(groups))[:, None]
    pooled = np.zeros((templates.count, unit.shape[1]), np.float64)
    np.add.at(pooled, groups[:, 0], means)
    return pooled.astype(np.float32), ~np.isin(np.arange(templates.count), template)


class Embeddings:
    """Embeds the images of test sets; images that several sets share are embedded once.

    Args:
        embed: The network.
        progress: Whether to show a progress bar.
    """

    def __init__(self, embed: Embed, progress: bool = False) -> None:
        self._embed = embed
        self._progress = progress
        self._kept: list[tuple[np.ndarray, np.ndarray]] = []

    def of(self, testset: TestSet) -> np.ndarray:
        """Return the embeddings of a test set's images, float32 (n, d)."""
        return self.of_images(testset.images, testset.title)

    def of_images(self, images: np.ndarray, title: str) -> np.ndarray:
        """Return the embeddings of images, float32 (n, d); the title is for the progress bar."""
        for known, embeddings in self._kept:
            if known is images:
                return embeddings
        parts = []
        with Progress(len(images), f"{title}: embedding", "faces", enabled=self._progress) as shown:
            for start in range(0, len(images), BLOCK):
                parts.append(self._embed(images[start : start + BLOCK]))
                shown.update(len(parts[-1]))
        self._kept.append((images, np.concatenate(parts)))
        return self._kept[-1][1]


def evaluate(
    embed: Embed,
    testsets: Sequence[TestSet],
    run_dir: Path,
    about: About,
    before: Embed | None = None,
    replicates: int = 1000,
    seed: int = 0,
    progress: bool = False,
    conditions: ConditionFaces | None = None,
) -> dict[str, Any]:
    """Verify a network on test sets.

    Writes ``report.json``, ``roc.png``, ``det.png``, ``scores/<set>.npz``, and with `conditions` ``conditions.csv`` and
    ``conditions.png``.

    Args:
        embed: Maps uint8 (n, 112, 112, 3) RGB to float32 (n, d).
        testsets: Those that are there.
        run_dir: Takes the files.
        about: What the run is (backbone, loss, corpus, ...), kept in the report.
        before: The same network before its training; its EER on the corpus' own unseen people stands beside the trained
            one's.
        replicates: Draws of people for the intervals; 0 for none.
        seed: Of the draws.
        progress: Whether to report the progress.
        conditions: The images to compare by condition.

    Returns:
        The report; of Table 5's sets, those that were not given are None in it.

    Raises:
        KFaceError: A test set lacks genuine or impostor pairs.
        TrainingError: The run directory cannot be written.
    """
    results: dict[str, dict[str, Any] | None] = dict.fromkeys(SETS)
    curves: dict[str, Curve] = {}
    embeddings = Embeddings(embed, progress)
    pixels = Embeddings(raw_pixels)
    found = None
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        for testset in testsets:
            made, results[testset.name] = _result(
                embeddings, pixels, testset, run_dir, before, replicates, seed, progress
            )
            curves[testset.title] = made.curve
        if conditions is not None:
            found = _compare(embeddings, conditions, run_dir, heading(about), replicates, seed, progress)
        report = {
            "schema": SCHEMA,
            "made": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "run": about,
            "bootstrap": {"replicates": replicates, "over": "people", "seed": seed},
            "sets": results,
            **({} if found is None else {"conditions": found}),
        }
        write_json(run_dir / "report.json", report)
        if curves:
            _plot(curves, run_dir, heading(about))
    except OSError as error:
        raise TrainingError(
            f"the report cannot be written ({error.strerror or error})", run_dir, "make room and run kface evaluate"
        )
    return report


def _result(
    embeddings: Embeddings,
    pixels: Embeddings,
    testset: TestSet,
    run_dir: Path,
    before: Embed | None,
    replicates: int,
    seed: int,
    progress: bool,
) -> tuple[VerificationReport, dict[str, Any]]:
    """Verify on one test set, write its scores, and return its part of the report."""
    vectors = embeddings.of(testset)
    scores = score_set(vectors, testset)
    made = _verify(scores, testset, replicates, seed, progress)
    raw = _verify(score_set(pixels.of(testset), testset), testset, 0, seed)
    result: dict[str, Any] = {
        "title": testset.title,
        "synthetic_sample": testset.synthetic,
        **made.to_dict(),
        "images": len(testset.images),
        "failed_to_acquire": int(testset.failed.sum()),
        "raw_pixels": {"accuracy": raw.accuracy.value, "eer": raw.eer.value},
        "scores": write_scores(run_dir, testset, scores),
    }
    if testset.note:
        result["note"] = testset.note
    # Q1-Q4 are pairs of the same people as the data set's own.
    if testset.known_people and testset.name not in PROTOCOLS:
        with Progress(None, f"{testset.title}: 1:N", enabled=progress):
            identified = identify(vectors, testset.people, testset.failed, testset.enrolled, replicates, seed)
        result["identification"] = None if identified is None else identified.to_dict()
    if before is not None and testset.name == OWN:
        untrained = verify_set(before, testset, 0, seed, progress)
        result["before_training"] = {
            "accuracy": untrained.accuracy.value,
            "eer": untrained.eer.value,
            "eer_ratio": made.eer.value / untrained.eer.value if untrained.eer.value > 0 else None,
        }
    return made, result


def _compare(
    embeddings: Embeddings,
    faces: ConditionFaces,
    run_dir: Path,
    title: str,
    replicates: int,
    seed: int,
    progress: bool,
) -> dict[str, Any] | None:
    """Compare by condition, write the table and the picture, and return the report's part."""
    vectors = embeddings.of_images(faces.images, f"{faces.title}, by condition")
    with Progress(None, "by condition", enabled=progress):
        found = by_condition(vectors, faces.captures, replicates, seed)
        if found is None:
            return None
        write_atomic(run_dir / "conditions.csv", found.to_csv().encode())
        report = described(found, faces.title, faces.synthetic)
        try:
            from kface.evaluation.condition_plots import plot_conditions
        except ImportError as error:
            print(f"note: there is no picture of the conditions ({error}); run make setup")
            report["picture"] = None
        else:
            plot_conditions(found, run_dir / report["picture"], f"{title}, {found.people} people of {faces.title}")
    return report


def heading(about: About) -> str:
    """Return what a network is called in a plot's title."""
    return " ".join(value for value in (about.get("backbone"), about.get("loss")) if value)


def _plot(curves: dict[str, Curve], directory: Path, title: str) -> None:
    try:
        from kface.evaluation.plots import plot_det, plot_roc
    except ImportError as error:
        print(f"note: there are no plots ({error}); run make setup")
        return
    plot_roc(curves, directory / "roc.png", title)
    plot_det(curves, directory / "det.png", title)
