"""The faces of a bundle's golden vectors: people of the synthetic sample, who are nobody."""

from functools import lru_cache

import numpy as np

from export.pairs import Material
from kface.alignment import align
from kface.errors import ModelError

#: Faces in a bundle.
COUNT = 5
#: Camera, light and expression of each that is rendered.
VIEWS = ((7, 1, 1), (6, 1, 2), (8, 2, 3), (9, 1, 1), (5, 4, 2))


def golden_faces(material: Material) -> np.ndarray:
    """Return uint8 (n, 112, 112, 3), RGB: one face each of some people of the sample.

    They come from the run's data set where that is the sample, and are rendered where it holds real people, whose faces
    nobody agreed to pass on with a model.
    """
    for testset in material.sets:
        if testset.synthetic:
            usable = np.flatnonzero(~testset.failed) if len(testset.failed) else np.arange(len(testset.images))
            _, first = np.unique(testset.people[usable], return_index=True)
            if len(first) >= 2:
                return np.ascontiguousarray(testset.images[usable[first[:COUNT]]])
    return rendered()


@lru_cache(maxsize=1)
def rendered() -> np.ndarray:
    """Render the faces; they are aligned by the points that the renderer knows."""
    from kface.data.sample import subject_names

    return np.stack([face_of(name, *view) for name, view in zip(subject_names(COUNT, 0), VIEWS, strict=True)])


def face_of(subject: str, camera: int, light: int, expression: int) -> np.ndarray:
    """Return uint8 (112, 112, 3), RGB: a person of the sample, rendered under these conditions of K-Face."""
    from kface.data.layout import Capture
    from kface.data.sample import render

    image, annotation = render(Capture(subject, 1, light, expression, camera), 0)
    points = annotation.five()
    if points is None:
        raise ModelError("a rendered face lacks a landmark", subject)
    return np.asarray(align(image, points[None])[0])
