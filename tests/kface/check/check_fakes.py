"""A bundle with golden pictures, and a fake program that returns the golden values or changed ones."""

import numpy as np
from bundle_fakes import fill, found_in, manifest_of, picture

from kface import alignment, bundle
from kface.bundle import golden, golden_writer
from kface.check import Chain
from kface.faces import Faces

SETTINGS = golden.DetectorSettings(40.0)
#: Three pictures: two faces, none, one.
PICTURES = [(0, 64, 48, 2), (1, 80, 40, 0), (2, 32, 24, 1)]


def pictures():
    made = []
    for seed, width, height, count in PICTURES:
        rgb = picture(seed, width, height)
        made.append((rgb, found_in(rgb, count) if count else Faces.empty()))
    return made


def write_bundle(directory):
    """Write a bundle whose networks are bytes, with golden vectors."""
    directory.mkdir()
    crops = np.concatenate([alignment.align(rgb, faces.landmarks) for rgb, faces in pictures()])
    vectors = np.random.RandomState(0).normal(size=(len(crops), 512))
    files = fill(directory)
    files += golden_writer.write(directory, crops, vectors, pictures=pictures(), detector=SETTINGS)
    bundle.write(directory, manifest_of(files))
    return directory


class Program(Chain):
    """Looks up what is golden; each stage goes through a function that may change it."""

    runtime = "fake"
    aligner = "fake aligner"

    def __init__(self, opened, detect=None, align=None, embed=None, computes="fp32"):
        self.files = [opened.manifest.file("embedder.onnx")]
        self.computes = computes
        self.closed = False
        self._opened, self._known = opened, golden.read(opened)
        same = lambda value: value  # noqa: E731
        self._detect, self._align, self._embed = detect or same, align or same, embed or same

    def version(self):
        return "1.2"

    def aligner_version(self):
        return "3.4"

    def detect(self, rgb):
        for one in self._known.pictures:
            if np.array_equal(golden.read_picture(self._opened, one), rgb):
                return self._detect(one.faces)
        raise AssertionError("another picture")

    def align(self, rgb, landmarks):
        return self._align(alignment.align(rgb, landmarks))

    def embed(self, crops, file):
        # The golden crop that is nearest: detected landmarks may differ a little.
        far = np.abs(crops[:, None].astype(float) - self._known.crops[None]).mean(axis=(2, 3, 4))
        return self._embed(self._known.embeddings[far.argmin(axis=1)])

    def close(self):
        self.closed = True
