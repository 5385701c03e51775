"""What goes into a gallery and comes out of it."""

import datetime
from typing import NamedTuple, Optional

import numpy as np

from kface.errors import GalleryError
from kface.gallery.names import LONGEST_NAME, clean_name

__all__ = [
    "LONGEST_NAME",
    "Damage",
    "Imported",
    "Match",
    "Person",
    "Reenrolled",
    "Template",
    "clean_name",
    "now",
    "unit",
]


class Person(NamedTuple):
    """An enrolled person.

    Attributes:
        id: 32 hexadecimal digits, never used again.
        name: As it was given, see :func:`clean_name`.
        templates: How many the person has.
        crops: How many of these have their crop kept.
        created: When the person was enrolled first, in UTC and ISO 8601 to the second.
    """

    id: str
    name: str
    templates: int
    crops: int
    created: str


class Template(NamedTuple):
    """A template's entry; the vector itself does not leave the gallery.

    Attributes:
        id: A number that is never used again in this gallery.
        created: When it was enrolled, in UTC and ISO 8601 to the second.
        crop: Whether its crop is kept.
    """

    id: int
    created: str
    crop: bool


class Match(NamedTuple):
    """How alike a probe and a person are: the best of the person's templates counts.

    The first two fields are what :class:`kface.recognizer.FaceRecognizer` reads.

    Attributes:
        name: The person's name.
        score: Cosine, from -1 to 1.
        person_id: The person's ID.
        template: ID of the template with that score.
        fmr: The false match rate that the score stands for: the least target of the bundle's threshold table whose
            threshold the score reaches. None where it reaches none, or without a table. It is the rate of one comparison;
            against a gallery of m people a stranger's chance of a false match is up to m times that.
    """

    name: str
    score: float
    person_id: str
    template: int
    fmr: Optional[float]


class Damage(NamedTuple):
    """What cannot be used in a gallery, while everything else can.

    Attributes:
        what: What is wrong with which row, in one line.
        person_id: ID of the person whom it concerns; empty where it is unknown.
        name: That person's name; empty where it cannot be read.
        template: Number of the template that it concerns; None where it is the person.
    """

    what: str
    person_id: str
    name: str
    template: Optional[int]

    def __str__(self) -> str:
        return "{}: {}".format(self.name, self.what) if self.name else self.what


class Reenrolled(NamedTuple):
    """What a re-enrolment did.

    Attributes:
        templates: How many were computed again from their crops.
        discarded: How many without a crop were removed.
    """

    templates: int
    discarded: int


class Imported(NamedTuple):
    """What an import did.

    Attributes:
        people: How many people were new.
        templates: How many templates were added.
        known: How many were there already.
    """

    people: int
    templates: int
    known: int


def unit(embeddings: np.ndarray) -> np.ndarray:
    """Return embeddings with a length of 1.

    Args:
        embeddings: (n, d) or (d,), of any length but 0.

    Returns:
        float32 (n, d), C-contiguous.

    Raises:
        GalleryError: The shape is another, or a vector is zero or not finite.
    """
    vectors = np.asarray(embeddings)
    if vectors.ndim == 1:
        vectors = vectors[None]
    if vectors.ndim != 2 or vectors.shape[1] == 0 or vectors.dtype.kind not in "fiu":
        raise GalleryError(
            "embeddings must be numbers of shape (n, d), not {} {}".format(vectors.dtype, np.asarray(embeddings).shape)
        )
    vectors = vectors.astype(np.float64)
    # Large values would overflow when they are squared.
    largest = np.abs(vectors).max(axis=1, keepdims=True) if len(vectors) else np.ones((0, 1))
    if not np.isfinite(largest).all() or (largest == 0).any():
        raise GalleryError("an embedding is zero or not finite", None, "embed the face again")
    vectors = vectors / largest
    vectors /= np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    return np.ascontiguousarray(vectors, np.float32)


def now() -> str:
    """Return the time in UTC and ISO 8601 to the second."""
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0).isoformat()
