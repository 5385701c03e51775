"""People that are vectors, and scenes that are boxes."""

import numpy as np

from kface import alignment
from kface.faces import Faces
from kface.mtcnn import FaceDetector
from kface.mtcnn.boxes import covered, overlaps
from kface.recognizer.embedder import EmbedderOutput
from kface.recognizer.operating_point import OperatingPoint
from kface.recognizer.recognizer import best_matches
from kface.recognizer.settings import TrackSettings
from kface.recognizer.tracks import Tracker
from kface.recognizer.views import FaceView

SIZE = 16
POINT = OperatingPoint(0.6, 0.3, 1e-4)


def unit(number, size=SIZE):
    """Return a person's vector; those of different people are orthogonal."""
    vector = np.zeros((size,), np.float32)
    vector[number] = 1
    return vector


def mixed(first, second, cosine):
    """Return a vector of length 1 with that cosine with the first of two orthogonal ones."""
    return (cosine * first + np.sqrt(1 - cosine**2) * second).astype(np.float32)


class Gallery(object):
    """Enrolled people by name."""

    def __init__(self, people=None):
        self.people = dict(people or {})
        self.calls = []

    @property
    def size(self):
        return len(self.people)

    def match(self, embeddings, k):
        assert embeddings.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
        self.calls.append(len(embeddings))
        rows = []
        for embedding in embeddings:
            found = [(name, float(vector @ embedding)) for name, vector in self.people.items()]
            rows.append(sorted(found, key=lambda match: -match[1])[:k])
        return rows


def faces_at(boxes, scores=None):
    """Return faces with the template's landmarks in squares x, y (the middle) and side."""
    boxes = np.asarray(boxes, np.float32).reshape(-1, 3)
    corners = boxes[:, :2] - boxes[:, 2:] / 2
    landmarks = corners[:, None] + alignment.TEMPLATE[None] * boxes[:, None, 2:] / 112
    scores = np.linspace(0.99, 0.9, len(boxes)) if scores is None else scores
    return Faces(np.concatenate([corners, corners + boxes[:, 2:]], 1), np.asarray(scores, np.float32), landmarks)


class Scene(object):
    """Shows a tracker what people do, as the cascade and O-Net would.

    Args:
        settings: The tracker's.
        gallery: Who is enrolled; by default ann and bob.
        operating_point: The thresholds.
        look: Returns what somebody looks like by who it is; by default there are no pixels to look at.
    """

    def __init__(self, settings=None, gallery=None, operating_point=POINT, look=None):
        self.tracker = Tracker(settings or TrackSettings(), operating_point)
        self.look = look or (lambda name: None)
        self.gallery = Gallery({"ann": unit(0), "bob": unit(1)}) if gallery is None else gallery
        self.embedded = []
        self.detected = []
        self.ended = []

    def step(self, places, looks=None, turned=None, sharp=None):
        """Show a frame.

        Args:
            places: x, y and side by who it is.
            looks: Vector by who it is, where it is not what the gallery has.
            turned: By how many pixels of the crop the nose has moved, by who it is.
            sharp: Sharpness by who it is.

        Returns:
            The track's number and the identity, by who it is.
        """
        names = list(places)
        faces = faces_at([places[name] for name in names])
        owners, detected = None, True
        if not self.tracker.due:
            shown, owners = self._refine(faces)
            if not self.tracker.lost(owners):
                detected = False
                faces, names = faces.take(shown), [names[number] for number in shown]
        views = []
        for name, area in zip(names, faces.areas):
            shape = alignment.TEMPLATE.astype(np.float64)
            shape[2, 0] += (turned or {}).get(name, 0.0)
            views.append(FaceView(shape, float(np.sqrt(area)), (sharp or {}).get(name, 100.0), self.look(name)))
        which = self.tracker.begin(faces, views, None if detected else owners)
        vectors = [self._vector(names[face], looks or {}) for face in which]
        vectors = np.stack(vectors) if vectors else np.zeros((0, SIZE), np.float32)
        failed = np.zeros((len(which),), bool)
        ids = self.tracker.finish(vectors, failed, best_matches(self.gallery, vectors, failed))
        self.embedded.append(sorted(names[face] for face in which))
        self.detected.append(detected)
        self.ended += self.tracker.ended
        known = {state.number: state for state in self.tracker.states()}
        return {name: (number, known[number].identity) for name, number in zip(names, ids)}

    def run(self, count, places, **shown):
        """Show several frames, places by a function of the frame's number or always the same; return what came of each."""
        return [self.step(places(number) if callable(places) else places, **shown) for number in range(count)]

    @staticmethod
    def _vector(name, looks):
        return looks[name] if name in looks else unit({"ann": 0, "bob": 1, "eve": 2, "dan": 3}[name])

    def _refine(self, faces):
        shown, owners = [], []
        for row, iou in enumerate(overlaps(self.tracker.boxes, faces.boxes)):
            best = int(np.argmax(iou)) if len(iou) else 0
            if len(iou) and iou[best] >= 0.3 and best not in shown:
                shown.append(best)
                owners.append(row)
        return np.array(shown, np.int64), np.array(owners, np.int64)


class FakeDetector(FaceDetector):
    """Finds what it was told to find in images of one grey level each; a test that follows faces gives `refine`."""

    def __init__(self, found, refine=None):
        self.found = found
        self.refine = refine
        self.seen = []

    def detect(self, rgb):
        return self.detect_many([rgb])[0]

    def detect_others(self, rgb, known):
        faces = self.detect(rgb)
        return faces.take(~covered(faces.boxes, known))

    def detect_many(self, images):
        self.seen += list(images)
        return [self.found.get(int(image[0, 0, 0]), Faces.empty()) for image in images]

    def close(self):
        self.seen = None


class FakeEmbedder(object):
    """Embeds a crop by its grey level in the middle: 10 is person 1, 20 person 2, and 255 nobody at all."""

    size = SIZE

    def __init__(self):
        self.batches = []

    def run(self, crops):
        self.batches.append(len(crops))
        levels = [int(crop[56, 56, 0]) for crop in crops]
        failed = np.array([level == 255 for level in levels], bool)
        vectors = [np.zeros((SIZE,)) if bad else unit(level // 10) for level, bad in zip(levels, failed)]
        return EmbedderOutput(np.array(vectors, np.float32).reshape(-1, SIZE), failed)

    def close(self):
        self.batches = None


def grey(level, shape=(200, 300)):
    return np.full(shape + (3,), level, np.uint8)
