"""JSON lines: one object a line, written at once, so that another program can follow."""

import json
import os
import sys
from typing import Any, Dict, Iterable, Iterator, NamedTuple, Optional, Sequence, TextIO

from deploy import view
from deploy.events import STREAM, Event, wall_time
from deploy.outputs.base import Output, OutputStream, open_private, register
from kface.errors import ConfigError
from kface.fields import Settings
from kface.recognizer import Result

#: Stands for standard output.
STANDARD = "-"
#: What a line is written for: a change of who is in view, or each face of each frame.
LINES = ("changes", "frames")


class JsonSettings(NamedTuple):
    """Settings of the JSON lines; see ``conf/deploy.yaml``."""

    json: Optional[str] = None
    json_lines: str = LINES[0]


@register
class JsonLines(Output):
    """Writes JSON lines.

    Args:
        path: A file, which is appended to, and is its owner's only. Or :data:`STANDARD`.
        every_frame: A line for each face of each frame, with time, frame, track, state, person, score, box and the detector's
            confidence, and at the end one that says how many frames of a video file were lost, if any; otherwise a line for
            each event, see :class:`deploy.events.Event`.

    Raises:
        ConfigError: The file cannot be written.
    """

    options = JsonSettings
    pictures = False

    @classmethod
    def read(cls, section: Settings) -> JsonSettings:
        """See :meth:`Output.read`."""
        return JsonSettings(section.name("json"), section.text("json_lines", LINES))

    @classmethod
    def open(cls, options: JsonSettings, stream: OutputStream) -> "JsonLines":
        """See :meth:`Output.open`."""
        return cls(str(options.json), options.json_lines == "frames")

    @classmethod
    def file(cls, options: JsonSettings) -> Optional[str]:
        """See :meth:`Output.file`."""
        return None if options.json == STANDARD else options.json

    def __init__(self, path: str, every_frame: bool = False) -> None:
        self.name = "standard output" if path == STANDARD else path
        self._every_frame = every_frame
        self._stream: TextIO = sys.stdout
        self._owned = path != STANDARD
        if self._owned:
            try:
                handle = open_private(path, os.O_APPEND)
            except OSError as error:
                raise ConfigError("cannot be written ({})".format(error.strerror), path, "choose another outputs.json")
            self._stream = os.fdopen(handle, "w", encoding="utf-8")

    def write(self, result: Result, events: Sequence[Event]) -> None:
        """Write a result's lines."""
        if self._every_frame:
            self._lines(faces_of(result))
        else:
            self._lines(event.as_dict() for event in events)

    def finish(self, events: Sequence[Event]) -> None:
        """Write the last events, and close the file."""
        try:
            # A reader of every frame's lines must learn of missing frames, too.
            last = [event for event in events if not self._every_frame or event.kind == STREAM]
            self._lines(event.as_dict() for event in last)
        finally:
            if self._owned:
                self._stream.close()

    def _lines(self, values: Iterable[Dict[str, Any]]) -> None:
        for value in values:
            # Standard output may be ASCII (LANG=C): Hangul is escaped there, and is Hangul in a file.
            self._stream.write(json.dumps(value, ensure_ascii=not self._owned) + "\n")
        self._stream.flush()


def faces_of(result: Result) -> Iterator[Dict[str, Any]]:
    """Yield what a frame shows, a dictionary a face."""
    when = wall_time(result.frame.time_monotonic)
    for face, detection in zip(view.faces_of(result), result.faces.scores):
        yield {
            "time": when,
            "frame": result.frame.number,
            "track": face.track,
            "state": face.state,
            "person": face.name,
            "score": face.score,
            "box": face.box,
            "detection": round(float(detection), 4),
        }
