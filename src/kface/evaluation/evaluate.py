"""Verification of a network on test sets: ``report.json`` and the ROC and DET plots."""

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kface.data.testsets import TestSet
from kface.errors import TrainingError
from kface.evaluation.reports import SCHEMA, SETS, read_report
from kface.evaluation.runs import About
from kface.files import write_json
from kface.progress import Progress
from kface.verification import Curve, VerificationReport, score_pairs, verify

__all__ = ["OWN", "SETS", "Embed", "evaluate", "raw_pixels", "read_report", "verify_set"]

#: The set whose people are of the corpus that was trained on: what training brought is measured there.
OWN = "kface"

#: Images between two steps of the progress.
BLOCK = 256

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
    scores = score_pairs(embed_all(embed, testset, progress), testset.pairs, testset.failed)
    with Progress(None, f"{testset.title}: intervals", enabled=progress and replicates > 0):
        return verify(scores, testset.genuine, testset.people[testset.pairs], testset.folds, replicates, seed)


def embed_all(embed: Embed, testset: TestSet, progress: bool = False) -> np.ndarray:
    """Return the embeddings of a test set's images, float32 (n, d)."""
    parts = []
    with Progress(len(testset.images), f"{testset.title}: embedding", "faces", enabled=progress) as shown:
        for start in range(0, len(testset.images), BLOCK):
            parts.append(embed(testset.images[start : start + BLOCK]))
            shown.update(len(parts[-1]))
    return np.concatenate(parts)


def evaluate(
    embed: Embed,
    testsets: Sequence[TestSet],
    run_dir: Path,
    about: About,
    before: Embed | None = None,
    replicates: int = 1000,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Any]:
    """Verify a network on test sets and write ``report.json``, ``roc.png`` and ``det.png``.

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

    Returns:
        The report; sets that were not given are None in it.

    Raises:
        KFaceError: A test set lacks genuine or impostor pairs.
        TrainingError: The run directory cannot be written.
    """
    results: dict[str, dict[str, Any] | None] = dict.fromkeys(SETS)
    curves: dict[str, Curve] = {}
    for testset in testsets:
        made = verify_set(embed, testset, replicates, seed, progress)
        pixels = verify_set(raw_pixels, testset, 0, seed)
        result = {
            "title": testset.title,
            "synthetic_sample": testset.synthetic,
            **made.to_dict(),
            "images": len(testset.images),
            "failed_to_acquire": int(testset.failed.sum()),
            "raw_pixels": {"accuracy": pixels.accuracy.value, "eer": pixels.eer.value},
        }
        if before is not None and testset.name == OWN:
            untrained = verify_set(before, testset, 0, seed, progress)
            result["before_training"] = {
                "accuracy": untrained.accuracy.value,
                "eer": untrained.eer.value,
                "eer_ratio": made.eer.value / untrained.eer.value if untrained.eer.value > 0 else None,
            }
        results[testset.name] = result
        curves[testset.title] = made.curve
    report = {
        "schema": SCHEMA,
        "made": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "run": about,
        "bootstrap": {"replicates": replicates, "over": "people", "seed": seed},
        "sets": results,
    }
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        write_json(run_dir / "report.json", report)
        if curves:
            _plot(curves, run_dir, heading(about))
    except OSError as error:
        raise TrainingError(
            f"the report cannot be written ({error.strerror or error})", run_dir, "make room and run kface evaluate"
        )
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
