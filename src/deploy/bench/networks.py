"""Tables 8 and 9: the cascade and the embedder, by runtime, side by side."""

import contextlib
import os
from functools import partial
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from deploy.bench.figures import figure
from deploy.bench.scenes import BenchScene
from kface import alignment
from kface.bundle import Bundle
from kface.errors import KFaceError
from kface.mtcnn import Detector
from kface.networks import runtimes
from kface.recognizer.embedder import Embedder
from kface.recognizer.recognizer import MIN_FACE, crops_of
from kface.timing import interleaved

#: Smallest faces of the cascade: the reference's, and the recogniser's.
MIN_FACES = (20.0, MIN_FACE)
#: Faces in the frames of Table 8; the paper does not say how many it had.
TABLE8_FACES = (1, 6)
BATCHES = (1, 3, 6)
#: Different frames that take turns.
FRAMES = 8

Rows = List[Dict[str, Any]]
Log = Callable[[str], None]


class Effort(NamedTuple):
    """How long to measure.

    Attributes:
        rounds: Rounds of the networks.
        seconds: More rounds follow until so much time is spent.
        chunks: Times that each stream has its turn, unpaced.
        frames: Frames of such a turn.
        paced: Seconds of each turn with a camera's pace.
        paced_turns: Turns with a camera's pace.
        settle: Seconds of such a turn before anything is counted.
    """

    rounds: int = 9
    seconds: float = 5.0
    chunks: int = 5
    frames: int = 30
    paced: float = 4.0
    paced_turns: int = 2
    settle: float = 0.5


QUICK = Effort(rounds=3, seconds=0.5, chunks=3, frames=10, paced=1.5, paced_turns=1)


def table8(
    scenes: Sequence[BenchScene],
    models: Union[str, "os.PathLike[str]", None],
    names: Sequence[str],
    effort: Effort,
    log: Log,
) -> Rows:
    """Time the cascade on every runtime.

    Args:
        scenes: What to look at; those with :data:`TABLE8_FACES` faces are taken.
        models: Directory of the cascade's networks.
        names: Runtimes.
        effort: How long.
        log: Called with each file or runtime that is left out, and why.
    """
    with contextlib.ExitStack() as stack:
        detectors: Dict[Tuple[str, float], Detector] = {}
        for name in names:
            try:
                first = stack.enter_context(Detector(models, min_face=MIN_FACES[0], runtime=name))
            except KFaceError as error:
                log("table 8: {}: left out ({})".format(name, _reason(error)))
                continue
            for min_face in MIN_FACES:
                detectors[(name, min_face)] = first.with_min_face(min_face)
        rows: Rows = []
        for scene in scenes:
            if scene.faces not in TABLE8_FACES:
                continue
            turns = {key: _Turns(detector.detect, scene) for key, detector in detectors.items()}
            times = interleaved(turns, effort.rounds, effort.seconds)
            rows += [
                {
                    "runtime": name,
                    "min_face": min_face,
                    "size": list(scene.size),
                    "faces": scene.faces,
                    "source": scene.source,
                    "ms": figure(values).as_dict(),
                }
                for (name, min_face), values in times.items()
            ]
    return rows


class _Turns(object):
    """Calls a function with another of a few frames each time."""

    def __init__(self, call: Callable[[np.ndarray], object], scene: BenchScene) -> None:
        self._call = call
        self._frames = [scene.frame(7 * number) for number in range(FRAMES)]
        self._next = 0

    def __call__(self) -> None:
        frame = self._frames[self._next % FRAMES]
        self._next += 1
        self._call(frame)


def crops_from(scene: BenchScene, detector: Detector, count: int) -> np.ndarray:
    """Return aligned faces of a scene, uint8 (count, 112, 112, 3) RGB; the same ones again where there are fewer."""
    found: List[np.ndarray] = []
    for number in range(0, 60, 10):
        frame = scene.frame(number)
        found += list(crops_of(frame, detector.detect(frame)))
        if len(found) >= count:
            break
    if not found:
        found = [np.full((alignment.SIZE, alignment.SIZE, 3), 128, np.uint8)]
    return np.stack([found[number % len(found)] for number in range(count)])


def table9(
    bundles: Sequence[Bundle],
    crops: np.ndarray,
    names: Sequence[str],
    effort: Effort,
    log: Log,
    source: str = "",
    apart: bool = False,
) -> Rows:
    """Time the embedders on every runtime in every precision that the bundles have.

    Args:
        bundles: The bundles.
        crops: uint8 (n, 112, 112, 3), RGB, as many as the largest batch.
        names: Runtimes.
        effort: How long.
        log: Called with each file or runtime that is left out, and why.
        source: Where the faces come from.
        apart: Whether only the precisions of one runtime take turns, as memory is short, and not those of all runtimes.

    Returns:
        Rows with milliseconds a face, and the least cosine with what the first runtime makes of the faces in full
        precision: a runtime that reads a file otherwise than it is meant is not merely fast.
    """
    if apart:
        log("table 9: one runtime after the other, as this machine has little memory")
    rows: Rows = []
    for bundle in bundles:
        full: Optional[np.ndarray] = None
        for group in [[name] for name in names] if apart else [list(names)]:
            embedders = _open(bundle, group, log)
            vectors = {key: _vectors(embedder, crops) for key, embedder in embedders.items()}
            for key in [key for key, values in vectors.items() if values is None]:
                log("table 9: {} {} {}: cannot run, left out".format(bundle.manifest.name, *key))
                embedders.pop(key).close()
            if full is None:
                full = next((vectors[key] for key in embedders if key[1] == "fp32"), None)
            for batch in BATCHES:
                calls = {key: partial(embedder.run, crops[:batch]) for key, embedder in embedders.items()}
                rows += [
                    {
                        "bundle": bundle.manifest.name,
                        "runtime": name,
                        "precision": precision,
                        "batch": batch,
                        "source": source,
                        "ms_a_face": figure([value / batch for value in values]).as_dict(),
                        "cosine": _least_cosine(vectors[(name, precision)], full),
                    }
                    for (name, precision), values in interleaved(calls, effort.rounds, effort.seconds).items()
                ]
            for embedder in embedders.values():
                embedder.close()
    order = [bundle.manifest.name for bundle in bundles]
    return sorted(rows, key=lambda row: (order.index(row["bundle"]), row["batch"]))


def _open(bundle: Bundle, names: Sequence[str], log: Log) -> Dict[Tuple[str, str], Embedder]:
    """Open a bundle's embedder on runtimes, in all its precisions."""
    made: Dict[Tuple[str, str], Embedder] = {}
    for name in names:
        for precision in bundle.precisions(name):
            try:
                made[(name, precision)] = Embedder(bundle, name, precision)
            except KFaceError as error:
                log("table 9: {} {} {}: left out ({})".format(bundle.manifest.name, name, precision, _reason(error)))
    return made


def _reason(error: KFaceError) -> str:
    """Return what was wrong without where in the runtime's sources that was noticed."""
    return error.what.split(" (", 1)[0]


def _vectors(embedder: Embedder, crops: np.ndarray) -> Optional[np.ndarray]:
    try:
        return embedder.run(crops).vectors
    except KFaceError:
        return None


def _least_cosine(vectors: Optional[np.ndarray], full: Optional[np.ndarray]) -> Optional[float]:
    if vectors is None or full is None:
        return None
    return round(float((vectors * full).sum(axis=1).min()), 4)


def available(asked: Optional[Sequence[str]], ending: Optional[str] = ".onnx") -> List[str]:
    """Return the runtimes that are here: all, or those that were asked for, in that order.

    Args:
        asked: Names; all where None.
        ending: Only those that read such files.
    """
    there = runtimes(ending)
    return there if asked is None else [name for name in asked if name in there]
