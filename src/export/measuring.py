"""Measures a bundle: embeddings of test sets, the threshold table, and the figures of the model card."""

from collections.abc import Callable
from typing import Any

import numpy as np

from export.pairs import threshold_pairs
from export.settings import ExportJob
from kface import bundle
from kface.data.testsets import TestSet
from kface.errors import ConfigError, KFaceError, ModelError
from kface.evaluation.foreign import Preprocessing
from kface.networks import Network
from kface.verification import score_pairs, verify

#: Faces at a time: a preprocessed test set takes four times its memory.
BLOCK = 32


def embed(network: Network, images: np.ndarray, preprocessing: Preprocessing, layout: str) -> np.ndarray:
    """Return float32 (n, d), the embeddings of uint8 (n, 112, 112, 3) RGB.

    Raises:
        ModelError: One is not finite.
    """
    parts = []
    for start in range(0, len(images), BLOCK):
        inputs = preprocessing.apply(images[start : start + BLOCK], layout)
        parts.append(next(iter(network.run(inputs).values())).reshape(len(inputs), -1).astype(np.float32))
    found = np.concatenate(parts)
    if not np.isfinite(found).all():
        raise ModelError("gives embeddings that are not finite", "the embedder", "export it in float32, for inference")
    return found


def complete(
    network: Network,
    images: np.ndarray,
    preprocessing: Preprocessing,
    layout: str,
    embeddings: np.ndarray,
    known: np.ndarray,
) -> np.ndarray:
    """Return the embeddings of all images, given those of some.

    Args:
        network: See :func:`embed`.
        images: uint8 (n, 112, 112, 3), RGB.
        preprocessing: See :func:`embed`.
        layout: See :func:`embed`.
        embeddings: float32 (n, d), by the same network.
        known: bool (n,), which of them are given.

    Raises:
        ModelError: One is not finite.
    """
    made = np.array(embeddings, np.float32)
    left = np.flatnonzero(~known)
    if len(left):
        made[left] = embed(network, images[left], preprocessing, layout)
    return made


def thresholds(
    job: ExportJob, testset: TestSet, embeddings: np.ndarray, known_of_people: str
) -> bundle.Thresholds | None:
    """Measure the threshold table on a test set; see :func:`export.pairs.threshold_pairs`.

    Args:
        job: The export.
        testset: The test set.
        embeddings: Of its images, (n, d).
        known_of_people: :data:`export.pairs.UNSEEN`, :data:`export.pairs.UNKNOWN` or the like.

    Returns:
        The table, or None, with a message printed, if the set has too few pairs.
    """
    pairs, source = threshold_pairs(testset, job.impostors, job.seed, known_of_people)
    people = testset.people[pairs]
    try:
        return bundle.measure(
            score_pairs(embeddings, pairs),
            people[:, 0] == people[:, 1],
            people,
            source=source,
            synthetic=testset.synthetic,
            replicates=job.replicates,
            seed=job.seed,
        )
    except ConfigError:
        raise
    except KFaceError as error:
        print(f"export: no threshold table: {error}")
        return None


def add_figures(
    training: dict[str, Any],
    given: list[tuple[TestSet, np.ndarray]],
    replicates: int,
    seed: int,
    log: Callable[[str], None] = print,
) -> None:
    """Add the figures of test sets to a report that lacks them, in place."""
    sets = training.get("sets")
    found: dict[str, Any] = dict(sets) if isinstance(sets, dict) else {}
    for testset, embeddings in given:
        if found.get(testset.name) is not None:
            continue
        scores = score_pairs(embeddings, testset.pairs, testset.failed if len(testset.failed) else None)
        people = testset.people[testset.pairs]
        try:
            report = verify(scores, testset.genuine, people, testset.folds, replicates, seed)
        except KFaceError as error:
            log(f"export: no figures for {testset.title}: {error}")
            continue
        found[testset.name] = {
            "title": testset.title,
            "synthetic_sample": testset.synthetic,
            **report.to_dict(),
            "images": len(testset.images),
            "failed_to_acquire": int(testset.failed.sum()),
        }
    training["sets"] = found
