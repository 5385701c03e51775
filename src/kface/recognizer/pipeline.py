"""A stream's frames, one after the other: find or follow the faces, align, embed and match them all together."""

import threading
import time
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from kface import alignment
from kface.faces import Faces
from kface.recognizer.crops import Crops, crops_of
from kface.recognizer.finder import Finder
from kface.recognizer.operating_point import OperatingPoint
from kface.recognizer.recognizer import FaceRecognizer, best_matches
from kface.recognizer.settings import PipelineSettings
from kface.recognizer.tracks import Tracker, TrackState
from kface.recognizer.views import alignable, views_of
from kface.recognizer.votes import BestMatch, Identity, Vote, count
from kface.streams.frame import Frame


class Times(NamedTuple):
    """Seconds that the steps took.

    Attributes:
        detect: The cascade, or O-Net on the faces of the frame before.
        align: Cutting the faces out, and looking at how they look.
        embed: The embedder.
        match: The gallery.
        total: The complete frame, tracks and votes included.
        copies: What brightened copies took of `detect`: a second look at the frame, and following the faces that one has shown.
    """

    detect: float
    align: float
    embed: float
    match: float
    total: float
    copies: float = 0.0


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
        detected: Whether the complete cascade ran.
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

    To be called from one thread; :meth:`gallery_changed` and :meth:`set_operating_point` from any.

    Args:
        recognizer: Finds and embeds faces; not to be used elsewhere at the same time. Where its detector brightens images,
            frames are looked at again as well, but within a budget of work.
        gallery: Who is enrolled, see :class:`FaceRecognizer`; None for an empty gallery.
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
        self._gallery = gallery
        self._operating_point = recognizer.needed_operating_point()
        self._tracker = None if settings.tracks is None else Tracker(settings.tracks, self._operating_point)
        self._finder = Finder(recognizer.detector, self._tracker, settings.dnn_size)
        self._changed = threading.Event()
        self._next_operating_point = self._operating_point
        self._next = 0

    def gallery_changed(self) -> None:
        """Let the views of the tracks vote again with the next frame, because the gallery's people have changed."""
        self._changed.set()

    def set_operating_point(self, operating_point: OperatingPoint) -> None:
        """Judge by other thresholds from the next frame on; the votes of the tracks are counted again with them.

        The recogniser keeps its own.

        Raises:
            ConfigError: A threshold is not a cosine, or `unknown` is above `recognised`.
        """
        operating_point.check()
        self._next_operating_point = operating_point

    def process(self, frame: Union[Frame, np.ndarray]) -> Result:
        """Recognise the people in the next frame.

        Args:
            frame: A :class:`kface.streams.Frame`, or just an image: uint8 (h, w, 3), RGB.

        Raises:
            ImageError: It is not such an image.
        """
        frame = as_frame(frame, self._next)
        self._next = frame.number + 1
        began = time.perf_counter()
        # The same for the complete frame, whatever other threads set meanwhile.
        self._operating_point = self._next_operating_point
        if self._tracker is not None:
            self._tracker.operating_point = self._operating_point
        found = self._finder.find(frame.image)
        faces = found.faces
        looked = time.perf_counter()
        if self._tracker is None:
            which = [int(number) for number in np.flatnonzero(alignable(faces.landmarks))]
            crops = alignment.align(frame.image, faces.landmarks[which])
        else:
            if self._changed.is_set():
                self._changed.clear()
                self._tracker.rematch(lambda some: best_matches(self._gallery, some, np.zeros((len(some),), bool)))
            cutter = Crops(frame.image, faces)
            views = views_of(faces, cutter.sharpness, cutter.matrices, cutter.look)
            which = self._tracker.begin(faces, views, found.owners, found.looked)
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
        steps = looked - began, aligned - looked, embedded - aligned, matched - embedded, done - began
        return Result(
            frame,
            faces,
            tuple(identities),
            tuple(ids),
            tuple(tracks),
            tuple(ended),
            Times(*steps, copies=found.copies),
            found.detected,
            len(which),
            found.brightened,
        )

    def _alone(
        self, faces: int, which: Sequence[int], failed: np.ndarray, matches: Sequence[BestMatch]
    ) -> List[Identity]:
        """Return who the faces are where each decides for itself."""
        found = [count([], self._operating_point)] * faces
        for number, bad, (name, score) in zip(which, failed, matches):
            if not bad:
                found[number] = count([Vote(name, score, 1.0)], self._operating_point)
        return found


def as_frame(item: Union[Frame, np.ndarray], number: int) -> Frame:
    """Return a frame unchanged, and an image as a frame that was captured now."""
    return item if isinstance(item, Frame) else Frame(item, time.monotonic(), number)
