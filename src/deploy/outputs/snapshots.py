"""A picture of everyone who was recognised or unknown, good enough to enrol the person from later."""

import collections
import contextlib
import os
import re
import stat
from typing import Deque, Dict, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from deploy.events import Event
from deploy.outputs.base import Output, OutputStream, register
from kface.errors import ConfigError
from kface.fields import Settings
from kface.files import write_atomic
from kface.gallery import measure
from kface.images import encode_jpeg
from kface.recognizer import Result
from kface.recognizer.views import HALF_SHARP

#: Part of the box's sides that is shown around it: enough for the detector to find the face again.
MARGIN = 0.6
#: A track's snapshot gives way to a view that is better by this factor.
BETTER = 1.25
#: JPEG quality.
QUALITY = 95
ENDING = ".jpg"
#: Kinds of events that snapshots are taken for.
KINDS = ("recognised", "unknown")


class SnapshotSettings(NamedTuple):
    """Settings of the snapshots; see ``conf/deploy.yaml``."""

    snapshots: Optional[str] = None
    snapshot_of: Tuple[str, ...] = KINDS
    snapshots_kept: int = 1000


class _Taken(NamedTuple):
    path: str
    who: Tuple[str, Optional[str]]
    worth: float
    frame: int


@register
class Snapshots(Output):
    """Writes a JPEG for each event of the chosen kinds; a better view of its track takes its place.

    Better is larger, sharper or more frontal, and of a track that is still decided to be the same person.

    Files are named by time, track, and person: ``20260102-030405.678-track7-Kim.jpg``. They and the directory can be read
    by their owner only: faces are personal data. The oldest go when there are too many.

    Args:
        directory: Made where it is not there.
        kinds: Of :data:`KINDS`.
        kept: How many files are kept.

    Raises:
        ConfigError: The directory cannot be used.
    """

    options = SnapshotSettings

    @classmethod
    def read(cls, section: Settings) -> SnapshotSettings:
        """See :meth:`Output.read`."""
        kinds = section.value("snapshot_of")
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if not isinstance(kinds, (list, tuple)) or not set(map(str, kinds)) <= set(KINDS):
            raise section.error("snapshot_of", "a list of {}".format(", ".join(KINDS)))
        return SnapshotSettings(
            section.name("snapshots"), tuple(map(str, kinds)), section.whole("snapshots_kept", 1, 10**7)
        )

    @classmethod
    def open(cls, options: SnapshotSettings, stream: OutputStream) -> "Snapshots":
        """See :meth:`Output.open`."""
        return cls(str(options.snapshots), options.snapshot_of, options.snapshots_kept)

    def __init__(self, directory: str, kinds: Sequence[str], kept: int = 1000) -> None:
        self.name = directory
        self._kinds = tuple(kinds)
        self._kept = kept
        self._tracks: Dict[int, _Taken] = {}
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            # What earlier sessions left counts as well: names sort by time.
            there = sorted(name for name in os.listdir(directory) if re.match(r"[0-9]{8}-[0-9.]+-.*\.jpg\Z", name))
            for name in there:
                _make_private(os.path.join(directory, name))
        except OSError as error:
            raise ConfigError(
                "cannot be used ({})".format(error.strerror), directory, "choose another outputs.snapshots"
            )
        if not os.access(directory, os.W_OK | os.X_OK):
            raise ConfigError("cannot be written", directory, "choose another outputs.snapshots")
        self._files: Deque[str] = collections.deque(os.path.join(directory, name) for name in there)

    def write(self, result: Result, events: Sequence[Event]) -> None:
        """Take the snapshots of a result's events, and better ones of those who are still there."""
        for event in events:
            if event.kind in self._kinds and event.box is not None:
                self._begin(result, event)
            elif event.kind == "left" and event.track is not None:
                self._tracks.pop(event.track, None)
        for track, taken in list(self._tracks.items()):
            if taken.path not in self._files:
                # It was among the oldest, and is gone.
                del self._tracks[track]
                continue
            number = result.ids.index(track) if track in result.ids else None
            if number is None or taken.frame == result.frame.number:
                continue
            identity = result.identities[number]
            # A track in doubt may show another person, as after a cut, whose picture must not bear this name.
            if (identity.state, identity.name) == taken.who:
                worth = view_worth(result, number)
                if worth > BETTER * taken.worth:
                    self._save(taken.path, result.frame.image, result.faces.boxes[number])
                    self._tracks[track] = taken._replace(worth=worth, frame=result.frame.number)

    def _begin(self, result: Result, event: Event) -> None:
        stamp = re.sub(r"[-:]", "", event.time[:23]).replace("T", "-")
        who = event.name if event.name is not None else event.kind
        track = "" if event.track is None else "-track{}".format(event.track)
        base = os.path.join(self.name, "{}{}-{}".format(stamp, track, safe_name(who)))
        path, twin = base + ENDING, 1
        while path in self._files:
            twin += 1
            path = "{}-{}{}".format(base, twin, ENDING)
        self._save(path, result.frame.image, np.array(event.box))
        self._files.append(path)
        while len(self._files) > self._kept:
            _remove(self._files.popleft())
        if event.track is not None and event.track in result.ids:
            worth = view_worth(result, result.ids.index(event.track))
            self._tracks[event.track] = _Taken(path, (event.kind, event.name), worth, result.frame.number)

    def _save(self, path: str, rgb: np.ndarray, box: np.ndarray) -> None:
        write_atomic(path, encode_jpeg(cut(rgb, box), QUALITY), mode=0o600)


def cut(rgb: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return the face with a margin around it, as far as the picture reaches."""
    x1, y1, x2, y2 = (float(side) for side in box)
    across, down = MARGIN * (x2 - x1), MARGIN * (y2 - y1)
    height, width = rgb.shape[:2]
    left, right = _span(x1 - across, x2 + across, width)
    top, bottom = _span(y1 - down, y2 + down, height)
    return rgb[top:bottom, left:right]


def safe_name(name: str) -> str:
    """Return a name as a part of a file's name: letters and digits of any script, everything else a dash."""
    safe = re.sub(r"[^\w]+", "-", name).strip("-_")[:60] or "person"
    # UTF-8 whatever the locale: Python 3.6 would refuse Hangul under LANG=C.
    return os.fsdecode(safe.encode("utf-8"))


def _span(low: float, high: float, size: int) -> Tuple[int, int]:
    first = min(max(int(low), 0), size - 1)
    return first, min(max(int(np.ceil(high)), first + 1), size)


def view_worth(result: Result, number: int) -> float:
    """Return how good a view is to be enrolled from: large, sharp, and from the front."""
    crop = result.crops([number])[0]
    quality = measure(result.faces.boxes[number], result.faces.landmarks[number], crop)
    # Nothing is left at about 60 degrees, but for a little: a side view is better than none.
    frontal = max(1 - abs(quality.yaw) / 0.9, 0.05) if np.isfinite(quality.yaw) else 0.05
    return float(max(quality.size, 0.0) * quality.sharpness / (quality.sharpness + HALF_SHARP) * frontal)


def _make_private(path: str) -> None:
    found = os.lstat(path)
    if stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) & 0o177:
        os.chmod(path, 0o600)


def _remove(path: str) -> None:
    # Another program may have removed it.
    with contextlib.suppress(OSError):
        os.remove(path)
