"""A stream's frames, one after the other: find or follow the faces, align, embed and match them all together."""

import threading
import time
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np

from kface import alignment
from kface.errors import ImageError
from kface.faces import Faces
from kface.mtcnn.again import without
from kface.mtcnn.boxes import SAME, covered
from kface.mtcnn.brighten import brightened
from kface.mtcnn.refine import beside
from kface.recognizer.association import overlaps
from kface.recognizer.crops import Crops, crops_of
from kface.recognizer.decision import Decision
from kface.recognizer.recognizer import FaceRecognizer, best_matches
from kface.recognizer.second_look import DARK, SecondLook
from kface.recognizer.settings import PipelineSettings
from kface.recognizer.tracks import Tracker, TrackState
from kface.recognizer.views import alignable, views_of
from kface.recognizer.votes import Identity, Vote, count


class Frame(NamedTuple):
    """A frame of a stream; any value with these attributes will do in its place.

    Attributes:
        image: uint8 (h, w, 3), RGB.
        time_monotonic: When it was captured, in seconds of ``time.monotonic()``.
        number: Its place in the stream, from 0 on.
    """

    image: np.ndarray
    time_monotonic: float
    number: int


class Times(NamedTuple):
    """Seconds that the steps took.

    Attributes:
        detect: The cascade, or O-Net on the faces of the frame before.
        align: Cutting the faces out, and looking at how they look.
        embed: The embedder.
        match: The gallery.
        total: The whole frame, tracks and votes included.
        again: What brightened copies took of `detect`: a second look at the frame, and following the faces that one has shown.
    """

    detect: float
    align: float
    embed: float
    match: float
    total: float
    again: float = 0.0


class Result(NamedTuple):
    """What a frame shows.

    Attributes:
        frame: The frame.
        faces: The faces in it, in its pixels.
        identities: Who each of them is.
        ids: The number of each one's track; None without tracks.
        tracks: All tracks, those that are missing at the moment as well; none without tracks.
        ended: Tracks that ended with this frame.
        times: What the steps took.
        detected: Whether the whole cascade ran.
        embedded: How many faces were embedded.
        brightened: In which way the frame was brightened where a copy was looked at as well, see
            :mod:`kface.recognizer.second_look`; None where it was not.
    """

    frame: Frame
    faces: Faces
    identities: Tuple[Identity, ...]
    ids: Tuple[Optional[int], ...]
    tracks: Tuple[TrackState, ...]
    ended: Tuple[TrackState, ...]
    times: Times
    detected: bool
    embedded: int
    brightened: Optional[str] = None

    def crops(self, which: Optional[Sequence[int]] = None) -> np.ndarray:
        """Cut faces out, aligned: what the embedder sees of them, or would see.

        They are made here and now, since most frames are only looked at: not to be called once the frame was drawn on.

        Args:
            which: Numbers of the faces; all of them where None.

        Returns:
            uint8 (n, 112, 112, 3), RGB; black where landmarks cannot be aligned.
        """
        faces = self.faces if which is None else self.faces.take(np.array(which, np.int64))
        return crops_of(self.frame.image, faces)


class Pipeline(object):
    """Recognises people in the frames of one stream.

    To be called from one thread; :meth:`gallery_changed` and :meth:`set_decision` from any.

    Args:
        recognizer: Finds and embeds faces; not to be used elsewhere at the same time. Where its detector brightens images,
            frames are looked at again as well, but within a budget of work.
        gallery: Who is enrolled, see :class:`FaceRecognizer`; None for nobody.
        settings: How; by default with tracks and without resizing.

    Raises:
        ConfigError: A setting is out of its range, or there are no thresholds.
    """

    def __init__(
        self, recognizer: FaceRecognizer, gallery: Any = None, settings: Optional[PipelineSettings] = None
    ) -> None:
        settings = PipelineSettings() if settings is None else settings
        settings.check()
        self._recognizer = recognizer
        # Frame by frame the second look is ours: by itself the detector would look at every empty frame twice.
        self._detector, ways = without(recognizer.detector)
        self._second_look = SecondLook(ways)
        # How many faces the next frame should show, and the way and the places of those that only a copy has shown.
        self._before = 0
        self._copied: Optional[Tuple[str, np.ndarray]] = None
        self._again, self._way = 0.0, None  # type: float, Optional[str]
        self._gallery = gallery
        self._settings = settings
        self._decision = recognizer.needed_decision()
        self._tracker = None if settings.tracks is None else Tracker(settings.tracks, self._decision)
        self._changed = threading.Event()
        self._next_decision = self._decision
        self._next = 0

    def gallery_changed(self) -> None:
        """Let the views of the tracks vote anew with the next frame, because the gallery's people have changed."""
        self._changed.set()

    def set_decision(self, decision: Decision) -> None:
        """Judge by other thresholds from the next frame on; the views of the tracks are counted anew with them.

        The recogniser keeps its own.

        Raises:
            ConfigError: A threshold is no cosine, or `unknown` is above `recognised`.
        """
        decision.check()
        self._next_decision = decision

    def process(self, frame: Any) -> Result:
        """Recognise the people in the next frame.

        Args:
            frame: A :class:`Frame`, another value with its attributes, or just an image: uint8 (h, w, 3), RGB.

        Raises:
            ImageError: It is no such image.
        """
        frame = as_frame(frame, self._next)
        self._next = frame.number + 1
        began = time.perf_counter()
        # One for the whole frame, whatever other threads set meanwhile.
        self._decision = self._next_decision
        if self._tracker is not None:
            self._tracker.decision = self._decision
        look = self._look(frame.image)
        # Landmarks that cannot be aligned make no face that could be followed or embedded.
        fit = alignable(look.faces.landmarks)
        if self._tracker is not None and not fit.all():
            look = look.take(fit)
        faces = look.faces
        looked = time.perf_counter()
        if self._tracker is None:
            which = [int(number) for number in np.flatnonzero(fit)]
            crops = alignment.align(frame.image, faces.landmarks[which])
        else:
            if self._changed.is_set():
                self._changed.clear()
                self._tracker.rematch(lambda some: best_matches(self._gallery, some, np.zeros((len(some),), bool)))
            cutter = Crops(frame.image, faces)
            views = views_of(faces, cutter.sharpness, cutter.matrices, cutter.look)
            which = self._tracker.begin(faces, views, look.owners, look.looked)
            crops = cutter.take(which)
        aligned = time.perf_counter()
        embeddings = self._recognizer.embedder.run(crops)
        embedded = time.perf_counter()
        matches = best_matches(self._gallery, embeddings.vectors, embeddings.failed)
        matched = time.perf_counter()
        ids: List[Optional[int]] = [None] * faces.count
        tracks: List[TrackState] = []
        ended: List[TrackState] = []
        if self._tracker is None:
            identities = self._alone(faces.count, which, embeddings.failed, matches)
        else:
            ids = self._tracker.finish(embeddings.vectors, embeddings.failed, matches)
            tracks, ended = self._tracker.states(), list(self._tracker.ended)
            known = {track.number: track.identity for track in tracks}
            identities = [known[number] for number in ids if number is not None]
        done = time.perf_counter()
        # Without tracks each frame stands alone.
        self._before = len(tracks)
        self._second_look.frame(look.detected)
        steps = looked - began, aligned - looked, embedded - aligned, matched - embedded, done - began
        return Result(
            frame,
            faces,
            tuple(identities),
            tuple(ids),
            tuple(tracks),
            tuple(ended),
            Times(*steps, again=self._again),
            look.detected,
            len(which),
            self._way,
        )

    def _alone(
        self, faces: int, which: Sequence[int], failed: np.ndarray, matches: Sequence[Tuple[Any, float]]
    ) -> List[Identity]:
        """Return who the faces are where each decides for itself."""
        found = [count([], self._decision)] * faces
        for number, bad, (person, score) in zip(which, failed, matches):
            if not bad:
                found[number] = count([Vote(person, score, 1.0)], self._decision)
        return found

    def _look(self, rgb: np.ndarray) -> "_Look":
        small, scale = self._reduce(rgb)
        self._again, self._way = 0.0, None
        look = self._look_once(small, scale)
        if look.detected:
            look = self._look_again(small, scale, look)
        self._copied = self._known_from_copies(look)
        return look

    def _look_once(self, small: np.ndarray, scale: np.ndarray) -> "_Look":
        """Follow the faces of the frame before, or run the cascade on the frame as it is."""
        detector, tracker = self._detector, self._tracker
        if tracker is not None and tracker.follows:
            turn = tracker.turn()
            look = self._follow(small, scale, tracker, turn)
            if look.owners is not None and not tracker.lost(look.owners, turn):
                look = _both(look, *tracker.moved_on(turn))
                if not tracker.due:
                    return look
                others = _enlarge(detector.detect_others(small, look.faces.boxes * np.tile(scale, 2)), scale)
                return _both(look, others, np.full((others.count,), -1, np.int64), True)._replace(detected=True)
        look = _Look.of(detector.detect(small), None, detected=True)
        if self._copied is not None and tracker is not None:
            look = self._refine_on_copy(small, look, self._copied[1] * np.tile(scale, 2), None)
        return look._replace(faces=_enlarge(look.faces, scale))

    def _look_again(self, small: np.ndarray, scale: np.ndarray, look: "_Look") -> "_Look":
        """Look at a brightened copy for faces that the cascade has not found, where that is worth its time."""
        before = self._before
        new = max(look.faces.count - before, 0) if look.owners is None else int((look.owners < 0).sum())
        way = self._second_look.way(look.faces.count < before, is_dark(small), new)
        if way is None:
            return look
        began = time.perf_counter()
        known = look.faces.boxes * np.tile(scale, 2)
        others = _enlarge(self._detector.detect_others(brightened(small, way), known), scale)
        self._way = way
        self._again += time.perf_counter() - began
        self._second_look.looked(others.count > 0)
        owners = None if look.owners is None else np.full((others.count,), -1, np.int64)
        return _both(look, others, owners, True, True)

    def _follow(self, small: np.ndarray, scale: np.ndarray, tracker: Tracker, turn: np.ndarray) -> "_Look":
        """Return the faces whose turn it is, and in which boxes of the tracker they are."""
        detector, boxes = self._detector, tracker.boxes * np.tile(scale, 2)
        faces, found = detector.refine(small, boxes[turn])
        owners = turn[found]
        lost = tracker.lost(owners, turn)
        if lost:
            # Mostly they are still there, and a little beside is enough to see them: far less work than the cascade.
            again, found = detector.refine(small, beside(boxes[lost]))
            _, first = np.unique(found % len(lost), return_index=True)
            first = first[~covered(again.boxes[first], faces.boxes)]
            faces = Faces.join([faces, again.take(first)])
            owners = np.concatenate([owners, np.array(lost, np.int64)[found[first] % len(lost)]])
        look = _Look.of(faces, owners)
        lost = tracker.lost(owners, turn)
        if lost and self._copied is not None:
            near = (overlaps(boxes[lost], self._copied[1] * np.tile(scale, 2)) > SAME).any(axis=1)
            places = np.array(lost, np.int64)[near]
            look = self._refine_on_copy(small, look, boxes[places], places)
        return look._replace(faces=_enlarge(look.faces, scale))

    def _refine_on_copy(
        self, small: np.ndarray, look: "_Look", boxes: np.ndarray, owners: Optional[np.ndarray]
    ) -> "_Look":
        """Look on a copy for faces that were seen on one in the frame before; all in pixels of the reduced frame."""
        assert self._copied is not None
        left = ~covered(boxes, look.faces.boxes)
        if not left.any():
            return look
        began = time.perf_counter()
        self._way = self._copied[0]
        faces, found = self._detector.refine(brightened(small, self._way), boxes[left])
        apart = ~covered(faces.boxes, look.faces.boxes)
        self._again += time.perf_counter() - began
        return _both(look, faces.take(apart), None if owners is None else owners[left][found[apart]], True, True)

    def _known_from_copies(self, look: "_Look") -> Optional[Tuple[str, np.ndarray]]:
        """Return the way and the places, in the frame's pixels, of the faces that only a copy has shown last."""
        copied = look.copied.copy()
        if self._copied is not None and look.faces.count:
            # Those that just moved on were not looked at.
            near = (overlaps(look.faces.boxes, self._copied[1]) > SAME).any(axis=1)
            copied |= ~look.looked & near
        way = self._way or (self._copied[0] if self._copied is not None else None)
        return (way, look.faces.boxes[copied].astype(np.float64)) if way is not None and copied.any() else None

    def _reduce(self, rgb: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """Return what the detector is to see, and by which factors its width and height differ from the frame's."""
        size = self._settings.dnn_size
        if size is None:
            return rgb, np.ones(2)
        if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
            raise ImageError("is not an RGB image: uint8 (h, w, 3) is needed")
        height, width = rgb.shape[:2]
        factor = min(size[0] / float(width), size[1] / float(height)) if width and height else 1.0
        if factor >= 1:
            return rgb, np.ones(2)
        target = max(int(round(width * factor)), 1), max(int(round(height * factor)), 1)
        small = cv2.resize(rgb, target, interpolation=cv2.INTER_AREA)
        return small, np.array([target[0] / float(width), target[1] / float(height)])


def as_frame(item: Any, number: int) -> Any:
    """Return a frame as it is, and an image as a frame that was captured now."""
    return item if hasattr(item, "image") else Frame(item, time.monotonic(), number)


class _Look(NamedTuple):
    """What was found in a frame.

    Attributes:
        faces: The faces, in the frame's pixels, best score first.
        owners: int64 (n,), the tracker's box that each was found in, or -1; None where only the cascade ran.
        looked: bool (n,), which were looked at and did not just move on.
        copied: bool (n,), which were found on a brightened copy.
        detected: Whether the cascade ran.
    """

    faces: Faces
    owners: Optional[np.ndarray]
    looked: np.ndarray
    copied: np.ndarray
    detected: bool

    @classmethod
    def of(cls, faces: Faces, owners: Optional[np.ndarray], detected: bool = False) -> "_Look":
        """Return faces that were all looked at, in the frame as it is."""
        return cls(faces, owners, np.ones((faces.count,), bool), np.zeros((faces.count,), bool), detected)

    def take(self, which: np.ndarray) -> "_Look":
        owners = None if self.owners is None else self.owners[which]
        return _Look(self.faces.take(which), owners, self.looked[which], self.copied[which], self.detected)


def _both(look: _Look, faces: Faces, owners: Optional[np.ndarray], looked: bool = False, copied: bool = False) -> _Look:
    """Add faces that were found otherwise; with owners where the others have them."""
    if not faces.count:
        return look
    together = _Look(
        Faces.join([look.faces, faces]),
        None if look.owners is None or owners is None else np.concatenate([look.owners, owners]),
        np.concatenate([look.looked, np.full((faces.count,), looked)]),
        np.concatenate([look.copied, np.full((faces.count,), copied)]),
        look.detected,
    )
    return together.take(np.argsort(-together.faces.scores, kind="mergesort"))


def is_dark(rgb: np.ndarray) -> bool:
    """Return whether an image, uint8 (h, w, 3), RGB, is dark, by its green, which is most of its luma."""
    return bool(rgb.size) and float(rgb[::8, ::8, 1].mean()) < DARK


def _enlarge(faces: Faces, scale: np.ndarray) -> Faces:
    """Return faces in the frame's pixels."""
    if (scale == 1).all():
        return faces
    boxes = (faces.boxes / np.tile(scale, 2)).astype(np.float32)
    return Faces(boxes, faces.scores, (faces.landmarks / scale).astype(np.float32))
