"""People that are grey squares, a recogniser that knows them by their grey, and cameras that show them."""

import os
import threading
import time
from collections import namedtuple

import cv2
import numpy as np
import pytest
from waiting import GENEROUS, until

from deploy import opening, run_command
from deploy.events import Event
from deploy.session import Session
from deploy.settings import DeploySettings, GallerySettings
from kface import alignment
from kface.faces import Faces
from kface.gallery import Limits
from kface.mtcnn import FaceDetector, settings
from kface.recognizer import (
    RECOGNISED,
    FaceRecognizer,
    Identity,
    OperatingPoint,
    PipelineSettings,
    Result,
    TrackSettings,
)
from kface.recognizer.embedder import EmbedderOutput
from kface.recognizer.pipeline import Times
from kface.recognizer.track import TrackState
from kface.streams import Frame, ReadAhead, Stream, StreamSettings, Timing
from kface.streams import stream as stream_module

SIZE = 16
POINT = OperatingPoint(0.6, 0.3, 1e-4)
FINGERPRINT = "a" * 64
KEY = bytes(range(32))
CAMERA = StreamSettings("rtsp", address="127.0.0.1", path="/live")
QUICK = Timing(
    stall=0.6, opening=2.0, first_wait=0.02, longest_wait=0.1, refused_wait=0.5, settled=5.0, oldest=1.0, abandoned=2
)
#: Every frame is detected, and decides: the cascade here is none that could be refined.
SIMPLE = PipelineSettings(TrackSettings(detect_every=1, max_age=2, min_views=1))
ALONE = PipelineSettings(None)
#: Grey levels of people, far enough apart for lossy video.
KIM, PARK, LEE = 90, 150, 210
AT_KIM, AT_PARK = (KIM, 80, 90, 90), (PARK, 230, 90, 90)
FRAMES = 24
TWO = (AT_KIM, AT_PARK)
PLAIN = "bundle: toy\nweb: {enabled: false}\ntracks: {detect_every: 1, min_views: 1}\n"


def threads():
    """Return the names of this program's own threads, but for those of real detectors, which other tests have opened."""
    names = (thread.name for thread in threading.enumerate())
    return sorted(name for name in names if name.startswith("kface") and not name.startswith("kface-mtcnn"))


def picture(*people, **how):
    """Draw people, RGB: the grey, the middle and the side of each; a pattern of squares makes them sharp.

    Args:
        people: (grey, x, y, side) each.
        how: ``size``, width and height.
    """
    width, height = how.get("size", (320, 180))
    image = np.zeros((height, width, 3), np.uint8)
    for grey, x, y, side in people:
        half = side // 2
        rows, columns = np.mgrid[0 : 2 * half, 0 : 2 * half] // 10
        pattern = grey + np.where((rows + columns) % 2, 20, -20)
        image[y - half : y + half, x - half : x + half] = pattern[..., None].astype(np.uint8)
    return image


class FakeDetector(FaceDetector):
    """Finds what is not black."""

    def detect(self, rgb):
        return self.detect_many([rgb])[0]

    def detect_many(self, images):
        return [self._find(image) for image in images]

    def with_min_face(self, min_face):
        other = FakeDetector()
        other.min_face = settings.min_face(min_face)
        return other

    def close(self):
        pass

    @staticmethod
    def _find(rgb):
        # By columns: nobody stands above another. (OpenCV 4.1 crashes in its connected components now and then.)
        there = rgb.max(axis=2) > 40
        edges = np.flatnonzero(np.diff(np.concatenate([[0], there.any(axis=0), [0]]).astype(int))).reshape(-1, 2)
        rows = []
        for x1, x2 in edges.tolist():
            across = np.flatnonzero(there[:, x1:x2].any(axis=1))
            if x2 - x1 > 15 and across[-1] - across[0] > 15:
                rows.append([x1, across[0], x2, across[-1] + 1])
        boxes = np.array(rows, np.float32).reshape(-1, 4)
        sides = boxes[:, 2:] - boxes[:, :2]
        landmarks = boxes[:, None, :2] + alignment.TEMPLATE[None] * sides[:, None] / 112
        return Faces(boxes, np.full((len(boxes),), 0.9, np.float32), landmarks.astype(np.float32))


def unit(grey):
    """Return a person's vector; those of different people are orthogonal."""
    vector = np.zeros((SIZE,), np.float32)
    vector[int(round(grey / 30.0))] = 1
    return vector


class FakeEmbedder(object):
    """Embeds a crop by its mean grey; who is `broken` has no embedding."""

    size = SIZE
    runtime = "fake"

    def __init__(self):
        self.broken = False
        self.gate = None
        self.closed = False

    def run(self, crops):
        if self.gate is not None:
            assert self.gate.wait(GENEROUS)
        vectors = [unit(float(crop[20:92, 20:92].mean())) for crop in crops]
        failed = np.full((len(crops),), self.broken)
        return EmbedderOutput(np.array(vectors, np.float32).reshape(-1, SIZE), failed)

    def close(self):
        self.closed = True


def make_recognizer():
    return FaceRecognizer(FakeDetector(), FakeEmbedder(), FINGERPRINT, POINT)


def open_test_gallery(path):
    """Return a real gallery; skips where there is no cryptography."""
    pytest.importorskip("cryptography")
    from kface.gallery import Gallery

    return Gallery(path, FINGERPRINT, KEY)


class NoGallery(object):
    """A gallery of nobody, where none is needed."""

    damage = ()
    size = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def version(self):
        return 1

    def list(self):
        return []

    def use_model(self, fingerprint):
        pass

    def close(self):
        pass

    def match(self, embeddings, k=1, thresholds=None):
        return [[] for _ in embeddings]


class Camera(object):
    """A capture that shows a picture again and again.

    Attributes:
        scene: RGB; None stalls.
        reads: How often it was read.
        released_by: The thread that released it.
    """

    def __init__(self, scene=None, fps=50.0):
        self.scene = picture() if scene is None else scene
        self.fps = fps
        self.reads = 0
        self.stalled = threading.Event()
        self.resume = threading.Event()
        self.released_by = None

    def __call__(self, settings):
        return self

    def grab(self):
        self.reads += 1
        if self.scene is None:
            self.stalled.set()
            self.resume.wait(GENEROUS)
            return False
        time.sleep(1.0 / self.fps)
        return True

    def retrieve(self):
        scene = self.scene
        return True, picture() if scene is None else scene[:, :, ::-1].copy()

    def get(self, prop):
        return self.fps if prop == cv2.CAP_PROP_FPS else 0.0

    def release(self):
        self.released_by = threading.current_thread().name


class Film(ReadAhead):
    """Gives pictures once, as fast as they are taken, like a file that is read without loss.

    Attributes:
        closed_by: Names of the threads that closed it.
    """

    def __init__(self, pictures, gate=None):
        super(Film, self).__init__()
        self.pictures = list(pictures)
        self.gate = gate
        self.waiting = threading.Event()
        self.closed_by = []

    def frames(self):
        for number, image in enumerate(self.pictures):
            yield Frame(image, time.monotonic(), number)
        if self.gate is not None:
            self.waiting.set()
            self.gate.wait(GENEROUS)

    def release(self):
        self.closed_by.append(threading.current_thread().name)


def install(put, gallery=None, camera=None):
    """Let :func:`deploy.opening.open_session` open fakes, and cameras show two people.

    Args:
        put: Sets an attribute, such as ``monkeypatch.setattr``.
        gallery: Opens the gallery for a fingerprint; nobody's where None.
        camera: Opens a camera for its settings.

    Returns:
        The recogniser.
    """
    recognizer = make_recognizer()
    manifest = type(str("Manifest"), (), {"name": "toy", "thresholds": None})
    put(opening, "FaceRecognizer", type(str("Loader"), (), {"load": staticmethod(lambda *_, **__: recognizer)}))
    put(opening, "bundle", type(str("Bundles"), (), {"load": staticmethod(lambda *_, **__: Opened(manifest))}))
    put(opening, "open_gallery", lambda *_, **__: NoGallery() if gallery is None else gallery(FINGERPRINT))
    if camera is not None:
        # Files are opened as ever.
        put(stream_module, "open_capture", camera)
        put(stream_module, "check", lambda settings: None)
    return recognizer


Opened = namedtuple("Opened", "manifest")


def settings_with(**changes):
    """Return settings without a web page; faces need not be sharp, large or frontal unless `enrolment` says so."""
    values = {"enrolment": Limits(20.0, 5.0, 0.5, (0.0, 1.0)), "pipeline": SIMPLE}
    values.update(changes)
    return DeploySettings(bundle="bundle", **values)


def watch(camera, gallery, **changes):
    """Return a session that watches a camera, not yet started; `timing` is the stream's, the others are settings."""
    timing, keep = changes.pop("timing", QUICK), changes.pop("keep_crops", False)
    return Session(
        settings_with(gallery=GallerySettings(keep_crops=keep), **changes),
        make_recognizer(),
        gallery,
        lambda on_state: Stream(CAMERA, on_state, timing, opener=camera),
        "rtsp://camera",
        model="toy",
    )


def play(film, gallery, **changes):
    """Return a session that reads a film without loss, not yet started."""
    return Session(settings_with(**changes), make_recognizer(), gallery, lambda on_state: film, "film", drop=False)


def identity(state, name=None, score=0.9):
    return Identity(state, name, score, 1.0, 3)


def track(number, who, box=(10, 20, 60, 80), missing=0):
    """Return what is known about a track."""
    box = np.array(box, np.float32)
    return TrackState(number, box, np.zeros((5, 2), np.float32), 0.9, who, missing, 5)


def result(number=0, tracks=(), ended=(), alone=(), image=None, age=0.0):
    """Return what a frame shows: tracks, or faces without.

    Args:
        number: The frame's.
        tracks: See :func:`track`.
        ended: Likewise.
        alone: (box, identity) each, where there are no tracks.
        image: The frame's; a black one where None.
        age: For how many seconds it has been there.
    """
    seen = [state for state in tracks if not state.missing]
    boxes = [state.box for state in seen] + [np.array(box, np.float32) for box, _ in alone]
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    landmarks = boxes[:, None, :2] + alignment.TEMPLATE[None] * (boxes[:, 2:] - boxes[:, :2])[:, None] / 112
    image = np.zeros((180, 320, 3), np.uint8) if image is None else image
    return Result(
        Frame(image, time.monotonic() - age, number),
        Faces(boxes, np.full((len(boxes),), 0.9, np.float32), landmarks.astype(np.float32)),
        tuple(state.identity for state in seen) + tuple(who for _, who in alone),
        tuple([state.number for state in seen] + [None] * len(alone)),
        tuple(tracks),
        tuple(ended),
        Times(0, 0, 0, 0, 0),
        True,
        len(boxes),
    )


def write_film(path, pictures, fps=20.0):
    """Write a video file of pictures, RGB."""
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (width, height))
    assert writer.isOpened()
    for image in pictures:
        writer.write(np.ascontiguousarray(image[:, :, ::-1]))
    writer.release()
    return path


def read_film(path):
    """Return all pictures of a video file, BGR."""
    capture = cv2.VideoCapture(str(path))
    found = []
    while True:
        got, image = capture.read()
        if not got:
            break
        found.append(image)
    capture.release()
    return found


def mode_of(path):
    return os.stat(str(path)).st_mode & 0o777


HAN = identity(RECOGNISED, "김철수", 0.87654)
BOX = (100, 60, 160, 120)
WHO = (KIM, 130, 90, 60)


def event(kind="recognised", name="김철수", track_number=1, number=1, second=5, box=BOX):
    return Event(number, "2026-01-02T03:04:{:02d}.678+09:00".format(second), kind, track_number, name, box=box, frame=7)


def shown(session, condition, seconds=GENEROUS):
    """Wait for a view that meets a condition, and return it."""
    number, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        view = session.wait_view(number, 1.0)
        if view is not None:
            number = view.number
            if condition(view):
                return view
    raise AssertionError("no such view")


def names(view):
    return [face.name for face in view.faces]


def kinds(session, after=0):
    return [(event.kind, event.name) for event in session.wait_events(after, 0)]


def heard(session, kind, name=None, after=0):
    """Wait for an event."""

    def there():
        return [e for e in session.wait_events(after, 0.1) if e.kind == kind and name in (None, e.name)]

    assert until(there), kinds(session)
    return there()[0]


def main(config, *arguments):
    return run_command.main(["--config", config] + list(arguments))


def told(capsys):
    """Return the lines on standard error, all of which say who speaks."""
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("deploy: ") for line in lines), lines
    return [line[len("deploy: ") :] for line in lines]
