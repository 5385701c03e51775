"""Speed of the KISA test's engines: ms to enrol an image, us to match a pair, images a second over a data base.

``python -m benchmarks.kisa [--bundle DIR]``, part of ``make bench``: the Python chain, the C++ library where it is built, and
the obvious way: the ``mtcnn`` package, a similarity transform by OpenCV, ``cv2.dnn.readNet`` and a dot product a pair.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np

from kface import alignment, bundle
from kface.bundle.newest import chosen_bundle
from kface.errors import KFaceError
from kface.kisa.engines import Engine, Enrolled
from kface.kisa.library_engine import LibraryEngine
from kface.kisa.python_engine import PythonEngine
from kface.kisa.sample_images import images, person_names
from kface.kisa.templates import BATCH
from kface.timing import interleaved, medians
from kface.workers import cores

#: Templates against templates that are matched at once: a block of the full form.
PROBES, PEOPLE = 1000, 500


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kisa", description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", help="the exported model (default: KFACE_BUNDLE, or the newest)")
    named = chosen_bundle(parser.parse_args(arguments).bundle)
    if not named:
        print("kisa: there is no bundle; run: kface export embedder=pretrained")
        return 0
    # A person's 18 images of KISA's form, 640x480.
    pictures = [picture for _, picture in images(person_names(1)[0], 0)]
    enrol: dict[str, Callable[[], Any]] = {}
    ways: list[tuple[str, Engine]] = []
    for name, make in (("kface, Python", PythonEngine), ("kface, C++ library", LibraryEngine)):
        try:
            ways.append((name, make(Path(named))))
        except KFaceError as error:
            print(f"{name}: left out ({error})")
    obvious = Obvious(Path(named))
    for name, engine in ways:
        enrol[name] = partial(_batches, engine, pictures, 1)
        enrol[f"{name}, {BATCH} at once"] = partial(_batches, engine, pictures, BATCH)
    enrol["mtcnn package + cv2.dnn"] = lambda: [obvious.enrol(picture) for picture in pictures]
    print(f"KISA's form, {len(pictures)} images of 640x480, bundle {Path(named).name}, {cores()} cores: medians")
    print(f"{'enrolment':<34} {'ms an image':>12} {'images/s':>9}")
    for name, milliseconds in medians(interleaved(enrol, 3, 20.0)).items():
        each = milliseconds / len(pictures)
        print(f"{name:<34} {each:12.1f} {1000 / each:9.1f}", flush=True)
    print(f"{'matching':<34} {'us a pair':>12} {'full form':>9}")
    for name, engine in ways:
        data = np.stack(
            [np.frombuffer(made.data, np.uint8) for made in _batches(engine, pictures, BATCH) if not made.failed]
        )
        probes, people = (data[np.arange(count) % len(data)] for count in (PROBES, PEOPLE))
        _row(name, _seconds(partial(engine.scores, probes, people)) / (PROBES * PEOPLE))
        engine.close()
    vectors = [made for made in map(obvious.enrol, pictures) if made is not None]
    pairs = [(first, second) for first in vectors for second in vectors]
    _row("a dot product a pair", _seconds(lambda: [float(first @ second) for first, second in pairs]) / len(pairs))
    return 0


class Obvious:
    """What one would write in an afternoon: packages, one image after the other."""

    def __init__(self, directory: Path) -> None:
        from train import backend

        backend.start_quietly()
        import mtcnn

        made = bundle.load(directory)
        self._detector = mtcnn.MTCNN()
        self._network = cv2.dnn.readNet(str(made.path("embedder.onnx")))
        self._preprocessing = made.manifest.preprocessing

    def enrol(self, rgb: np.ndarray) -> np.ndarray | None:
        """Return the embedding of the largest face, float32 (d,); None where there is none."""
        faces = self._detector.detect_faces(rgb)
        if not faces:
            return None
        points = max(faces, key=lambda face: face["box"][2] * face["box"][3])["keypoints"]
        landmarks = np.array(
            [points[k] for k in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")], np.float32
        )
        matrix, _ = cv2.estimateAffinePartial2D(landmarks, alignment.TEMPLATE.astype(np.float32))
        crop = cv2.warpAffine(rgb, matrix, (alignment.SIZE, alignment.SIZE))
        given = self._preprocessing
        blob = cv2.dnn.blobFromImage(crop, 1 / given.divisor, None, (given.mean,) * 3, swapRB=given.colour == "BGR")
        self._network.setInput(blob)
        vector = self._network.forward().reshape(-1)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)


def _batches(engine: Engine, pictures: list[np.ndarray], step: int) -> list[Enrolled]:
    return [made for start in range(0, len(pictures), step) for made in engine.enrol(pictures[start : start + step])]


def _seconds(work: Callable[[], Any]) -> float:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def _row(name: str, seconds: float) -> None:
    full = seconds * 500 * 500 * 17
    print(f"{name:<34} {1e6 * seconds:12.3f} {full:7.2f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
