"""Frames per second from end to end: as fast as possible, and from a camera that does not wait."""

import os
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import cv2
import numpy as np

from deploy.bench.figures import figure
from deploy.bench.networks import Effort, Rows
from deploy.bench.scenes import FPS, BenchScene
from kface.bundle import Bundle
from kface.images import reverse_channels
from kface.recognizer import (
    FaceRecognizer,
    OperatingPoint,
    Pipeline,
    PipelineSettings,
    Result,
    Runner,
    Times,
    TrackSettings,
)
from kface.streams import Frame, Stream, StreamSettings

#: Templates to compare with; a product with this number costs next to nothing.
TEMPLATES = 1000


class Variant(NamedTuple):
    """What is measured: the scene, and whether faces are followed."""

    scene: BenchScene
    tracks: bool


class StrangerGallery(object):
    """A gallery of strangers in memory: random templates, one a person.

    Args:
        size: Numbers of an embedding.
        people: How many.
    """

    def __init__(self, size: int, people: int = TEMPLATES) -> None:
        matrix = np.random.RandomState(3).normal(size=(people, size)).astype(np.float32)
        self.matrix = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)

    def match(self, embeddings: np.ndarray, k: int) -> List[List[Tuple[str, float]]]:
        """Return the k most similar people of each embedding, the best first."""
        scores = np.dot(embeddings, self.matrix.T)
        order = np.argsort(-scores, axis=1)[:, :k]
        return [[("stranger {}".format(n), float(row[n])) for n in best] for row, best in zip(scores, order)]


def thresholds_for(bundle: Bundle) -> Dict[str, Any]:
    """Return thresholds for a bundle that recommends none, to load it with; speed does not depend on them."""
    recommended = OperatingPoint.from_thresholds(bundle.manifest.thresholds)
    return {} if recommended is not None else {"match": {"recognised": 0.5, "unknown": 0.3}}


def pipeline(recognizer: FaceRecognizer, gallery: Any, tracks: bool) -> Pipeline:
    """Return a pipeline as ``kface deploy`` has it, with or without tracks."""
    return Pipeline(recognizer, gallery, PipelineSettings(tracks=TrackSettings() if tracks else None))


class _Seen(NamedTuple):
    """What is kept of a result: hundreds of pictures would be in the way."""

    times: Times
    faces: int
    detected: bool
    embedded: int


def _seen(result: Result) -> _Seen:
    return _Seen(result.times, result.faces.count, result.detected, result.embedded)


class _Stream(object):
    """A pipeline whose scene goes on from one turn to the next."""

    def __init__(self, recognizer: FaceRecognizer, gallery: Any, variant: Variant) -> None:
        self.scene = variant.scene
        self.pipeline = pipeline(recognizer, gallery, variant.tracks)
        self.number = 0
        self.results: List[_Seen] = []

    def run(self, frames: int) -> float:
        """Run a number of frames through capture, inference and output, and return the seconds that took."""
        self.results = []
        source = self._frames(frames)
        began = time.perf_counter()
        Runner(source, self.pipeline, lambda result: self.results.append(_seen(result)), False).start().wait()
        return time.perf_counter() - began

    def _frames(self, count: int) -> Iterator[Frame]:
        for _ in range(count):
            yield Frame(self.scene.frame(self.number), time.monotonic(), self.number)
            self.number += 1


def unpaced(recognizer: FaceRecognizer, variants: Sequence[Variant], effort: Effort) -> Rows:
    """Run the variants in turns, each as fast as possible: every frame is processed."""
    gallery = StrangerGallery(recognizer.embedder.size)
    streams = [_Stream(recognizer, gallery, variant) for variant in variants]
    for stream in streams:
        stream.run(effort.frames)
    rates: List[List[float]] = [[] for _ in streams]
    results: List[List[List[_Seen]]] = [[] for _ in streams]
    for _ in range(effort.chunks):
        for place, stream in enumerate(streams):
            seconds = stream.run(effort.frames)
            rates[place].append(effort.frames / seconds)
            results[place].append(stream.results)
    return [_row(*values) for values in zip(variants, rates, results)]


def _row(variant: Variant, rate: Sequence[float], turns: Sequence[Sequence[_Seen]]) -> Dict[str, Any]:
    every = [result for turn in turns for result in turn]
    steps = [_steps(turn) for turn in turns]
    # Frames differ (the cascade runs on some of them): a turn's mean holds both kinds, the median is one over turns.
    means = {step: round(float(np.median([turn[step] for turn in steps])), 3) for step in steps[0]}
    return dict(
        _about(variant),
        fps=figure(rate).as_dict(),
        ms=figure([1000 * result.times.total for result in every]).as_dict(),
        mean_ms=means.pop("total"),
        steps=means,
        found=round(float(np.mean([result.faces for result in every])), 2),
        detected=round(float(np.mean([result.detected for result in every])), 3),
        embedded=round(float(np.mean([result.embedded for result in every])), 3),
    )


def _steps(results: Sequence[_Seen]) -> Dict[str, float]:
    """Return the mean milliseconds of each step; what remains of the total is for tracks and votes."""
    means = {
        step: 1000 * float(np.mean([getattr(result.times, step) for result in results]))
        for step in ("detect", "align", "embed", "match", "total")
    }
    means["tracks"] = 2 * means["total"] - sum(means.values())
    return means


class Paced(NamedTuple):
    """What became of a turn at a camera's pace: frames a second, seconds from capture to result, and frames."""

    fps: float
    latencies: List[float]
    captured: int
    skipped: int


class _Capture(object):
    """What a stream reads a scene from, in place of a decoder."""

    def __init__(self, scene: BenchScene, fps: float, frames: int) -> None:
        self._scene = scene
        self._fps = fps
        self._frames = frames
        self._number = -1
        self._bgr = np.zeros((0, 0, 3), np.uint8)

    def grab(self) -> bool:
        """Draw the next picture here, before it is dated: a camera's pictures come ready made."""
        self._number += 1
        there = self._number < self._frames
        if there:
            self._bgr = reverse_channels(self._scene.frame(self._number))
        return there

    def retrieve(self) -> Tuple[bool, np.ndarray]:
        return True, self._bgr

    def get(self, number: int) -> float:
        return self._fps if number == cv2.CAP_PROP_FPS else 0.0

    def release(self) -> None:
        pass


def paced_turn(scene: BenchScene, made: Pipeline, seconds: float, settle: float, fps: float = FPS) -> Paced:
    """Run a camera's stream for a while: the pipeline takes the newest frame, others are skipped.

    Args:
        scene: What the camera sees.
        made: The pipeline.
        seconds: How long to measure.
        settle: How long before that it runs unmeasured.
        fps: The camera's frames a second.
    """
    shown: List[Tuple[float, float]] = []
    capture = _Capture(scene, fps, int(round(fps * (settle + seconds))))
    # A file that plays at its own speed, as cameras do, and has an end; there is nothing on the disk to be looked into.
    camera = Stream(StreamSettings("file", file=os.devnull), opener=lambda settings: capture)
    runner = Runner(camera, made, lambda result: shown.append((time.monotonic(), result.frame.time_monotonic)))
    began = time.monotonic()
    runner.start().wait()
    camera.close()
    if camera.refusal is not None:
        raise camera.refusal
    counted = [(at, captured) for at, captured in shown if captured >= began + settle] or shown[-1:]
    # By the time of capture: results that come late in a bunch make no higher rate.
    span = counted[-1][1] - counted[0][1]
    counts = runner.counts
    return Paced(
        (len(counted) - 1) / span if span > 0 else 0.0,
        [at - captured for at, captured in counted],
        counts.captured,
        counts.skipped + counts.unseen,
    )


def paced(recognizer: FaceRecognizer, variants: Sequence[Variant], effort: Effort) -> Rows:
    """Run the variants in turns, each with a source of :data:`~deploy.bench.scenes.FPS` frames a second."""
    gallery = StrangerGallery(recognizer.embedder.size)
    turns: List[List[Paced]] = [[] for _ in variants]
    for _ in range(effort.paced_turns):
        for place, variant in enumerate(variants):
            made = pipeline(recognizer, gallery, variant.tracks)
            turns[place].append(paced_turn(variant.scene, made, effort.paced, effort.settle))
    return [
        dict(
            _about(variant),
            source_fps=FPS,
            fps=figure([turn.fps for turn in some]).as_dict(),
            latency_ms=figure([1000 * value for turn in some for value in turn.latencies]).as_dict(),
            captured=sum(turn.captured for turn in some),
            skipped=sum(turn.skipped for turn in some),
        )
        for variant, some in zip(variants, turns)
    ]


def _about(variant: Variant) -> Dict[str, Any]:
    scene = variant.scene
    return {"size": list(scene.size), "faces": scene.faces, "tracks": variant.tracks, "source": scene.source}


#: The frame rate may fall by at most a quarter from one face to six.
WANTED = 0.75


def ratios(rows: Rows, pace: str) -> Rows:
    """Return how much of the frame rate with one face is left with six, by size and with and without tracks.

    Args:
        rows: Of :func:`unpaced` or :func:`paced`.
        pace: What to call them.
    """
    made: Rows = []
    for row in rows:
        if row["faces"] != 6:
            continue
        ones = [
            other
            for other in rows
            if other["faces"] == 1 and (other["size"], other["tracks"]) == (row["size"], row["tracks"])
        ]
        if ones and ones[0]["fps"]["median"] > 0:
            ratio = row["fps"]["median"] / ones[0]["fps"]["median"]
            made.append(
                {
                    "pace": pace,
                    "size": row["size"],
                    "tracks": row["tracks"],
                    "ratio": round(ratio, 4),
                    "wanted": WANTED if row["tracks"] else None,
                    "kept": ratio >= WANTED if row["tracks"] else None,
                }
            )
    return made
