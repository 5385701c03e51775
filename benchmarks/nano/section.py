"""The estimate as a section of the bench's report: counts and times a bundle on this machine, and derives the rest."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import cv2

from benchmarks.nano import counting, estimate, probe
from deploy.bench import figures, machine, measure
from deploy.bench.networks import Effort
from deploy.bench.scenes import BenchScene
from kface.bundle import Bundle
from kface.errors import KFaceError
from kface.mtcnn import Detector
from kface.recognizer.recognizer import MIN_FACE
from kface.timing import interleaved

#: The paper's size, which the estimate is for.
SIZE = (640, 360)


def section(bundle: Bundle, scenes: Sequence[BenchScene], effort: Effort) -> dict[str, Any]:
    """Return the estimate for a Nano, or the reason why there is none.

    Args:
        bundle: The bundle.
        scenes: What streams show; those of :data:`SIZE` are used.
        effort: How long to observe them.
    """
    if machine.describe()["board"]:
        return {"reason": measure.no_estimate()}
    chosen = [scene for scene in scenes if scene.size == SIZE]
    try:
        file = next(
            (file for file in bundle.manifest.files if file.role == "embedder" and file.batch == 1), None
        ) or bundle.embedder("onnxruntime")
        count = counting.embedder_count(bundle.manifest.name, bundle.path(file.path), (1, 3, 112, 112))
        assumed = estimate.assumed(opencv_on_one_core(bundle, [s for s in scenes if s.faces == 1], effort))
        observed = probe.observe(bundle, chosen, 3 * effort.frames)
    except KFaceError as error:
        return {"reason": str(error)}
    rows = [estimate.stream(some, SIZE, MIN_FACE, count, assumed) for some in observed]
    return estimate.report(rows, SIZE, MIN_FACE, {"embedder " + bundle.manifest.name: count.as_dict()}, assumed)


def opencv_on_one_core(
    bundle: Bundle, scenes: Sequence[BenchScene], effort: Effort
) -> list[tuple[tuple[int, int], float]]:
    """Return the milliseconds of CPU time that OpenCV's cascade takes on one core of this machine, by frame size.

    The paper's "before"; time that other processes take of the core does not count.
    """
    before = cv2.getNumThreads()
    try:
        with Detector(bundle.detector_directory, min_face=20.0, runtime="opencv", threads=1) as detector:
            made = []
            for scene in scenes:
                call = partial(detector.detect, scene.frame(0))
                times = interleaved({"": call}, effort.rounds, clock=time.process_time)
                made.append((scene.size, figures.figure(times[""]).median))
            return made
    except KFaceError:
        return []
    finally:
        cv2.setNumThreads(before)
