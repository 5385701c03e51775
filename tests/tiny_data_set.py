"""A tiny data set, built by the real builder around a detector that always finds the same face."""

import numpy as np

from kface.data.dataset import DatasetSettings, build
from kface.faces import Faces
from kface.images import encode_jpeg

LANDMARKS = np.array([[45, 50], [75, 50], [60, 70], [48, 90], [72, 90]], np.float32)


class FixedDetector:
    """Stands in for :class:`kface.data.dataset.Mtcnn`: a factory and its detector in one."""

    min_face = 20.0

    def describe(self):
        return {"name": "fixed"}

    def open(self):
        return self

    def with_min_face(self, min_face):
        other = FixedDetector()
        other.min_face = min_face
        return other

    def close(self):
        pass

    def detect_many(self, images):
        box = np.array([[30, 25, 90, 105]], np.float32)
        return [Faces(box, np.array([0.99], np.float32), LANDMARKS[None]) for _ in images]


def make_tiny_data_set(root, out, people=6, images=10):
    """Build a few people, told apart by their colour, of whom all but two train; return the manifest."""
    random = np.random.default_rng(0)
    for person in range(people):
        folder = root / f"person{person}"
        folder.mkdir(parents=True)
        colour = random.integers(40, 216, 3)
        for number in range(images):
            image = np.clip(colour + random.normal(0, 12, (120, 120, 3)), 0, 255).astype(np.uint8)
            (folder / f"{number}.jpg").write_bytes(encode_jpeg(image))
    settings = DatasetSettings(layout="folders", test=2, seed=1)
    return build(root, out, settings, jobs=1, progress=False, detector=FixedDetector()).manifest
