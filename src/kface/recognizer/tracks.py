"""Tracks: faces that are followed from frame to frame, and whose views vote for who they are. Pure logic, no pixels.

A frame has two halves. :meth:`Tracker.begin` takes the faces, gives them to tracks as far as that is clear, and says which of
them have to be embedded: those in doubt, and those that look otherwise than before. :meth:`Tracker.finish` takes the
embeddings, settles the doubts by likeness, and lets the views vote. So all faces of a frame are embedded in one batch.
"""

from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple

import numpy as np

from kface.faces import Faces
from kface.mtcnn.boxes import overlaps
from kface.recognizer.association import Pair, best_pairs, clear_pairs
from kface.recognizer.operating_point import OperatingPoint
from kface.recognizer.settings import TrackSettings
from kface.recognizer.track import Sighting, Track, TrackState
from kface.recognizer.views import FaceView
from kface.recognizer.votes import BestMatch, Vote

#: Tracks whose boxes overlap by more than this are in each other's way: whose face is whose is looked at afterwards.
CONTEST = 0.1
#: Once in this number of times that the cascade is due, it searches for the followed faces as well.
AFRESH = 4

__all__ = ["TrackState", "Tracker"]


class Tracker(object):
    """Follows faces.

    Args:
        settings: How.
        operating_point: The thresholds, for votes and for whether two embeddings are of the same person.
    """

    def __init__(self, settings: TrackSettings, operating_point: OperatingPoint) -> None:
        settings.check()
        self.settings = settings
        self.operating_point = operating_point
        self.ended: List[TrackState] = []
        self._tracks: List[Track] = []
        self._numbers = 0
        self._frame = -1
        self._since = 0
        self._followed_for = 0
        self._faces = Faces.empty()
        self._looked = np.ones((0,), bool)
        self._crossed: Set[int] = set()
        self._places: Optional[List[int]] = None
        self._views: Sequence[FaceView] = ()
        self._pairs: List[Pair] = []
        self._wanted: List[int] = []

    @property
    def count(self) -> int:
        """How many tracks there are, those that are missing at the moment as well."""
        return len(self._tracks)

    @property
    def due(self) -> bool:
        """Whether the complete cascade has to run on the next frame: it is due, or no face is followed."""
        return self._since + 1 >= self.settings.detect_every or not self._present()

    @property
    def follows(self) -> bool:
        """Whether faces of the frame before are followed in the next one; otherwise the cascade looks at it afresh.

        Where the cascade runs on every frame it does so exactly as without tracks. Elsewhere it looks for others than those
        that are followed, but now and then for these as well: O-Net alone would never give up what it takes for a face.
        """
        afresh = self.due and self._followed_for + 1 >= AFRESH * self.settings.detect_every
        return self.settings.detect_every > 1 and not afresh and bool(self._present())

    @property
    def boxes(self) -> np.ndarray:
        """Boxes to look at where the cascade does not run, float64 (n, 4); missing faces may be there again."""
        return self._boxes(self._followed())

    def turn(self) -> np.ndarray:
        """Return which of :attr:`boxes` to look at in the next frame, int64 (m,); to be asked once a frame."""
        followed = [self._tracks[number] for number in self._followed()]
        waited = [self._frame + 1 - track.tried for track in followed]
        # Those in each other's way come more often, and together: which of them a face belongs to shows only then.
        together = 2 * max([wait for track, wait in zip(followed, waited) if track.contested] or [0])
        shared = [together if track.contested else wait for track, wait in zip(followed, waited)]
        order = sorted(range(len(followed)), key=lambda place: (-shared[place], -waited[place]))
        chosen = np.array(sorted(order[: self.settings.refine]), np.int64)
        for place in chosen:
            followed[place].tried = self._frame + 1
        return chosen

    def moved_on(self, turn: np.ndarray) -> Tuple[Faces, np.ndarray]:
        """Return where the faces are by now that are not looked at, and whose boxes these are; int64 (n,) as owners."""
        looked_at, followed = set(turn.tolist()), [self._tracks[number] for number in self._followed()]
        owners = [place for place, track in enumerate(followed) if track.missing == 0 and place not in looked_at]
        if not owners:
            return Faces.empty(), np.zeros((0,), np.int64)
        boxes, landmarks = zip(*(followed[place].expected() for place in owners))
        scores = np.array([followed[place].score for place in owners], np.float32)
        return Faces(np.stack(boxes), scores, np.stack(landmarks)), np.array(owners, np.int64)

    def lost(self, owners: np.ndarray, turn: Optional[np.ndarray] = None) -> List[int]:
        """Return which of :attr:`boxes` had a face in the frame before and have none now.

        Args:
            owners: (n,), the number in :attr:`boxes` of each face that was found.
            turn: Which boxes were looked at; all where None.
        """
        found = {int(owner) for owner in owners}
        followed = self._followed()
        places = range(len(followed)) if turn is None else turn.tolist()
        return [place for place in places if self._tracks[followed[place]].missing == 0 and place not in found]

    def begin(
        self,
        faces: Faces,
        views: Sequence[FaceView],
        owners: Optional[np.ndarray] = None,
        looked: Optional[np.ndarray] = None,
    ) -> List[int]:
        """Take a frame's faces.

        Args:
            faces: The faces.
            views: How each of them looks.
            owners: For refined faces, the number in :attr:`boxes` of the box that each was found in, -1 for one that the
                cascade has found besides; None where the cascade has found all.
            looked: bool (n,), which faces were looked at and did not just move on; all where None.

        Returns:
            The numbers of the faces to embed.
        """
        self._frame += 1
        self._since = 0 if owners is None or self.due else self._since + 1
        self._followed_for = 0 if owners is None else self._followed_for + 1
        self._faces, self._views, self.ended = faces, views, []
        self._looked = np.ones((faces.count,), bool) if looked is None else looked
        if owners is None:
            seen = self._present()
            iou = overlaps(self._boxes(seen), faces.boxes)
            pairs = [(seen[row], face) for row, face in clear_pairs(iou, self.settings.iou_threshold)]
        else:
            followed = self._followed()
            pairs = [(followed[int(owner)], face) for face, owner in enumerate(owners) if owner >= 0]
        crossing = self._crossed = self._crossing()
        # A face at a missing track's place may be another person's, and so may one that has just been in another's way, or
        # looks otherwise at once: they are all embedded, and likeness decides.
        self._pairs = [
            (number, face)
            for number, face in pairs
            if self._tracks[number].missing == 0
            and not (self._tracks[number].contested and face not in crossing and self._looked[face])
            and not (self._looked[face] and self._tracks[number].changes(views[face], self.settings))
        ]
        clear = {face: number for number, face in self._pairs}
        wanting = [
            (len(self._tracks[number].sightings), self._tracks[number].embedded, face)
            for face, number in clear.items()
            if self._looked[face]
            and self._tracks[number].wants(
                views[face], faces.boxes[face], self._frame, self.operating_point, self.settings
            )
        ]
        # Those that are known least come first, then those whose last embedding is the oldest.
        followed = [face for _, _, face in sorted(wanting)[: self.settings.budget]]
        self._wanted = sorted([face for face in range(faces.count) if face not in clear] + followed)
        return list(self._wanted)

    def finish(self, embeddings: np.ndarray, failed: np.ndarray, matches: Sequence[BestMatch]) -> List[Optional[int]]:
        """Take the embeddings of the faces that :meth:`begin` asked for.

        Args:
            embeddings: float32 (n, d), of length 1, in the order of those faces.
            failed: bool (n,), those without an embedding.
            matches: For each, the name of the most similar person in the gallery and the cosine.

        Returns:
            The track's number for each face of the frame.
        """
        given: Dict[int, Sighting] = {}
        for place, face in enumerate(self._wanted):
            if not failed[place]:
                view = self._views[face]
                given[face] = Sighting(view, embeddings[place], Vote(matches[place][0], matches[place][1], view.weight))
        pairs = self._pairs + self._settle(given)
        ids: List[Optional[int]] = [None] * self._faces.count
        kept: List[Track] = []
        owner = dict(pairs)
        for number, track in enumerate(self._tracks):
            if number not in owner:
                track.missing += 1
                if track.missing > self.settings.max_age:
                    self.ended.append(self._state(track))
                else:
                    kept.append(track)
                continue
            face = owner[number]
            track = self._see(track, face, given.get(face))
            # That two have just parted is not known before both are looked at again.
            track.contested = face in self._crossed or (track.contested and not self._looked[face])
            ids[face] = track.number
            kept.append(track)
        for face in range(self._faces.count):
            if ids[face] is None:
                track = self._see(self._new(), face, given.get(face))
                track.contested = face in self._crossed
                ids[face] = track.number
                kept.append(track)
        self._tracks = kept
        self._places = None
        return ids

    def states(self) -> List[TrackState]:
        """Return what is known about each track, in the order in which they began."""
        return [self._state(track) for track in sorted(self._tracks, key=lambda track: track.number)]

    def rematch(self, match: Callable[[np.ndarray], Sequence[BestMatch]]) -> None:
        """Let all views vote again, for instance after someone was enrolled, renamed or deleted.

        Args:
            match: Returns for embeddings, float32 (n, d), the name of the most similar person and the cosine.
        """
        every = [sighting for track in self._tracks for sighting in track.kept]
        if not every:
            return
        found = iter(match(np.stack([sighting.embedding for sighting in every])))
        for track in self._tracks:
            votes = [Vote(*next(found), sighting.vote.weight) for sighting in track.kept]
            track.replace_votes(votes)

    def _boxes(self, numbers: Sequence[int]) -> np.ndarray:
        return np.array([self._tracks[number].box for number in numbers], np.float64).reshape(-1, 4)

    def _present(self) -> List[int]:
        """Return the tracks whose faces were seen in the frame before."""
        return [number for number, track in enumerate(self._tracks) if track.missing == 0]

    def _followed(self) -> List[int]:
        """Return the tracks to look for: those that are seen, and missing ones whose place no other has taken."""
        if self._places is None:
            every = range(len(self._tracks))
            seen = self._present()
            taken = np.any(overlaps(self._boxes(every), self._boxes(seen)) > CONTEST, axis=1).tolist()
            self._places = [number for number in every if number in seen or not taken[number]]
        return self._places

    def _crossing(self) -> Set[int]:
        iou = overlaps(self._faces.boxes, self._faces.boxes)
        np.fill_diagonal(iou, 0)
        return {int(face) for face in np.flatnonzero((iou > CONTEST).any(axis=1))}

    def _settle(self, given: Dict[int, Sighting]) -> List[Pair]:
        """Pair the tracks and faces that are still open, by likeness and overlap."""
        taken_tracks = {number for number, _ in self._pairs}
        taken_faces = {face for _, face in self._pairs}
        tracks = [number for number in range(len(self._tracks)) if number not in taken_tracks]
        faces = [face for face in range(self._faces.count) if face not in taken_faces]
        if not tracks or not faces:
            return []
        iou = overlaps(self._boxes(tracks), self._faces.boxes[faces])
        near = iou >= self.settings.iou_threshold
        seen = np.array([self._tracks[number].missing == 0 for number in tracks])
        cosines = np.array([[self._tracks[number].likeness(given.get(face)) for face in faces] for number in tracks])
        median, closest = cosines[..., 0], cosines[..., 1]
        # Where it was a moment ago it may look otherwise; after a gap it has to be alike, and elsewhere surely so.
        allowed = near & (seen[:, None] | (closest >= self.operating_point.unknown))
        allowed |= median >= self.operating_point.recognised
        # Likeness goes first, by the thresholds, since one network's cosines lie far apart and another's close together.
        levels = (median >= self.operating_point.recognised).astype(int) + (median >= self.operating_point.unknown)
        scores = levels + 0.5 * iou + 0.1 * median
        return [(tracks[row], faces[column]) for row, column in best_pairs(scores, allowed)]

    def _see(self, track: Track, face: int, sighting: Optional[Sighting]) -> Track:
        """Show a track its face, and return it: or the new one that begins where another person has taken it over."""
        if self._looked[face]:
            track.suspect(self._views[face], self.settings)
        others = track.add(sighting, self.operating_point, self.settings)
        if others:
            self.ended.append(self._state(track))
            track = self._new()
            track.suspect(self._views[face], self.settings)
            for other in others:
                track.add(other, self.operating_point, self.settings)
        if sighting is not None:
            track.embedded = self._frame
        box, landmarks, score = self._faces.boxes[face], self._faces.landmarks[face], float(self._faces.scores[face])
        if self._looked[face]:
            track.place(box, landmarks, score, self._frame)
        else:
            track.box, track.landmarks = box, landmarks
        return track

    def _new(self) -> Track:
        self._numbers += 1
        return Track(self._numbers, self._frame)

    def _state(self, track: Track) -> TrackState:
        return track.state(self._frame, self.operating_point, self.settings)
