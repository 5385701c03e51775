"""One track: where a face was seen last, what it looked like, and what its views say about who it is."""

from typing import List, NamedTuple, Optional, Sequence

import numpy as np

from kface.recognizer.decision import Decision
from kface.recognizer.settings import TrackSettings
from kface.recognizer.views import View, is_new
from kface.recognizer.votes import Identity, Vote, count


class Sighting(NamedTuple):
    """A view that was embedded.

    Attributes:
        view: How the face looked.
        embedding: float32 (d,), of length 1.
        vote: What the gallery said.
    """

    view: View
    embedding: np.ndarray
    vote: Vote


class TrackState(NamedTuple):
    """What is known about a track.

    Attributes:
        number: Its own, from 1 on; never used twice.
        box: float32 (4,), x1 y1 x2 y2 in the frame's pixels, where it was seen last.
        landmarks: float32 (5, 2), likewise.
        score: The detector's confidence there.
        identity: Who it is.
        missing: For how many frames it has not been seen; 0 where it is in this one.
        frames: For how many frames it has been there, this one included.
    """

    number: int
    box: np.ndarray
    landmarks: np.ndarray
    score: float
    identity: Identity
    missing: int
    frames: int


class Track(object):
    """A face that is followed.

    Args:
        number: Its own.
        frame: The frame in which it begins.
    """

    def __init__(self, number: int, frame: int) -> None:
        self.number = number
        self.box = np.zeros((4,), np.float32)
        self.landmarks = np.zeros((5, 2), np.float32)
        self.score = 0.0
        self.missing = 0
        self.contested = False
        self.embedded = frame
        self.sightings: List[Sighting] = []
        self._first = frame
        self._strangers: List[Sighting] = []

    def place(self, box: np.ndarray, landmarks: np.ndarray, score: float) -> None:
        """Say where the face is in this frame."""
        self.box, self.landmarks, self.score, self.missing = box, landmarks, score, 0

    def wants(self, view: View, frame: int, settings: TrackSettings) -> bool:
        """Return whether a view is worth an embedding."""
        return (
            len(self.sightings) < settings.views
            or bool(self._strangers)
            or frame - self.embedded >= settings.refresh
            or is_new(view, [sighting.view for sighting in self.sightings], settings)
        )

    def likeness(self, sighting: Optional[Sighting]) -> float:
        """Return the cosine with the most similar view of the track; -1 where there is none."""
        if sighting is None or not self.sightings:
            return -1.0
        return max(float(np.dot(mine.embedding, sighting.embedding)) for mine in self.sightings)

    def add(
        self, sighting: Optional[Sighting], decision: Decision, settings: TrackSettings
    ) -> Optional[List[Sighting]]:
        """Let a view vote, unless it is like nothing that the track has shown.

        Returns:
            The views of another person, once there are enough in a row that are alike among themselves; None otherwise.
        """
        if sighting is None:
            return None
        if len(self.sightings) >= settings.views and self.likeness(sighting) < decision.unknown:
            # One such view is a blur or a neighbour; several that agree are somebody else.
            self._strangers = self._strangers[-(settings.takeover - 1) :] if settings.takeover > 1 else []
            self._strangers.append(sighting)
            if len(self._strangers) >= settings.takeover and _alike(self._strangers, decision):
                return self._strangers
            return None
        self._strangers = []
        self.sightings = self.sightings[-(settings.memory - 1) :] if settings.memory > 1 else []
        self.sightings.append(sighting)
        return None

    def state(self, frame: int, decision: Decision, settings: TrackSettings) -> TrackState:
        """Return what is known about the track."""
        identity = count([sighting.vote for sighting in self.sightings], decision, settings.views)
        return TrackState(
            self.number, self.box, self.landmarks, self.score, identity, self.missing, frame - self._first + 1
        )


def _alike(sightings: Sequence[Sighting], decision: Decision) -> bool:
    vectors = np.stack([sighting.embedding for sighting in sightings])
    return bool((vectors @ vectors.T >= decision.unknown).all())
