"""Progress of long work: one line that is redrawn on a terminal, a line every half minute elsewhere.

Its own thread writes the lines, also while a single step takes minutes.
"""

import shutil
import sys
import threading
import time
from typing import Iterable, Iterator, Optional, TextIO, TypeVar

Item = TypeVar("Item")

#: Seconds between two lines where the output is not a terminal, and between two redraws where it is.
EVERY = 30.0
REDRAWN = 0.5


class Progress(object):
    """Reports the progress of one piece of work; a context manager.

    Without a terminal, work that ends within half a minute prints nothing. An output that fails (closed, full, of another
    encoding) does not disturb the work.

    Args:
        total: Number of steps; None where it is unknown, or where the work is a single call.
        what: Name of the work, such as "synthetic sample".
        unit: Name of the steps, in the plural, such as "images".
        enabled: False prints nothing.
        stream: Takes the lines; standard error by default.
        every: Seconds between two lines where the output is not a terminal.

    Attributes:
        note: Text at the end of the line, such as the loss; can be set at any time.

    Example:
        >>> with Progress(3, "faces", "images") as progress:
        ...     for _ in range(3):
        ...         progress.update()
    """

    def __init__(
        self,
        total: Optional[int],
        what: str,
        unit: str = "",
        enabled: bool = True,
        stream: Optional[TextIO] = None,
        every: float = EVERY,
    ) -> None:
        self.total = total
        self.what = what
        self.unit = unit
        self.note = ""
        self.done = 0
        self._stream = sys.stderr if stream is None else stream
        self._enabled = enabled and self._stream is not None
        self._live = self._enabled and _is_terminal(self._stream)
        self._every = min(REDRAWN, every) if self._live else every
        self._began = time.monotonic()
        self._printed = False
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = None  # type: Optional[threading.Thread]

    def __enter__(self) -> "Progress":
        self._began = time.monotonic()
        if self._enabled:
            self._thread = threading.Thread(target=self._watch, name="kface-progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        # Work that printed no line does not report its end either.
        if self._printed:
            self._write(self.line(finished=error is None), last=True)

    def update(self, steps: int = 1) -> None:
        """Count finished steps; any thread may call it."""
        with self._lock:
            self.done += steps

    def milestone(self, text: str) -> None:
        """Print a line that stays, terminal or not, such as the result of an epoch."""
        if self._enabled:
            self._write(text, last=True)

    def line(self, finished: bool = False) -> str:
        """Return the line, such as ``faces: 120/1200 images, 10 %, 0:31 elapsed, 4:39 left``."""
        passed = time.monotonic() - self._began
        parts = []
        if self.total:
            parts.append("{}/{} {}".format(self.done, self.total, self.unit).rstrip())
            parts.append("{:.0f} %".format(100.0 * self.done / self.total))
        elif self.done:
            parts.append("{} {}".format(self.done, self.unit).rstrip())
        parts.append(("finished in {}" if finished else "{} elapsed").format(clock(passed)))
        if self.total and 0 < self.done < self.total and not finished:
            parts.append("{} left".format(clock(passed / self.done * (self.total - self.done))))
        if self.note:
            parts.append(self.note)
        return "{}: {}".format(self.what, ", ".join(parts))

    def _watch(self) -> None:
        while not self._ended.wait(self._every):
            self._write(self.line())

    def _write(self, text: str, last: bool = False) -> None:
        if self._live:
            columns = shutil.get_terminal_size().columns
            # A line that wraps cannot be redrawn.
            text = "\r{}\x1b[K{}".format(text if last else text[: columns - 1], "\n" if last else "")
        else:
            text += "\n"
        self._printed = not (self._live and last)
        with self._lock:
            try:
                encoding = getattr(self._stream, "encoding", None) or "utf-8"
                self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
                self._stream.flush()
            except (OSError, ValueError, LookupError):
                self._enabled = False


def progressing(
    items: Iterable[Item],
    what: str,
    unit: str = "",
    total: Optional[int] = None,
    enabled: bool = True,
    stream: Optional[TextIO] = None,
) -> Iterator[Item]:
    """Yield the items and report the progress; the number of items is `total`, or their length."""
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # type: ignore[arg-type]
    with Progress(total, what, unit, enabled, stream) as progress:
        for item in items:
            yield item
            progress.update()


def clock(seconds: float) -> str:
    """Return a duration as minutes and seconds (``4:39``), from an hour on with hours (``1:04:39``)."""
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return "{}:{:02d}:{:02d}".format(hours, minutes, rest) if hours else "{}:{:02d}".format(minutes, rest)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False
