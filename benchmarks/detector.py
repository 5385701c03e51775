"""Milliseconds per frame of the detector and of the ``mtcnn`` package, side by side on the same frames: ``make bench``."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from functools import partial

import numpy as np

from benchmarks.frames import frames
from kface.mtcnn import Detector
from kface.timing import interleaved, medians
from kface.workers import cores
from train import backend

#: The minimum ratio of this project.
WANTED = 3.0


def main() -> int:
    backend.start_quietly()
    import mtcnn

    oracle = mtcnn.MTCNN()
    detector = Detector()

    def reference(image: np.ndarray) -> np.ndarray:
        found: np.ndarray = oracle.detect_faces(image, output_type="numpy", fit_to_image=False, box_format="xyxy")
        return found

    print(f"Detector, smallest face 20 px, {cores()} cores, kface on {detector.runtime}: median ms per frame")
    print(f"{'frames':<17} {'size':<9} {'faces':>5} {'mtcnn':>8} {'kface':>8} {'ratio':>6}   same faces?")
    ratios = []
    for source, faces, image in frames():
        found, ours = reference(image), detector.detect(image)
        times = medians(
            interleaved({"mtcnn": partial(reference, image), "kface": partial(detector.detect, image)}, 5, 4.0)
        )
        ratios.append(times["mtcnn"] / times["kface"])
        size = f"{image.shape[1]}x{image.shape[0]}"
        print(
            f"{source:<17} {size:<9} {faces:>5} {times['mtcnn']:8.1f} {times['kface']:8.1f} {ratios[-1]:6.2f}   "
            f"{agreement(found, ours.landmarks)}",
            flush=True,
        )
    detector.close()
    print(f"ratio: minimum {min(ratios):.2f} (wanted: {WANTED:.0f}), mean {np.exp(np.mean(np.log(ratios))):.2f}")
    return 0


def agreement(reference: np.ndarray, landmarks: np.ndarray) -> str:
    """Return the numbers of faces of both, and the largest distance between their landmarks."""
    if len(reference) != len(landmarks):
        return f"no: {len(reference)} and {len(landmarks)}"
    if not len(landmarks):
        return "yes: none"
    theirs = np.stack([reference[:, 6:11], reference[:, 11:16]], axis=2)
    apart = np.abs(theirs[:, None] - landmarks[None]).max(axis=(2, 3)).min(axis=1)
    return f"yes: {len(landmarks)}, landmarks at most {apart.max():.4f} px apart"


if __name__ == "__main__":
    sys.exit(main())
