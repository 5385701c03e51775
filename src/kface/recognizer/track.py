"""One track: where a face was seen last, what it looked like, and what its views say about who it is."""

from typing import Iterable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from kface.recognizer.decision import Decision
from kface.recognizer.settings import TrackSettings
from kface.recognizer.views import Seen, View, is_new, seen_in
from kface.recognizer.votes import Identity, Vote, count

#: A face whose middle moves by more than this part of its side from one frame to the next has jumped.
JUMP = 0.25


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
        self.looked = self.tried = frame
        self.sightings: List[Sighting] = []
        self._first = frame
        self._strangers: List[Sighting] = []
        self._step = np.zeros((2,), np.float32)
        self._anchor: Optional[np.ndarray] = None
        self._seen: Optional[Seen] = None
        self._counted: Optional[Tuple[Decision, Identity]] = None

    def place(self, box: np.ndarray, landmarks: np.ndarray, score: float, frame: int) -> None:
        """Say where the face was found in a frame."""
        centre = (box[:2] + box[2:]) / 2
        side = float(max(box[2] - box[0], box[3] - box[1]))
        if self._anchor is None or self.missing:
            self._step = np.zeros((2,), np.float32)
        else:
            self._step = (centre - self._anchor) / max(frame - self.looked, 1)
            # So far nobody goes in one frame: it is a jump, not a movement.
            if np.abs(self._step).max() > JUMP * side:
                self._step = np.zeros((2,), np.float32)
        self._anchor, self.looked, self.tried = centre, frame, max(frame, self.tried)
        self.box, self.landmarks, self.score, self.missing = box, landmarks, score, 0

    def expected(self) -> Tuple[np.ndarray, np.ndarray]:
        """Return the box and the landmarks of the next frame, where the face goes on as it moved."""
        return self.box + np.tile(self._step, 2), self.landmarks + self._step

    def wants(self, view: View, frame: int, settings: TrackSettings) -> bool:
        """Return whether a view is worth an embedding."""
        return (
            len(self.sightings) < settings.views
            or bool(self._strangers)
            or frame - self.embedded >= settings.refresh
            or is_new(view, self._all_seen(), settings)
        )

    def _all_seen(self) -> Seen:
        if self._seen is None:
            self._seen = seen_in([sighting.view for sighting in self.sightings])
        return self._seen

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
        self._seen = self._counted = None
        return None

    def vote_anew(self, votes: Iterable[Vote]) -> None:
        """Take other votes for the views that are kept, in their order."""
        self.sightings = [sighting._replace(vote=vote) for sighting, vote in zip(self.sightings, votes)]
        self._counted = None

    def _identity(self, decision: Decision, settings: TrackSettings) -> Identity:
        if self._counted is None or self._counted[0] is not decision:
            votes = [sighting.vote for sighting in self.sightings]
            self._counted = decision, count(votes, decision, settings.views)
        return self._counted[1]

    def state(self, frame: int, decision: Decision, settings: TrackSettings) -> TrackState:
        """Return what is known about the track."""
        identity = self._identity(decision, settings)
        return TrackState(
            self.number, self.box, self.landmarks, self.score, identity, self.missing, frame - self._first + 1
        )


def _alike(sightings: Sequence[Sighting], decision: Decision) -> bool:
    vectors = np.stack([sighting.embedding for sighting in sightings])
    return bool((vectors @ vectors.T >= decision.unknown).all())
