"""Pairs among the people in the test split of a K-Face data set, who are never trained on."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kface.data.dataset import DatasetManifest, read, read_arrays
from kface.data.layout import Capture, parse
from kface.data.protocols import Pair, make_pairs, read_pairs
from kface.data.testsets.base import TestSet
from kface.data.testsets.references import references
from kface.errors import LayoutError, ProtocolError


class Chosen(NamedTuple):
    """Chosen pairs.

    Attributes:
        pairs: int64 (m, 2), numbers of captures.
        refused: Captures that the pairs name and the data set refused, because no face was found in them. They are
            numbered from the number of the test split's images on.
    """

    pairs: np.ndarray
    refused: tuple[Capture, ...] = ()


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
    captures = distinct(captures)
    return made(manifest, "kface", title_of(manifest), images, captures, choose(manifest, captures, pairs, seed))


def title_of(manifest: DatasetManifest) -> str:
    """Return what the people of a data set's test split are called."""
    if manifest.source.get("layout", "kface") != "kface":
        return f"unseen people of {manifest.source['name']}"
    return "K-Face-shaped synthetic sample" if manifest.source.get("synthetic") else "K-Face"


def made(
    manifest: DatasetManifest,
    name: str,
    title: str,
    images: np.ndarray,
    captures: Sequence[Capture],
    chosen: Chosen,
    note: str = "",
) -> TestSet:
    """Make a test set of a data set's images.

    Args:
        manifest: The data set.
        name: Its key in reports.
        title: Name for the reader.
        images: uint8 (n, 112, 112, 3), of the test split.
        captures: Where each is from.
        chosen: The pairs.
        note: See :class:`~kface.data.testsets.base.TestSet`.
    """
    everyone = [*captures, *chosen.refused]
    if chosen.refused:
        images = np.concatenate([images, np.zeros((len(chosen.refused), *images.shape[1:]), np.uint8)])
    kface = manifest.source.get("layout", "kface") == "kface"
    return TestSet(
        name=name,
        title=title,
        images=images,
        pairs=chosen.pairs,
        people=people_of(everyone),
        failed=np.arange(len(everyone)) >= len(captures),
        synthetic=bool(manifest.source.get("synthetic")),
        names=[capture.path() if kface else f"{capture.subject}, image {capture.camera}" for capture in everyone],
        known_people=True,
        enrolled=np.array(sorted(references(captures).values()), np.int64) if kface else None,
        note=note,
    )


def people_of(captures: Sequence[Capture]) -> np.ndarray:
    """Return a number for the person in each capture, int64 (n,)."""
    names = {subject: number for number, subject in enumerate(sorted({capture.subject for capture in captures}))}
    return np.array([names[capture.subject] for capture in captures], np.int64)


def choose(manifest: DatasetManifest, captures: list[Capture], pairs: int | str | Path, seed: int) -> Chosen:
    """Choose the pairs of :func:`kface_set` among its captures.

    Raises:
        ProtocolError: As :func:`kface_set`.
    """
    captures = distinct(captures)
    if isinstance(pairs, int):
        found = make_pairs(captures, pairs, seed=seed, train=manifest.subjects("train"))
    else:
        found = list(read_pairs(str(pairs)))
    return numbered(manifest, captures, found)


def numbered(manifest: DatasetManifest, captures: Sequence[Capture], pairs: Sequence[Pair]) -> Chosen:
    """Return pairs as numbers of captures; raises ProtocolError where the data set does not know an image."""
    index = {capture: number for number, capture in enumerate(captures)}
    missing = {capture for pair in pairs for capture in (pair.a, pair.b) if capture not in index}
    refused = tuple(sorted(missing & _refused(manifest))) if missing else ()
    index.update({capture: len(captures) + number for number, capture in enumerate(refused)})
    for capture in sorted(missing - set(refused)):
        raise ProtocolError("is not in the data set's test split", capture.path(), "see its manifest for refusals")
    rows = np.array([(index[pair.a], index[pair.b]) for pair in pairs], np.int64).reshape(-1, 2)
    return Chosen(rows, refused)


def _refused(manifest: DatasetManifest) -> set[Capture]:
    """Return the captures in which no face was found."""
    found = set()
    for refused in manifest.refused:
        try:
            found.add(parse(refused.path))
        except LayoutError:
            continue
    return found


def read_some(manifest: DatasetManifest, wanted: np.ndarray) -> np.ndarray:
    """Return some images of the test split, uint8 (k, 112, 112, 3), without holding the others in memory.

    Args:
        manifest: The data set.
        wanted: Integers (k,), their numbers, sorted.
    """
    images = None
    places = {int(number): place for place, number in enumerate(wanted)}
    for number, record in enumerate(read(manifest, "test")):
        if number in places:
            if images is None:
                images = np.empty((len(wanted), *record.image.shape), np.uint8)
            images[places[number]] = record.image
    return np.zeros((0, 112, 112, 3), np.uint8) if images is None else images


def distinct(captures: list[Capture]) -> list[Capture]:
    """Number the images of a person where a corpus has no conditions that would tell them apart."""
    if len(set(captures)) == len(captures):
        return captures
    seen: dict[str, int] = {}
    found = []
    for capture in captures:
        seen[capture.subject] = seen.get(capture.subject, 0) + 1
        found.append(capture._replace(camera=seen[capture.subject]))
    return found
