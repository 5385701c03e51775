"""A test set: aligned faces and pairs of them."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class TestSet:
    """Aligned faces and the pairs that are compared.

    Attributes:
        name: Its key in reports: ``kface``, ``lfw``, ``agedb30``, ``cfp_fp``.
        title: Name for the reader.
        images: uint8 (n, 112, 112, 3), RGB.
        pairs: int64 (m, 2), indices of images.
        people: int64 (n,), the person in each image.
        folds: int64 (m,), or None for folds by person.
        failed: bool (n,), faces that could not be acquired: their pairs count as non-matches.
        synthetic: Whether it is the synthetic sample.
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

    @property
    def genuine(self) -> np.ndarray:
        """Bool (m,), pairs of one person."""
        return np.asarray(self.people[self.pairs[:, 0]] == self.people[self.pairs[:, 1]])
