"""A detector that needs no networks, and a small K-Face tree for it. Importable, so that workers can unpickle it."""

import sys
import time
from typing import NamedTuple

import cv2
import numpy as np

from kface.alignment import TEMPLATE
from kface.data.layout import Capture
from kface.faces import Faces
from kface.images import encode_jpeg

SUBJECTS = ("19062421", "19062422", "19062423", "19062424")
SIZE = (120, 160)


class FakeDetector(NamedTuple):
    """Finds one face where an image is not dark, and only with a small enough smallest face where it is dim."""

    delay: float
    broken: str
    min_face: float = 20.0

    def with_min_face(self, min_face):
        return self._replace(min_face=min_face)

    def close(self):
        pass

    def detect_many(self, images):
        if self.broken == "raise":
            raise RuntimeError("the graph fell apart")
        if self.broken == "die":
            import os

            os.kill(os.getpid(), 9)
        return [self.detect(image) for image in images]

    def detect(self, image):
        time.sleep(self.delay)
        brightness = float(image.mean())
        if brightness < 20 or (brightness < 60 and self.min_face > 30):
            return Faces.empty()
        # The landmarks depend on the image, so that a mix-up shows.
        shift = np.float32(brightness / 10)
        landmarks = TEMPLATE[None] * 0.6 + shift
        box = np.array([[shift, shift, shift + 70, shift + 75]], np.float32)
        return Faces(box, np.array([0.99], np.float32), landmarks.astype(np.float32))


class FakeMtcnn(NamedTuple):
    delay: float = 0.0
    broken: str = ""

    def describe(self):
        return {"name": "fake"}

    def open(self):
        return FakeDetector(self.delay, self.broken)


def picture(seed, brightness=128, size=SIZE):
    """Smooth coloured noise, uint8 (h, w, 3), of about the mean brightness asked for."""
    noise = np.random.RandomState(seed).uniform(-1, 1, (8, 10, 3)).astype(np.float32)
    smooth = cv2.resize(noise, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    return np.clip(brightness * (1 + 0.5 * smooth), 0, 255).astype(np.uint8)


def captures(subjects=SUBJECTS, accessories=(1, 2), lights=(1, 2), cameras=(6, 7, 8)):
    return [Capture(s, a, light, 1, c) for s in subjects for a in accessories for light in lights for c in cameras]


def write_tree(root, wanted=None):
    """Write a K-Face tree; light 2 is dim."""
    for number, capture in enumerate(captures() if wanted is None else wanted):
        path = root / capture.path()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_jpeg(picture(number, 40 if capture.light == 2 else 100 + number % 7 * 10)))
    return root


def contents(directory):
    """All files of a data set with their bytes, the lock apart."""
    return {
        str(path.relative_to(str(directory))): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def main(root, out, delay, jobs, kill_at=0, when="before"):
    """Build with a slow detector; run in a process of its own, to be killed, or to kill itself at a replacement."""
    import os

    from kface.data.dataset import DatasetSettings, build

    replace, left = os.replace, [int(kill_at)]

    def deadly(source, target):
        left[0] -= 1
        if left[0] == 0 and when == "before":
            os.kill(os.getpid(), 9)
        replace(source, target)
        if left[0] == 0:
            os.kill(os.getpid(), 9)

    os.replace = deadly
    build(root, out, DatasetSettings(max_per_shard=5), jobs=int(jobs), detector=FakeMtcnn(float(delay)), progress=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
