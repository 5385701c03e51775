"""A test set: aligned faces and pairs of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Templates:
    """Groups of images that are compared as one: IJB's templates of stills and frames of videos.

    Attributes:
        image: int64 (k,), an image of a template; an image may be in several.
        template: int64 (k,), the template's number, from 0.
        medium: int64 (k,), the still or the video from which the image comes.
    """

    image: np.ndarray
    template: np.ndarray
    medium: np.ndarray

    @property
    def count(self) -> int:
        """Number of templates."""
        return int(self.template.max()) + 1 if len(self.template) else 0


@dataclass(frozen=True)
class TestSet:
    """Aligned faces and the pairs that are compared.

    Attributes:
        name: Its key in reports: ``kface``, ``lfw``, ``agedb30``, ``cfp_fp``, see :mod:`kface.data.testsets.registry`.
        title: Name for the reader.
        images: uint8 (n, 112, 112, 3), RGB.
        pairs: int64 (m, 2), indices of images, or of templates where there are some.
        people: int64 (n,), the person in each image, or in each template.
        folds: int64 (m,), or None for folds by person.
        failed: bool (n,), faces that could not be acquired: their pairs count as non-matches.
        synthetic: Whether it is the synthetic sample.
        names: Where each image comes from; empty where that is not known.
        known_people: Whether `people` tells all people apart; not so where it only follows from the pairs.
        enrolled: int64 (p,), for 1:N one image of each person that is enrolled; None for each person's first.
        note: What a reader of the figures has to know, such as that pairs are missing.
        templates: The groups of images that are compared; None where images are.
    """

    # Not a test case, despite its name.
    __test__ = False

    name: str
    title: str
    images: np.ndarray
    pairs: np.ndarray
    people: np.ndarray
    folds: np.ndarray | None = None
    failed: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    synthetic: bool = False
    names: Sequence[str] = ()
    known_people: bool = False
    enrolled: np.ndarray | None = None
    note: str = ""
    templates: Templates | None = None

    @property
    def genuine(self) -> np.ndarray:
        """Bool (m,), pairs of one person."""
        return np.asarray(self.people[self.pairs[:, 0]] == self.people[self.pairs[:, 1]])


def connected(count: int, tied: np.ndarray) -> np.ndarray:
    """Return the people of images that are known by genuine pairs only: the connected components, int64 (count,).

    Args:
        count: Number of images.
        tied: Integers (k, 2), pairs of images of one person.
    """
    parent = np.arange(count)

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = int(parent[number])
        return number

    for a, b in tied:
        parent[root(int(a))] = root(int(b))
    return np.unique([root(number) for number in range(count)], return_inverse=True)[1].reshape(-1)
