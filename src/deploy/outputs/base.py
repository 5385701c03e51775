"""What an output is, and the registry of all of them."""

import errno
import os
import stat
from typing import Any, ClassVar, List, NamedTuple, Optional, Sequence, Tuple, Type, TypeVar

from deploy.events import Event
from kface.fields import Settings
from kface.recognizer import Result


def open_private(path: str, flags: int) -> int:
    """Open a file to write what is known of people; it is its owner's alone, also where an older one was not.

    A link to another file is not followed: its creator would choose which file is overwritten, and its owner. Devices and
    pipes stay as they are.

    Args:
        path: Made where it is not there, with its directory.
        flags: ``os.O_APPEND`` or ``os.O_TRUNC``.

    Returns:
        The descriptor.

    Raises:
        OSError: It cannot be opened or made private; a named pipe without a reader included.
    """
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    # /dev/stdout is a link to where the shell has sent it.
    device = os.path.abspath(path).startswith("/dev/")
    if os.path.islink(path) and not device and (os.path.isfile(path) or not os.path.exists(path)):
        raise OSError(errno.ELOOP, "a link to another file")
    # Emptied only when it is known to be ours. Opening a pipe would wait for its reader.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | (flags & ~os.O_TRUNC), 0o600)
    try:
        found = os.fstat(handle)
        if stat.S_ISREG(found.st_mode) and not device:
            if stat.S_IMODE(found.st_mode) & 0o177:
                os.fchmod(handle, 0o600)
            if flags & os.O_TRUNC:
                os.ftruncate(handle, 0)
        os.set_blocking(handle, True)
    except OSError:
        os.close(handle)
        raise
    return handle


class OutputStream(NamedTuple):
    """What an output may need to know about the stream.

    Attributes:
        fps: Frames a second.
        live: Whether frames come at their own pace; otherwise every frame of a file is processed.
    """

    fps: float
    live: bool


class Output(object):
    """Takes each result with its events, in order and from one thread; see :class:`deploy.subscription.Subscription`.

    A new output is a module in this directory: a NamedTuple with its settings, and a subclass with :func:`register` that
    implements :meth:`read`, :meth:`open`, :meth:`write` and, if there is something to finish, :meth:`finish`. The settings
    also stand in ``conf/deploy.yaml`` under ``outputs``, where ``--help`` finds them.

    Attributes:
        options: The NamedTuple of its settings, each of them a key of ``outputs``; the first one turns the output on.
        name: What to call it in an error: the file or directory.
        pictures: Whether it looks at the frames' pixels; otherwise they are not kept for it.

    Example:
        >>> with JsonLines("events.jsonl") as output:  # doctest: +SKIP
        ...     output.write(result, events)
    """

    options: ClassVar[Any] = None
    name = ""
    pictures = True
    _closed = False

    @classmethod
    def read(cls, section: Settings) -> Tuple[Any, ...]:
        """Return the output's settings, an instance of :attr:`options`; the first is None where the output is off.

        Raises:
            ConfigError: A setting is out of its range, also where the output is off.
        """
        raise NotImplementedError

    @classmethod
    def open(cls, options: Any, stream: OutputStream) -> "Output":
        """Return the output for its settings; raises ConfigError where it cannot be opened."""
        raise NotImplementedError

    @classmethod
    def file(cls, options: Any) -> Optional[str]:
        """Return the file that it replaces or appends to; None for anything else."""
        return None

    def __enter__(self) -> "Output":
        return self

    def __exit__(self, *_: object) -> None:
        self.close([])

    def write(self, result: Result, events: Sequence[Event]) -> None:
        """Take a result, and what it meant; raises OSError or KFaceError where it cannot be written."""
        raise NotImplementedError

    def close(self, events: Sequence[Event] = ()) -> None:
        """Finish with the events of the stream's end; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self.finish(events)

    def finish(self, events: Sequence[Event]) -> None:
        """Write the events of the stream's end, and release everything; called once."""


Registered = TypeVar("Registered", bound=Type[Output])
_REGISTERED: List[Type[Output]] = []


def register(output: Registered) -> Registered:
    """Add an output to those that settings can turn on; a decorator."""
    _REGISTERED.append(output)
    return output


def registered() -> Tuple[Type[Output], ...]:
    """Return the outputs whose modules were imported, in the order of their first settings' names."""
    return tuple(sorted(_REGISTERED, key=lambda output: str(output.options._fields[0])))
