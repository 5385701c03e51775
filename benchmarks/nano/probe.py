"""What a stream asks of the networks and of the processor around them, counted frame by frame: for the estimate."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from deploy.bench.scenes import BenchScene
from deploy.bench.streaming import StrangerGallery, pipeline, thresholds_for
from kface.bundle import Bundle
from kface.mtcnn import Detector
from kface.mtcnn.runtime_stages import RuntimeStages
from kface.networks import Network
from kface.recognizer import FaceRecognizer
from kface.streams import Frame

#: One in this number of frames of a 30 fps source is processed, as on a board that reaches 10 to 15 fps.
STEP = 2


class FrameWork(NamedTuple):
    """What a frame asks for, in the mean over frames of one kind.

    Attributes:
        host_ms: Milliseconds that one core of this machine computes outside the networks; what other processes take is no
            part of it.
        rnet: Candidates that R-Net sees.
        onet: Candidates that O-Net sees.
        embedded: Faces that are embedded.
    """

    host_ms: float
    rnet: float
    onet: float
    embedded: float


class Observed(NamedTuple):
    """A stream with tracks.

    Attributes:
        faces: How many faces its scene has.
        share: The part of its frames that the complete cascade runs on.
        detection: Those frames.
        following: The others; None where there are none.
    """

    faces: int
    share: float
    detection: FrameWork
    following: FrameWork | None


class _Timed(Network):
    """A network that keeps count of what it is asked."""

    def __init__(self, network: Network) -> None:
        super().__init__(network.inputs, network.outputs)
        self.runtime = network.runtime
        self._network = network
        self.seconds = 0.0
        self.items = 0

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        began = time.process_time()
        outputs = self._network.run(batch)
        self.seconds += time.process_time() - began
        self.items += len(batch)
        return outputs

    def close(self) -> None:
        self._network.close()


def observe(bundle: Bundle, scenes: Sequence[BenchScene], frames: int, runtime: str = "onnxruntime") -> list[Observed]:
    """Run scenes through a pipeline with tracks, on one core, and count.

    Args:
        bundle: The bundle.
        scenes: The scenes.
        frames: Frames of each that are counted.
        runtime: Of the networks; what they take is left out, so that it matters little. Not the compiled kernels, in which
            what is around the networks cannot be told from them.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    recognizer = FaceRecognizer.load(bundle.directory, runtime, threads=1, **thresholds_for(bundle))
    assert isinstance(recognizer.detector, Detector)
    stages = recognizer.detector._stages
    assert isinstance(stages, RuntimeStages)
    # The factor from this processor to a board's is one of numpy and OpenCV: the kernels' vectors are four times as wide here,
    # so that with them the estimate would promise too much.
    stages._kernels = None
    timed: dict[str, Any] = stages.networks.wrap(_Timed)
    timed["embedder"] = recognizer.embedder._network = _Timed(recognizer.embedder._network)
    try:
        return [_observe(recognizer, timed, scene, frames) for scene in scenes]
    finally:
        recognizer.close()
        cv2.setNumThreads(before)


def _observe(recognizer: FaceRecognizer, timed: dict[str, Any], scene: BenchScene, frames: int) -> Observed:
    made = pipeline(recognizer, StrangerGallery(recognizer.embedder.size), True)
    kinds: dict[bool, list[FrameWork]] = {True: [], False: []}
    settle = frames // 3
    for number in range(settle + frames):
        image = scene.frame(STEP * number)
        for network in timed.values():
            network.seconds, network.items = 0.0, 0
        began = time.process_time()
        result = made.process(Frame(image, 0.0, number))
        spent = time.process_time() - began
        if number >= settle:
            host = spent - sum(network.seconds for network in timed.values())
            seen = {name: network.items for name, network in timed.items()}
            kinds[result.detected].append(FrameWork(1000 * host, seen["rnet"], seen["onet"], seen["embedder"]))
    detection, following = kinds[True], kinds[False]
    # A scene long enough has frames with the complete cascade: it runs every few frames in any case.
    return Observed(
        scene.faces,
        len(detection) / float(len(detection) + len(following)),
        _mean(detection),
        _mean(following) if following else None,
    )


def _mean(works: Sequence[FrameWork]) -> FrameWork:
    means = [float(np.mean(values)) for values in zip(*works, strict=True)]
    # Now and then memory is asked for, or a network warms up: a median has none of it.
    return FrameWork(float(np.median([work.host_ms for work in works])), *means[1:])
