"""A small data base in memory, and an engine that looks at pixels, for the tests of the KISA test."""

from dataclasses import dataclass

import cv2
import numpy as np

from kface.errors import ImageError
from kface.images import encode_png
from kface.kisa.conditions import CONDITIONS, Category
from kface.kisa.database import KisaImage, assemble
from kface.kisa.engines import Engine, EngineFacts, Enrolled
from kface.kisa.matching import PairPolicy
from kface.kisa.settings import KisaJob

SIDE = 24


@dataclass(frozen=True)
class MemoryImage(KisaImage):
    """An image that is nowhere but in memory; None cannot be read."""

    content: bytes | None

    @property
    def place(self):
        return f"{self.person}/{self.condition}.png"

    def encoded(self):
        if self.content is None:
            raise ImageError("cannot be read (gone)", self.place)
        return self.content


def small_database(people=5, unlike=0.5, black=(), unreadable=(), left_out=(), synthetic=True, seed=0):
    """Return a data base whose images are noise about each person's own noise.

    Args:
        people: How many.
        unlike: How much an image is unlike its person.
        black: (person's number, condition's key) of images that the engine cannot enrol.
        unreadable: Likewise, of images that cannot be read.
        left_out: Keys of conditions that nobody has.
        synthetic: Whether it says that it is a sample.
        seed: Of the noise.
    """
    random = np.random.RandomState(seed)
    images = []
    for number in range(people):
        own = random.randint(0, 256, (SIDE, SIDE, 3))
        for condition in CONDITIONS:
            pixels = (1 - unlike) * own + unlike * random.randint(0, 256, own.shape)
            if (number, condition.key) in black:
                pixels[...] = 0
            content = None if (number, condition.key) in unreadable else encode_png(pixels.astype(np.uint8))
            if condition.key not in left_out:
                images.append(MemoryImage(f"사람 {number}", condition, content))
    return assemble("a small data base", images, synthetic=synthetic)


class PixelEngine(Engine):
    """Templates are the pixels themselves; black images fail. Counts what it is given."""

    template_bytes = 4 * SIDE * SIDE

    def __init__(self, version="1", stop_after=None):
        self.facts = EngineFacts(
            "python", version, "pixels", "ab" * 32, {"detector": {"min_face": 40.0, "brighten": []}}
        )
        self.given = 0
        self.stop_after = stop_after

    def enrol(self, images):
        self.given += len(images)
        if self.stop_after is not None and self.given > self.stop_after:
            raise KeyboardInterrupt
        return [self._one(image) for image in images]

    def _one(self, image):
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32).reshape(-1)
        vector = grey - grey.mean()
        if not vector.any():
            return Enrolled(bytes(self.template_bytes), "no face was found")
        return Enrolled((vector / np.linalg.norm(vector)).astype("<f4").tobytes())

    def scores(self, probes, enrolments):
        first, second = (np.ascontiguousarray(part).view("<f4") for part in (probes, enrolments))
        return first @ second.T


def job(tmp_path, **changed):
    """Return a job that needs no bundle."""
    settings = {
        "engine": "null",
        "bundle": None,
        "library": None,
        "embedder": None,
        "runtime": "auto",
        "precision": "fp32",
        "detector": {},
        "policy": PairPolicy(),
        "criteria": {category: category.criterion for category in Category if category.criterion is not None},
        "bootstrap": 20,
        "seed": 0,
        "worst": 2,
        "pictures": True,
        "languages": ("ko", "en"),
        "strict": False,
        "data_dir": tmp_path / "data",
        "output_dir": tmp_path / "outputs",
        "out": None,
        "progress": False,
    }
    return KisaJob(**{**settings, **changed})
