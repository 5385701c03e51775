"""How far the DLL agrees with the library on Linux: the same program on both, on the same images."""

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kface.errors import ModelError
from kface.library import read_template

#: How far similarities and landmarks of the two may lie apart, and which part of each may lie further: two versions of OpenCV
#: round differently, and a landmark moved by 0.001 px changes bytes of a dark crop. No similarity may lie further than this.
SIMILARITY = 1e-4
LANDMARK = 0.05
FURTHER = 0.01
FURTHEST_SIMILARITY = 1e-3
_MAGIC = b"KFACECMP"


class Enrolled(NamedTuple):
    """What one run of compare.c wrote, for n images.

    Attributes:
        cosine: The least of the self check.
        status: int32 (n,), what each enrolment returned.
        landmarks: float32 (n, 5, 2), x y in pixels.
        embeddings: float32 (n, d); zeros where one failed.
        matches: float64 (n, n), by kface_match.
        many: float32 (n, n), by kface_match_many.
        enrolment: Milliseconds an image.
        match: Milliseconds a pair.
    """

    cosine: float
    status: np.ndarray
    landmarks: np.ndarray
    embeddings: np.ndarray
    matches: np.ndarray
    many: np.ndarray
    enrolment: float
    match: float


def read(path: Path) -> Enrolled:
    """Read what compare.c wrote.

    Raises:
        ModelError: It is not that, or a template in it is damaged.
    """
    data = path.read_bytes()
    if data[:8] != _MAGIC or len(data) < 24:
        raise ModelError("is not what compare.c writes", path)
    count, size, cosine = struct.unpack_from("<iid", data, 8)
    row = 4 + 60 + size
    expected = 24 + count * row + count * count * 12 + 16
    if len(data) != expected:
        raise ModelError(f"has {len(data)} bytes, not {expected}", path)
    status, landmarks, embeddings = [], [], []
    for number in range(count):
        at = 24 + number * row
        status.append(struct.unpack_from("<i", data, at)[0])
        landmarks.append(np.frombuffer(data, "<f4", 10, at + 4 + 20).reshape(5, 2))
        embeddings.append(read_template(data[at + 64 : at + row]).embedding)
    at = 24 + count * row
    matches = np.frombuffer(data, "<f8", count * count, at).reshape(count, count)
    many = np.frombuffer(data, "<f4", count * count, at + matches.nbytes).reshape(count, count)
    times = struct.unpack_from("<dd", data, at + matches.nbytes + many.nbytes)
    return Enrolled(
        cosine, np.array(status, np.int32), np.array(landmarks), np.array(embeddings), matches, many, *times
    )


class Agreement(NamedTuple):
    """How far two runs agree.

    Attributes:
        images: How many there are.
        enrolled: How many both could enrol.
        statuses: How many images have other statuses.
        landmark: The largest difference of a landmark in pixels.
        further: Part of the landmarks that lie further apart than :data:`LANDMARK`.
        cosine: The least cosine of an image's two embeddings.
        similarity: The largest difference of a pair's two similarities.
        pairs_further: Part of the pairs whose similarities lie further apart than :data:`SIMILARITY`.
        many: The largest difference between kface_match and kface_match_many, on either system.
    """

    images: int
    enrolled: int
    statuses: int
    landmark: float
    further: float
    cosine: float
    similarity: float
    pairs_further: float
    many: float

    @property
    def good(self) -> bool:
        """Whether the two are the same library."""
        return (
            self.enrolled > 1
            and self.statuses == 0
            and self.further <= FURTHER
            and self.pairs_further <= FURTHER
            and self.similarity <= FURTHEST_SIMILARITY
            and self.many <= 1e-6
        )


def compare(first: Enrolled, second: Enrolled) -> Agreement:
    """Compare two runs on the same images.

    Raises:
        ModelError: They are of different numbers of images or lengths of embeddings.
    """
    if first.embeddings.shape != second.embeddings.shape:
        raise ModelError(
            f"{first.embeddings.shape} and {second.embeddings.shape} embeddings cannot be compared", "compare"
        )
    both = (first.status == 0) & (second.status == 0)
    apart = np.linalg.norm(first.landmarks[both] - second.landmarks[both], axis=-1)
    cosines = (first.embeddings[both].astype(np.float64) * second.embeddings[both]).sum(axis=1)
    between = np.abs(first.matches - second.matches)
    return Agreement(
        len(both),
        int(both.sum()),
        int((first.status != second.status).sum()),
        float(apart.max(initial=0)),
        float((apart > LANDMARK).mean()) if apart.size else 0.0,
        float(cosines.min(initial=1)),
        float(between.max()),
        float((between > SIMILARITY).mean()),
        float(max(np.abs(each.matches - each.many).max() for each in (first, second))),
    )
