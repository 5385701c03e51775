"""One track: where a face was seen last, what it looked like, and what its views say about who it is."""

from typing import Iterable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from kface.recognizer.operating_point import RECOGNISED, UNDECIDED, OperatingPoint
from kface.recognizer.settings import TrackSettings
from kface.recognizer.views import FaceView, Seen, differs, drifted, is_new, seen_in
from kface.recognizer.votes import Identity, Vote, count, side

#: A face whose middle moves by more than this part of its side from one frame to the next has jumped.
JUMP = 0.25
#: Frames after which a face whose appearance has drifted is embedded again, doubled each time: it may be turning into another
#: face that looks much the same from afar.
RECHECK = 4
#: Views without a drift after which the interval is no longer shortened.
CALM = 30


class Sighting(NamedTuple):
    """A view that was embedded.

    Attributes:
        view: How the face looked.
        embedding: float32 (d,), of length 1.
        vote: The gallery's match.
    """

    view: FaceView
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

    What is found at a face's place is mostly the same face, seen a little otherwise. It may also be another person's: after a
    cut, a cross-fade, or behind someone's back. So the views have to be alike. While nothing speaks against it, a view joins
    the track where it is like any of the views, as a turning head's is; once the face has looked otherwise at once, or was
    missing, it has to be like the median one, at the threshold that recognises. Views that do not join are strangers.

    Args:
        number: Its own.
        frame: The frame in which it begins.

    Attributes:
        number: As given.
        box: float32 (4,), in the frame's pixels.
        landmarks: float32 (5, 2), likewise.
        score: The detector's confidence.
        missing: For how many frames it has not been seen.
        contested: Whether another face is in its way.
        embedded: The frame in which it was embedded last.
        looked: The frame in which it was found last, and did not just move on.
        tried: The frame in which it was looked for last.
        sightings: The views that vote.
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
        #: Whether the face may be another person's, until a view is like those before.
        self._suspect = False
        #: Views in a row that were not surely like those before, or voted against the person.
        self._against = 0
        #: Views in a row that did not look otherwise than those before; a track begins without a drift.
        self._calm = CALM
        self._look: Optional[np.ndarray] = None
        self._step = np.zeros((2,), np.float32)
        self._anchor: Optional[np.ndarray] = None
        self._seen: Optional[Seen] = None
        self._counted: Optional[Tuple[OperatingPoint, Identity]] = None

    def place(self, box: np.ndarray, landmarks: np.ndarray, score: float, frame: int) -> None:
        """Record where the face was found in a frame."""
        centre = (box[:2] + box[2:]) / 2
        side = float(max(box[2] - box[0], box[3] - box[1]))
        if self._anchor is None or self.missing:
            self._step = np.zeros((2,), np.float32)
        else:
            self._step = (centre - self._anchor) / max(frame - self.looked, 1)
            # No one moves that far in one frame: it is a jump.
            if np.abs(self._step).max() > JUMP * side:
                self._step = np.zeros((2,), np.float32)
        self._anchor, self.looked, self.tried = centre, frame, max(frame, self.tried)
        self.box, self.landmarks, self.score, self.missing = box, landmarks, score, 0

    def expected(self) -> Tuple[np.ndarray, np.ndarray]:
        """Return the box and the landmarks of the next frame, where the face goes on as it moved."""
        return self.box + np.tile(self._step, 2), self.landmarks + self._step

    def jumps(self, box: np.ndarray, settings: TrackSettings) -> bool:
        """Return whether a face would have moved, or changed its size, by more than faces do from one frame to the next."""
        side = float(max(self.box[2] - self.box[0], self.box[3] - self.box[1]))
        new = float(max(box[2] - box[0], box[3] - box[1]))
        centre = (self.expected()[0][:2] + self.expected()[0][2:]) / 2
        away = float(np.abs((box[:2] + box[2:]) / 2 - centre).max())
        return away > JUMP * side or not side <= settings.grown * new or not new <= settings.grown * side

    def changes(self, view: FaceView, settings: TrackSettings) -> bool:
        """Return whether a face looks otherwise than where it was looked at before, as after a cut."""
        return differs(view.look, self._look, settings.changed)

    def suspect(self, view: FaceView, settings: TrackSettings) -> None:
        """Record what a face looks like; it may be another person's if it was missing or looks different at once."""
        self._suspect = self._suspect or self.missing > 0 or self.changes(view, settings)
        self._look = view.look

    def wants(
        self, view: FaceView, box: np.ndarray, frame: int, point: OperatingPoint, settings: TrackSettings
    ) -> bool:
        """Return whether a view is worth an embedding.

        It is while there are few; where it is not sure to be the same person's (less often the longer that lasts); where the
        face has jumped; where it looks otherwise than ever, or than in the newest view while that one speaks against the
        others; and now and then.
        """
        since = frame - self.embedded
        if self._strangers:
            follow = since >= self._against - settings.takeover
        else:
            follow = 0 < self._against < 2 * settings.takeover
        return (
            len(self.sightings) < settings.min_views
            or self._suspect
            or follow
            or since >= min(settings.refresh, RECHECK * 2**self._calm)
            or self.jumps(box, settings)
            or is_new(view, self._to_compare(point, settings), settings)
        )

    def _to_compare(self, point: OperatingPoint, settings: TrackSettings) -> Seen:
        """Return what a view has to differ from to be a new one: the newest one, while that speaks against the others."""
        if self._against or self._doubtful(point, settings):
            return seen_in([self.sightings[-1].view])
        return self._all_seen()

    def _all_seen(self) -> Seen:
        if self._seen is None:
            self._seen = seen_in([sighting.view for sighting in self.sightings])
        return self._seen

    def likeness(self, sighting: Optional[Sighting]) -> Tuple[float, float]:
        """Return the cosines with the median and with the most similar view of the track; -1 without views."""
        if sighting is None or not self.sightings:
            return -1.0, -1.0
        cosines = np.stack([mine.embedding for mine in self.sightings]).dot(sighting.embedding)
        return float(np.median(cosines)), float(cosines.max())

    def add(
        self, sighting: Optional[Sighting], point: OperatingPoint, settings: TrackSettings
    ) -> Optional[List[Sighting]]:
        """Let a view vote, unless it is another person's.

        Returns:
            The views of another person, once there are enough in a row that are alike among themselves; None otherwise.
        """
        if sighting is None:
            return None
        if not self._joins(sighting, point, settings):
            # One such view is blurred or of a neighbour; several that agree are of another person.
            self._strangers = (self._strangers + [sighting])[-settings.takeover :]
            self._against += 1
            if len(self._strangers) < settings.takeover or not _alike(self._strangers, point):
                return None
            if self._others(point, settings):
                return self._strangers
            if self._count(point, settings).name is not None:
                return None
            # Not different enough to be another person, and the track has no name that could be wrong.
            self._join(self._strangers, settings)
            return None
        unsure = bool(self.sightings) and self.likeness(sighting)[0] < point.recognised
        self._join([sighting], settings)
        opposed = side(sighting.vote, point) != self._count(point, settings).name
        self._against = self._against + 1 if opposed or unsure else 0
        return None

    def _join(self, sightings: List[Sighting], settings: TrackSettings) -> None:
        drifts = bool(self.sightings) and not self._suspect and drifted(sightings[-1].view, self._all_seen(), settings)
        self._calm = 0 if drifts else min(self._calm + 1, CALM)
        self.sightings = (self.sightings + sightings)[-settings.max_views :]
        self._strangers, self._suspect = [], False
        self._seen = self._counted = None

    def _joins(self, sighting: Sighting, point: OperatingPoint, settings: TrackSettings) -> bool:
        if not self.sightings or (not self._suspect and len(self.sightings) < settings.min_views):
            return True
        median, closest = self.likeness(sighting)
        identity, vote = self._count(point, settings), sighting.vote
        recognised = point.state(vote.score) == RECOGNISED
        # The gallery recognises another person, or the same one.
        other = recognised and vote.name != identity.name
        same = recognised and identity.state == RECOGNISED and vote.name == identity.name
        if self._suspect:
            return same or (median >= point.recognised and not other)
        return median >= point.recognised or same or (closest >= point.unknown and not other)

    def _others(self, point: OperatingPoint, settings: TrackSettings) -> bool:
        """Return whether strangers that are alike are not the track's person."""
        name = self._count(point, settings).name
        return all(
            side(stranger.vote, point) != name or self.likeness(stranger)[0] < point.unknown
            for stranger in self._strangers
        )

    def _doubtful(self, point: OperatingPoint, settings: TrackSettings) -> bool:
        """Return whether the newest views speak against what the older ones say."""
        if self._suspect or (len(self._strangers) > 1 and _alike(self._strangers, point)):
            return True
        identity, newest = self._count(point, settings), [one.vote for one in self.sightings[-settings.takeover :]]
        if len(newest) == len(self.sightings):
            return False
        if identity.state == RECOGNISED:
            # A cross-fade, or a head that turns away: the older views do not answer for what is there now.
            return not any(vote.name == identity.name and vote.score >= point.recognised for vote in newest)
        return all(side(vote, point) != identity.name for vote in newest)

    @property
    def kept(self) -> List[Sighting]:
        """All views that are kept: those that vote, and the strangers'."""
        return self.sightings + self._strangers

    def replace_votes(self, votes: Iterable[Vote]) -> None:
        """Set other votes for the views in :attr:`kept`, in their order."""
        counted = [sighting._replace(vote=vote) for sighting, vote in zip(self.kept, votes)]
        self.sightings, self._strangers = counted[: len(self.sightings)], counted[len(self.sightings) :]
        self._counted = None

    def _count(self, point: OperatingPoint, settings: TrackSettings) -> Identity:
        if self._counted is None or self._counted[0] is not point:
            votes = [sighting.vote for sighting in self.sightings]
            self._counted = point, count(votes, point, settings.min_views)
        return self._counted[1]

    def state(self, frame: int, point: OperatingPoint, settings: TrackSettings) -> TrackState:
        """Return what is known about the track."""
        identity = self._count(point, settings)
        if self._doubtful(point, settings):
            identity = identity._replace(state=UNDECIDED)
        return TrackState(
            self.number, self.box, self.landmarks, self.score, identity, self.missing, frame - self._first + 1
        )


def _alike(sightings: Sequence[Sighting], point: OperatingPoint) -> bool:
    vectors = np.stack([sighting.embedding for sighting in sightings])
    return bool((vectors @ vectors.T >= point.unknown).all())
