"""Aligned faces of K-Face's conditions without any image files: written as a data set is, of numbers."""

import numpy as np

from kface.data.dataset.manifest import DatasetManifest, Refused
from kface.data.layout import Capture

#: Names of people, as K-Face's.
SUBJECTS = tuple(f"1906242{number}" for number in range(1, 9))


def captures_of(subjects, accessories=(1, 4), lights=(1, 7, 16), expressions=(1,), cameras=(6, 7, 13)):
    """Return the captures of people under all combinations of some conditions."""
    return [
        Capture(subject, accessory, light, expression, camera)
        for subject in subjects
        for accessory in accessories
        for light in lights
        for expression in expressions
        for camera in cameras
    ]


def vectors_of(captures, noise, seed=0, dimensions=12):
    """Return embeddings, float32 (n, d): each person's own direction and noise, whose size `noise(capture)` returns."""
    random = np.random.RandomState(seed)
    own = {subject: random.normal(size=dimensions) for subject in sorted({each.subject for each in captures})}
    return np.array([own[each.subject] + noise(each) * random.normal(size=dimensions) for each in captures], np.float32)


def manifest_of(directory=None, refused=(), synthetic=True, layout="kface"):
    """Return the manifest of a data set whose shards nobody reads."""
    return DatasetManifest(
        directory=directory,
        source={"name": "sample", "root": "", "layout": layout, "synthetic": synthetic},
        protocol=None,
        settings={},
        detector={},
        counts={},
        shards=(),
        refused=tuple(Refused(capture.path(), "no face found") for capture in refused),
        problems={},
        fingerprint="0" * 16,
    )


def faces_of(captures, seed=0):
    """Return images that tell people apart by colour, uint8 (n, 112, 112, 3); sunglasses hide all."""
    random = np.random.RandomState(seed)
    own = {subject: random.randint(40, 216, 3) for subject in sorted({each.subject for each in captures})}
    images = np.empty((len(captures), 112, 112, 3), np.uint8)
    for image, capture in zip(images, captures, strict=True):
        image[...] = random.randint(40, 216, 3) if capture.accessory == 4 else own[capture.subject]
    return images
