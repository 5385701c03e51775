"""What a stream asks of the networks and of the processor around them, counted frame by frame: for the estimate."""

import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import cv2
import numpy as np

from deploy.bench.scenes import Scene
from deploy.bench.streaming import Enrolled, pipeline
from kface.bundle import Bundle
from kface.networks import Network
from kface.recognizer import FaceRecognizer
from kface.streams import Frame

#: Every so many frames of a 30 fps source one is looked at, as on a board that does 10 to 15 a second.
STEP = 2


class Work(NamedTuple):
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
        share: The part of its frames that the whole cascade runs on.
        detection: Those frames.
        following: The others; None where there are none.
    """

    faces: int
    share: float
    detection: Work
    following: Optional[Work]


class _Timed(Network):
    """A network that keeps count of what it is asked."""

    def __init__(self, network: Network) -> None:
        super(_Timed, self).__init__(network.inputs, network.outputs)
        self.runtime = network.runtime
        self._network = network
        self.seconds = 0.0
        self.items = 0

    def run(self, batch: np.ndarray) -> Dict[str, np.ndarray]:
        began = time.process_time()
        outputs = self._network.run(batch)
        self.seconds += time.process_time() - began
        self.items += len(batch)
        return outputs

    def close(self) -> None:
        self._network.close()


def observe(bundle: Bundle, scenes: Sequence[Scene], frames: int, runtime: str = "auto") -> List[Observed]:
    """Run scenes through a pipeline with tracks, on one core, and count.

    Args:
        bundle: The bundle.
        scenes: The scenes.
        frames: Frames of each that are counted.
        runtime: Of the networks; what they take is left out, so that it matters little.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    recognizer = FaceRecognizer.load(bundle.directory, runtime, threads=1, **decision_for(bundle))
    timed: Dict[str, Any] = recognizer.detector._networks.wrap(_Timed)
    timed["embedder"] = recognizer.embedder._network = _Timed(recognizer.embedder._network)
    try:
        return [_observe(recognizer, timed, scene, frames) for scene in scenes]
    finally:
        recognizer.close()
        cv2.setNumThreads(before)


def _observe(recognizer: FaceRecognizer, timed: Dict[str, Any], scene: Scene, frames: int) -> Observed:
    made = pipeline(recognizer, Enrolled(recognizer.embedder.size), True)
    kinds: Dict[bool, List[Work]] = {True: [], False: []}
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
            kinds[result.detected].append(Work(1000 * host, seen["rnet"], seen["onet"], seen["embedder"]))
    detection, following = kinds[True], kinds[False]
    # A scene long enough has frames with the whole cascade: it runs every few frames in any case.
    return Observed(
        scene.faces,
        len(detection) / float(len(detection) + len(following)),
        _mean(detection),
        _mean(following) if following else None,
    )


def _mean(works: Sequence[Work]) -> Work:
    means = [float(np.mean(values)) for values in zip(*works)]
    # Now and then memory is asked for, or a network warms up: a median has none of it.
    return Work(float(np.median([work.host_ms for work in works])), *means[1:])


def decision_for(bundle: Bundle) -> Dict[str, Any]:
    """Return thresholds to load a bundle with that has none of its own; speed does not depend on them."""
    return {} if bundle.manifest.thresholds is not None else {"match": {"recognised": 0.5, "unknown": 0.3}}
