"""The picture to show: the newest one with boxes and names, and never an old one as if it were live."""

import threading
import time
from typing import Callable, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np

from deploy.events import score_of
from deploy.labels import Labels
from kface.recognizer import RECOGNISED, UNKNOWN, Identity, Result

#: A picture that was captured longer ago, in seconds, is not shown as live.
OLDEST_S = 1.0
#: RGB of boxes and bars: colours that people with red-green weakness can tell apart (Okabe and Ito).
COLOURS = {RECOGNISED: (0, 158, 115), UNKNOWN: (213, 94, 0)}
UNDECIDED_COLOUR = (240, 228, 66)
BACKDROP = (52, 56, 62)


class ViewFace(NamedTuple):
    """A face in a view.

    Attributes:
        track: The track's number; None without tracks.
        box: x1 y1 x2 y2 in pixels of the view's image.
        state: "recognised", "undecided" or "unknown".
        name: Who, where recognised; None otherwise.
        score: Weighted mean cosine of the track's views; None where it has none yet.
    """

    track: Optional[int]
    box: Tuple[float, float, float, float]
    state: str
    name: Optional[str]
    score: Optional[float]


class LivePicture(NamedTuple):
    """A picture to show.

    Attributes:
        number: Grows with each picture, where a picture has become too old, and from then on with each change of the stream's
            state.
        image: uint8 (h, w, 3), RGB, annotated.
        live: Whether it shows what is happening; otherwise it is a grey picture that says why not.
        faces: The faces in it.
        size: Its width and height.
        plain: The same without annotations, for viewers that draw their own; None where it is not available.
    """

    number: int
    image: np.ndarray
    live: bool
    faces: Tuple[ViewFace, ...]
    size: Tuple[int, int]
    plain: Optional[np.ndarray] = None


def annotate(result: Result, labels: Labels, size: Optional[Tuple[int, int]] = None) -> np.ndarray:
    """Draw boxes, names and scores into a copy of a result's frame.

    Args:
        result: The result.
        labels: Draws the names.
        size: Width and height that the picture is to fit into, aspect kept; as the frame is where None.

    Returns:
        uint8 (h, w, 3), RGB.
    """
    picture, scale = fitted(result.frame.image, size)
    return draw_faces(picture, scale, result, labels)


def draw_faces(picture: np.ndarray, scale: float, result: Result, labels: Labels) -> np.ndarray:
    """Draw a result's boxes, names and scores into a picture of its frame, uint8 (h, w, 3), RGB, and return that.

    Args:
        picture: Changed in place.
        scale: Factor from the frame's pixels to the picture's.
        result: The result.
        labels: Draws the names.
    """
    line = max(int(round(picture.shape[0] / 240.0)), 1)
    height = min(max(picture.shape[0] // 22, 14), 40)
    for box, identity, track in zip(result.faces.boxes, result.identities, result.ids):
        colour = COLOURS.get(identity.state, UNDECIDED_COLOUR)
        x1, y1, x2, y2 = (int(round(float(side) * scale)) for side in box)
        cv2.rectangle(picture, (x1, y1), (x2, y2), colour, line, cv2.LINE_AA)
        below = y1 - line < height
        labels.draw(picture, caption(identity, track), (x1, y2 + line + height if below else y1 - line), colour, height)
    return picture


def caption(identity: Identity, track: Optional[int]) -> str:
    """Return what is written at a face: the name and the score, or what is not known."""
    which = "" if track is None else " #{}".format(track)
    if identity.state == RECOGNISED:
        return "{} {:.2f}{}".format(identity.name, identity.score, which)
    return ("unknown" if identity.state == UNKNOWN else "...") + which


def scale_to(rgb: np.ndarray, size: Tuple[int, int]) -> float:
    """Return the factor by which a picture has to be reduced to fit into a width and height; never more than 1."""
    return min(size[0] / float(rgb.shape[1]), size[1] / float(rgb.shape[0]), 1.0)


def fitted(rgb: np.ndarray, size: Optional[Tuple[int, int]]) -> Tuple[np.ndarray, float]:
    """Return a copy of a picture that fits into a size, and the factor between the two; it is never enlarged."""
    height, width = rgb.shape[:2]
    scale = 1.0 if size is None else scale_to(rgb, size)
    if scale == 1:
        return rgb.copy(), 1.0
    target = max(int(round(width * scale)), 1), max(int(round(height * scale)), 1)
    return cv2.resize(rgb, target, interpolation=cv2.INTER_AREA), scale


def placard(lines: Sequence[str], labels: Labels, size: Tuple[int, int]) -> np.ndarray:
    """Return a grey picture with some lines of text, uint8 (h, w, 3), RGB."""
    picture = np.empty((size[1], size[0], 3), np.uint8)
    picture[:] = BACKDROP
    # No smaller than can be read on the smallest view.
    height = min(max(size[1] // 16, 18), 40)
    texts = [part for line in lines if line for part in labels.lines(line, height, size[0] - 2 * height)]
    room = max(size[1] // height, 1)
    if len(texts) > room:
        texts = texts[: room - 1] + ["..."]
    top = max((size[1] - len(texts) * height) // 2, 0)
    for number, text in enumerate(texts):
        labels.draw(picture, text, (height, top + (number + 1) * height), BACKDROP, height)
    return picture


class Viewer(object):
    """Keeps the newest result and draws it on demand. Safe to share between threads.

    Args:
        size: Width and height that pictures fit into.
        state: Returns the stream's state and the reason for it.
    """

    def __init__(self, size: Tuple[int, int], state: Callable[[], Tuple[str, str]]) -> None:
        self._size = size
        self._state = state
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._drawing = threading.Lock()
        self._labels = Labels()
        self._result: Optional[Result] = None
        self._taken = 0
        self._key: Optional[Tuple[object, ...]] = None
        self._number = 0
        self._view: Optional[LivePicture] = None
        self._shape = size
        self._closed = False

    def take(self, result: Result) -> None:
        """Show a result from now on."""
        with self._news:
            self._result = result
            self._taken += 1
            self._news.notify_all()

    def clear(self) -> None:
        """Show no result any more until the next one."""
        with self._news:
            self._result = None
            self._news.notify_all()

    def resize(self, size: Tuple[int, int]) -> None:
        """Show pictures that fit into another width and height."""
        with self._news:
            self._size = self._shape = size
            self._news.notify_all()

    def changed(self) -> None:
        """Look at the stream's state again."""
        with self._news:
            self._news.notify_all()

    def close(self) -> None:
        """Wake up everyone who waits."""
        with self._news:
            self._closed = True
            self._news.notify_all()

    def newest(self) -> Optional[Result]:
        """Return the newest result; None where its frame is too old to be shown as live."""
        with self._lock:
            result = self._result
        return None if result is None or _age(result) > OLDEST_S else result

    def wait(self, after: int, timeout: float) -> Optional[LivePicture]:
        """Return the newest view with a number greater than `after`; None where none comes in time."""
        deadline = time.monotonic() + timeout
        while True:
            number, result, state = self._look()
            if number > after:
                view = self._draw(number, result, state)
                # Drawing takes its time as well.
                if not view.live or result is None or _age(result) <= OLDEST_S:
                    return view
                continue
            with self._news:
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    return None
                newest = self._result
                if newest is not None and _age(newest) <= OLDEST_S:
                    left = min(left, OLDEST_S - _age(newest) + 0.01)
                # Not for long: news between the look and this wait would be missed otherwise.
                self._news.wait(min(left, 0.25))

    @property
    def size(self) -> Tuple[int, int]:
        """Width and height that pictures fit into."""
        return self._size

    def _look(self) -> Tuple[int, Optional[Result], Tuple[str, str]]:
        """Return the number, the live result if there is one, and the stream's state."""
        state = self._state()
        with self._lock:
            result = self._result
            live = result is not None and _age(result) <= OLDEST_S
            key: Tuple[object, ...] = ("live", self._taken) if live else ("still",) + state
            key += (self._size,)
            if key != self._key:
                self._key = key
                self._number += 1
            return self._number, result if live else None, state

    def _draw(self, number: int, result: Optional[Result], state: Tuple[str, str]) -> LivePicture:
        with self._drawing:
            if self._view is not None and self._view.number >= number:
                return self._view
            if result is None:
                lines = (
                    "No live picture: the stream is {}.".format(state[0]) if state[0] != "live" else "No live picture.",
                    state[1],
                )
                grey = placard((), self._labels, self._shape)
                self._view = LivePicture(
                    number, placard(lines, self._labels, self._shape), False, (), self._shape, grey
                )
            else:
                plain, scale = fitted(result.frame.image, self._size)
                self._shape = (plain.shape[1], plain.shape[0])
                image = draw_faces(plain.copy(), scale, result, self._labels)
                faces = faces_of(result, self._shape[0] / float(result.frame.image.shape[1]))
                self._view = LivePicture(number, image, True, faces, self._shape, plain)
            return self._view


def faces_of(result: Result, scale: float = 1.0) -> Tuple[ViewFace, ...]:
    """Return the faces of a result as they are shown, boxes multiplied by a scale."""
    found = []
    for box, identity, track in zip(result.faces.boxes, result.identities, result.ids):
        x1, y1, x2, y2 = (round(float(side) * scale, 1) for side in box)
        found.append(
            ViewFace(
                track,
                (x1, y1, x2, y2),
                identity.state,
                identity.name if identity.state == RECOGNISED else None,
                score_of(identity),
            )
        )
    return tuple(found)


def _age(result: Result) -> float:
    return time.monotonic() - result.frame.time_monotonic
