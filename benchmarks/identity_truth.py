"""Compares names with the truth: pure logic over boxes, tracks and names, frame by frame.

A face that was found belongs to the person whose true box it overlaps the most. What is counted of each person in a frame is
the name shown there; of each track, what it was called as long as it lived.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np

from kface.mtcnn.boxes import overlaps
from kface.recognizer.association import best_pairs
from kface.recognizer.operating_point import RECOGNISED

#: Overlap (IoU) from which on a face that was found is that of a person.
LEAST_OVERLAP = 0.3
RIGHT, WRONG, UNKNOWN, UNDECIDED, MISSED = "right", "wrong", "unknown", "undecided", "missed"


class Shown(NamedTuple):
    """A person in a frame.

    Attributes:
        subject: Who it is.
        box: (4,), x1 y1 x2 y2 in pixels, where the face is.
        names: The names that are right; none for a stranger.
        counted: Whether it can be seen well enough: neither covered nor outside the frame.
        mixed: Whether the face is on its way from one person to another: any of `names` is right, and so is none.
    """

    subject: str
    box: Sequence[float]
    names: frozenset[str]
    counted: bool = True
    mixed: bool = False


class Found(NamedTuple):
    """A face that the recogniser shows: its box, its track's number, and the state and the name of its identity."""

    box: Sequence[float]
    track: int
    state: str
    name: str | None


@dataclass
class Stay:
    """An uninterrupted time of a person in the picture.

    Attributes:
        known: Whether the person is enrolled.
        first: The first frame in which it can be seen well; None before.
        named: The first frame with the right name.
        wrong: In how many frames it had a wrong one.
        track: The number of the newest track.
        switches: How often that changed.
    """

    known: bool
    first: int | None = None
    named: int | None = None
    wrong: int = 0
    track: int | None = None
    switches: int = 0


@dataclass
class Life:
    """The names of a track during its life.

    Attributes:
        subjects: Frames by person.
        verdicts: Frames by whether the person is enrolled, and what it was called.
        since: The first frame of the wrong name that it has at the moment; None where it has none.
        runs: How long it had wrong names, in frames from the first to the last.
    """

    subjects: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[tuple[bool, str]] = field(default_factory=Counter)
    since: int | None = None
    last: int = 0
    runs: list[int] = field(default_factory=list)

    def carries(self, wrong: bool, frame: int) -> None:
        """Record whether the name is wrong in a frame in which the track is seen."""
        if not wrong:
            self.end()
            return
        self.since = frame if self.since is None else self.since
        self.last = frame

    def end(self) -> None:
        """Record that a wrong name is gone."""
        if self.since is not None:
            self.runs.append(self.last - self.since + 1)
        self.since = None


@dataclass(frozen=True)
class Scores:
    """The counts; scores of several clips are added with :func:`total`.

    Attributes:
        clips: Clips.
        frames: Frames.
        embedded: Faces that were embedded.
        faces: People in frames, by whether they are enrolled and what they were called.
        mixed: Faces on their way from one person to another, by whether the name is wrong.
        elsewhere: Faces that were found where nobody is, by whether they have a name.
        tracks: Tracks by whether the person is enrolled and what they were called.
        shared: Tracks that went on from one person to another.
        runs: How long tracks had a wrong name, in frames.
        waits: Frames until the right name, of each stay of somebody who is enrolled; None where it never came.
        strangers: Stays of strangers.
        strangers_named: Those that ever had a name.
        switches: How often a person's track changed within a stay.
    """

    clips: int = 0
    frames: int = 0
    embedded: int = 0
    faces: Counter[tuple[bool, str]] = field(default_factory=Counter)
    mixed: Counter[bool] = field(default_factory=Counter)
    elsewhere: Counter[bool] = field(default_factory=Counter)
    tracks: Counter[tuple[bool, str]] = field(default_factory=Counter)
    shared: int = 0
    runs: tuple[int, ...] = ()
    waits: tuple[int | None, ...] = ()
    strangers: int = 0
    strangers_named: int = 0
    switches: int = 0


class Judge:
    """Compares what a recogniser shows of one clip with the truth."""

    def __init__(self) -> None:
        self._frame = -1
        self._embedded = 0
        self._faces: Counter[tuple[bool, str]] = Counter()
        self._mixed: Counter[bool] = Counter()
        self._elsewhere: Counter[bool] = Counter()
        self._lives: dict[int, Life] = {}
        self._stays: dict[str, Stay] = {}
        self._over: list[Stay] = []

    def frame(self, shown: Sequence[Shown], found: Sequence[Found], embedded: int = 0) -> None:
        """Take the next frame.

        Args:
            shown: Everybody who is in it; each person once.
            found: The faces that the recogniser shows.
            embedded: How many faces it embedded.
        """
        self._frame += 1
        self._embedded += embedded
        self._enter_and_leave(shown)
        owner = pairs(shown, found)
        for number, face in enumerate(found):
            whose = owner.get(number)
            if whose is None:
                named = face.state == RECOGNISED
                self._elsewhere[named] += 1
                self._life(face.track).carries(named, self._frame)
            elif whose.mixed:
                wrong = face.state == RECOGNISED and face.name not in whose.names
                self._mixed[wrong] += 1
                self._life(face.track).carries(wrong, self._frame)
            elif whose.counted:
                self._count(whose, face)
        seen = {owner[number].subject for number in owner}
        for person in shown:
            if person.counted and not person.mixed and person.subject not in seen:
                self._faces[bool(person.names), MISSED] += 1

    def scores(self) -> Scores:
        """Return the counts, at the end of the clip."""
        stays = self._over + list(self._stays.values())
        stays = [stay for stay in stays if stay.first is not None]
        for life in self._lives.values():
            life.end()
        known = [stay for stay in stays if stay.known]
        strangers = [stay for stay in stays if not stay.known]
        return Scores(
            clips=1,
            frames=self._frame + 1,
            embedded=self._embedded,
            faces=self._faces,
            mixed=self._mixed,
            elsewhere=self._elsewhere,
            tracks=Counter(verdict(life) for life in self._lives.values() if life.verdicts),
            shared=sum(len(life.subjects) > 1 for life in self._lives.values()),
            runs=tuple(run for life in self._lives.values() for run in life.runs),
            waits=tuple(None if stay.named is None else stay.named - (stay.first or 0) for stay in known),
            strangers=len(strangers),
            strangers_named=sum(stay.wrong > 0 for stay in strangers),
            switches=sum(stay.switches for stay in stays),
        )

    def _enter_and_leave(self, shown: Sequence[Shown]) -> None:
        here = {person.subject for person in shown}
        for subject in [one for one in self._stays if one not in here]:
            self._over.append(self._stays.pop(subject))
        for person in shown:
            stay = self._stays.setdefault(person.subject, Stay(bool(person.names)))
            if person.counted and not person.mixed and stay.first is None:
                stay.first, stay.known = self._frame, bool(person.names)

    def _count(self, person: Shown, face: Found) -> None:
        known, called = bool(person.names), called_by(person, face)
        self._faces[known, called] += 1
        life, stay = self._life(face.track), self._stays[person.subject]
        life.subjects[person.subject] += 1
        life.verdicts[known, called] += 1
        life.carries(called == WRONG, self._frame)
        stay.wrong += called == WRONG
        if called == RIGHT and stay.named is None:
            stay.named = self._frame
        stay.switches += stay.track is not None and stay.track != face.track
        stay.track = face.track

    def _life(self, track: int) -> Life:
        return self._lives.setdefault(track, Life())


def pairs(shown: Sequence[Shown], found: Sequence[Found]) -> dict[int, Shown]:
    """Return the number of the person of each detected face; the largest overlap is assigned first."""
    if not shown or not found:
        return {}
    iou = overlaps(np.array([face.box for face in found]), np.array([person.box for person in shown]))
    return {face: shown[person] for face, person in best_pairs(iou, iou >= LEAST_OVERLAP)}


def called_by(person: Shown, face: Found) -> str:
    """Return whether a face has the right or a wrong name, or the reason why it has none."""
    if face.state != RECOGNISED:
        return face.state
    return RIGHT if face.name in person.names else WRONG


def verdict(life: Life) -> tuple[bool, str]:
    """Return a track's verdict: wrong if it ever was, else right if it ever was, else its most frequent verdict."""
    known = sum(count for (known, _), count in life.verdicts.items() if known) * 2 >= sum(life.verdicts.values())
    words = [word for (_, word) in life.verdicts]
    for word in (WRONG, RIGHT):
        if word in words:
            return known, word
    return known, max((UNKNOWN, UNDECIDED), key=lambda word: sum(life.verdicts[side, word] for side in (True, False)))


def total(parts: Sequence[Scores]) -> Scores:
    """Add scores up."""
    every = [Scores(), *parts]

    def add(name: str) -> Any:
        values = [getattr(part, name) for part in every]
        return sum(values[1:], values[0])

    return Scores(**{one.name: add(one.name) for one in fields(Scores)})


def figures(scores: Scores, fps: float) -> dict[str, Any]:
    """Return scores with JSON's types.

    Args:
        scores: What was counted.
        fps: Frames a second, to tell seconds.
    """
    words = (RIGHT, WRONG, UNKNOWN, UNDECIDED)
    named = [wait for wait in scores.waits if wait is not None]
    return {
        "clips": scores.clips,
        "frames": scores.frames,
        "faces": {
            "enrolled": {word: scores.faces[True, word] for word in (*words, MISSED)},
            "strangers": {word: scores.faces[False, word] for word in (WRONG, UNKNOWN, UNDECIDED, MISSED)},
            "mixed": {"wrong": scores.mixed[True], "other": scores.mixed[False]},
            "elsewhere": {"named": scores.elsewhere[True], "other": scores.elsewhere[False]},
        },
        "tracks": {
            "enrolled": {word: scores.tracks[True, word] for word in words},
            "strangers": {word: scores.tracks[False, word] for word in (WRONG, UNKNOWN, UNDECIDED)},
            "shared": scores.shared,
        },
        "stays": {
            "enrolled": len(scores.waits),
            "named": len(named),
            "strangers": scores.strangers,
            "strangers_named": scores.strangers_named,
        },
        "first_name_s": {"median": quantile(scores.waits, 0.5, fps), "p90": quantile(scores.waits, 0.9, fps)},
        "wrong_s": {
            "longest": max(scores.runs, default=0) / fps,
            "tracks_over_half": sum(run > fps / 2 for run in scores.runs),
            "times": len(scores.runs),
        },
        "switches": scores.switches,
        "embeddings_per_frame": round(scores.embedded / max(scores.frames, 1), 3),
    }


def quantile(waits: Sequence[int | None], part: float, fps: float) -> float | None:
    """Return the seconds after which this fraction of the stays had its name; None where fewer ever had."""
    ordered = sorted(float("inf") if wait is None else float(wait) for wait in waits)
    if not ordered:
        return None
    value = ordered[min(int(np.ceil(part * len(ordered))), len(ordered)) - 1]
    return None if value == float("inf") else round(value / fps, 3)
