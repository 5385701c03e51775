"""Pairs among the people in the test split of a K-Face data set, who are never trained on."""

from pathlib import Path

import numpy as np

from kface.data.dataset import DatasetManifest, read_arrays
from kface.data.layout import Capture
from kface.data.protocols import make_pairs, read_pairs
from kface.data.testsets.base import TestSet
from kface.errors import ProtocolError


def kface_set(manifest: DatasetManifest, pairs: int | str | Path = 6000, seed: int = 0) -> TestSet:
    """Return the test set of a data set.

    Args:
        manifest: The data set.
        pairs: Number of pairs to draw, half of them genuine; or a file of pairs in mixface's format.
        seed: Of the draw.

    Raises:
        ProtocolError: The test split has too few people or images, or lacks an image that the file names.
    """
    images, captures = read_arrays(manifest, "test")
    rows, people = choose(manifest, captures, pairs, seed)
    synthetic = bool(manifest.source.get("synthetic"))
    title = "K-Face-shaped synthetic sample" if synthetic else "K-Face"
    if manifest.source.get("layout", "kface") != "kface":
        title = f"unseen people of {manifest.source['name']}"
    return TestSet(
        name="kface",
        title=title,
        images=images,
        pairs=rows,
        people=people,
        failed=np.zeros(len(images), bool),
        synthetic=synthetic,
    )


def choose(
    manifest: DatasetManifest, captures: list[Capture], pairs: int | str | Path, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the pairs of :func:`kface_set`: int64 (m, 2), indices of the captures; int64 (n,), the person in each of them."""
    captures = _distinct(captures)
    index = {capture: number for number, capture in enumerate(captures)}
    if isinstance(pairs, int):
        chosen = make_pairs(captures, pairs, seed=seed, train=manifest.subjects("train"))
    else:
        chosen = list(read_pairs(str(pairs)))
    rows = []
    for pair in chosen:
        for capture in (pair.a, pair.b):
            if capture not in index:
                raise ProtocolError(
                    "is not in the data set's test split", capture.path(), "see its manifest for refusals"
                )
        rows.append((index[pair.a], index[pair.b]))
    names = {subject: number for number, subject in enumerate(sorted({capture.subject for capture in captures}))}
    people = np.array([names[capture.subject] for capture in captures], np.int64)
    return np.array(rows, np.int64).reshape(-1, 2), people


def _distinct(captures: list[Capture]) -> list[Capture]:
    """Number the images of a person where a corpus has no conditions that would tell them apart."""
    if len(set(captures)) == len(captures):
        return captures
    seen: dict[str, int] = {}
    numbered = []
    for capture in captures:
        seen[capture.subject] = seen.get(capture.subject, 0) + 1
        numbered.append(capture._replace(camera=seen[capture.subject]))
    return numbered
