"""What happened: someone is recognised, is unknown, has left; the stream is live or lost; someone was enrolled."""

import collections
import datetime
import threading
import time
from typing import Any, Deque, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from kface.recognizer import RECOGNISED, UNKNOWN, Identity, Result, TrackState
from kface.redaction import redact

#: Kinds of events about people in front of the camera.
LEFT = "left"
#: Other kinds.
STREAM, ENROLLED, GALLERY = "stream", "enrolled", "gallery"
#: Events that are kept for readers.
KEPT = 1000
#: Without tracks: frames after which a person who returns is reported again.
ABSENT_FRAMES = 15


class Event(NamedTuple):
    """Something that happened.

    Attributes:
        number: Counts the session's events from 1.
        time: When, local time with its offset, ISO 8601 to the millisecond; of people: when the frame was captured.
        kind: "recognised", "unknown", "left", "stream", "enrolled" or "gallery".
        track: The track's number; None without one.
        name: Who; None for an unknown person and for other kinds of events.
        score: Weighted mean cosine of the track's views; None where there is none.
        fmr: The false match rate of one comparison that the threshold stands for; None where none was measured.
        box: x1 y1 x2 y2 in pixels of the frame; None where there is no face.
        frame: The frame's number in the stream; None where there is no frame.
        reason: Why, for instance why the stream is lost; empty where there is nothing to say.
    """

    number: int
    time: str
    kind: str
    track: Optional[int] = None
    name: Optional[str] = None
    score: Optional[float] = None
    fmr: Optional[float] = None
    box: Optional[Tuple[float, ...]] = None
    frame: Optional[int] = None
    reason: str = ""

    def as_dict(self) -> Dict[str, Any]:
        """Return the event for JSON, where the name is called ``person``; fields that are None or empty are left out."""
        return {
            "person" if key == "name" else key: value
            for key, value in self._asdict().items()
            if value not in (None, "")
        }


def wall_time(monotonic: Optional[float] = None) -> str:
    """Return a moment of ``time.monotonic()`` (now where None) as local time with its offset, ISO 8601."""
    ago = 0.0 if monotonic is None else time.monotonic() - monotonic
    moment = datetime.datetime.fromtimestamp(time.time() - ago, datetime.timezone.utc).astimezone()
    return moment.isoformat(timespec="milliseconds")


def box_of(box: np.ndarray) -> Tuple[float, ...]:
    """Return a box with a tenth of a pixel, as it is written."""
    return tuple(round(float(side), 1) for side in box)


def score_of(identity: Identity) -> Optional[float]:
    """Return a score with four places, as it is written; None where it has none yet."""
    return round(float(identity.score), 4) if identity.score >= -1 else None


class EventLog(object):
    """The newest events, for any number of readers. Safe to share between threads.

    Args:
        kept: Number of events that are kept.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._events: Deque[Event] = collections.deque(maxlen=kept)
        self._number = 0
        self._news = threading.Condition()
        self._closed = False

    def add(self, kind: str, time: Optional[str] = None, **others: Any) -> Event:
        """Add an event, now unless `time` says otherwise, and return it; nothing secret stays in its reason."""
        if others.get("reason"):
            others["reason"] = redact(others["reason"])
        with self._news:
            self._number += 1
            event = Event(self._number, wall_time() if time is None else time, kind, **others)
            self._events.append(event)
            self._news.notify_all()
            return event

    @property
    def newest(self) -> int:
        """The newest event's number; 0 without events."""
        return self._number

    def wait(self, after: int, timeout: float) -> List[Event]:
        """Return the events after one with a number; wait for one where there are none yet."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                found = [event for event in self._events if event.number > after]
                left = deadline - time.monotonic()
                if found or left <= 0 or self._closed:
                    return found
                self._news.wait(left)

    def close(self) -> None:
        """Wake up everyone who waits."""
        with self._news:
            self._closed = True
            self._news.notify_all()


class Observer(object):
    """Turns results into events: one when a decision about a track is made or changes, one when its person has left.

    Args:
        log: Where the events go.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._reported: Dict[int, Tuple[str, Optional[str]]] = {}
        self._present: Dict[Optional[str], int] = {}

    def observe(self, result: Result, fmr: Optional[float]) -> List[Event]:
        """Return the events of a result, in order; they are in the log by then.

        Args:
            result: The next of the stream.
            fmr: What the threshold stands for.
        """
        when = wall_time(result.frame.time_monotonic)
        found = [self._left(track, when, result) for track in result.ended if track.number in self._reported]
        if not result.ids or result.ids[0] is not None:
            for track in result.tracks:
                identity = track.identity
                who = (identity.state, identity.name)
                if (
                    track.missing
                    or identity.state not in (RECOGNISED, UNKNOWN)
                    or self._reported.get(track.number) == who
                ):
                    continue
                self._reported[track.number] = who
                found.append(self._met(identity, track.box, when, result, fmr, track.number))
            return found
        for box, identity in zip(result.faces.boxes, result.identities):
            if identity.state in (RECOGNISED, UNKNOWN):
                last = self._present.get(identity.name)
                self._present[identity.name] = result.frame.number
                if last is None or not 0 <= result.frame.number - last <= ABSENT_FRAMES:
                    found.append(self._met(identity, box, when, result, fmr, None))
        return found

    def finish(self) -> List[Event]:
        """Return the events of the stream's end: everybody who was there has left."""
        reported, self._reported = self._reported, {}
        return [self._log.add(LEFT, track=track, name=name) for track, (_, name) in sorted(reported.items())]

    def _met(
        self, identity: Identity, box: np.ndarray, when: str, result: Result, fmr: Optional[float], track: Optional[int]
    ) -> Event:
        return self._log.add(
            identity.state,
            when,
            track=track,
            name=identity.name,
            score=score_of(identity),
            fmr=fmr if identity.state == RECOGNISED else None,
            box=box_of(box),
            frame=result.frame.number,
        )

    def _left(self, track: TrackState, when: str, result: Result) -> Event:
        _, name = self._reported.pop(track.number)
        return self._log.add(
            LEFT, when, track=track.number, name=name, box=box_of(track.box), frame=result.frame.number
        )
