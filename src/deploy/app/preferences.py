"""What the window remembers over a restart: one small JSON file in the user's configuration folder, without secrets."""

import errno
import os
import threading
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple, Union

from deploy.app.stream_choice import StreamChoice, parsed, written
from kface.errors import ConfigError, KFaceError
from kface.fields import Settings
from kface.files import read_json, write_json
from kface.mtcnn.settings import MIN_FACE_RANGE
from kface.recognizer import OperatingPoint, TrackSettings
from kface.streams import VIEW_SIZES
from kface.user_folders import user_folder

PathLike = Union[str, "os.PathLike[str]"]

#: Of the file's form; a later form has a higher number. The first one had the stream, the language and the folder alone.
VERSION = 2
#: "system" follows the desktop.
LANGUAGES = ("system", "en", "ko")
_LARGEST = 1 << 16
_REMEDY = "delete or move it to begin anew"
# Held while the file is read, changed and written: two changes at the same time would lose one.
_CHANGING = threading.Lock()


class KeptThreshold(NamedTuple):
    """A threshold that the user has set.

    Attributes:
        recognised: See :class:`kface.recognizer.OperatingPoint`.
        unknown: Likewise.
        model: The fingerprint of the model it was set for; for another one it means nothing.
    """

    recognised: float
    unknown: float
    model: str


class KeptTracks(NamedTuple):
    """How the user wants faces to be followed; `tracks` is None where they are not."""

    tracks: Optional[TrackSettings]


class Preferences(NamedTuple):
    """What is remembered. The passwords of cameras are in :class:`deploy.app.secrets.PasswordStore`.

    Attributes:
        stream: What to watch; None where it was never chosen in the window, and the settings of the command count.
        language: One of :data:`LANGUAGES`.
        folder: Where a file was chosen last; empty at first.
        view: (width, height) of the view; None where it was never chosen. This and what follows: as ``stream``.
        threshold: Only where the user has set one for the bundle in use.
        min_face: Side of the smallest face in pixels.
        tracks: How faces are followed.
        bundle: Directory of the model; empty where none was chosen.
        gallery: The file of people that was chosen together with a model; empty likewise.
    """

    stream: Optional[StreamChoice] = None
    language: str = "system"
    folder: str = ""
    view: Optional[Tuple[int, int]] = None
    threshold: Optional[KeptThreshold] = None
    min_face: Optional[float] = None
    tracks: Optional[KeptTracks] = None
    bundle: str = ""
    gallery: str = ""

    def as_dict(self) -> Dict[str, Any]:
        """Return the preferences for JSON; :meth:`from_dict` reads it."""
        stream = None if self.stream is None else self.stream.as_dict()
        return dict(
            self._asdict(),
            stream=stream,
            view=None if self.view is None else written(self.view),
            threshold=None if self.threshold is None else dict(self.threshold._asdict()),
            tracks=None if self.tracks is None else _tracks_dict(self.tracks),
            version=VERSION,
        )

    @classmethod
    def from_dict(cls, values: Any, path: Any) -> "Preferences":
        """Return the preferences that :meth:`as_dict` wrote.

        Args:
            values: What was read.
            path: Its file, for errors.

        Raises:
            KFaceError: It has another version, a field that is unknown, or one of another type.
        """
        version = values.get("version") if isinstance(values, dict) else None
        if type(version) is int and version > VERSION:
            # Before the fields, which a later version may have more of.
            raise ConfigError("is of a later version ({}) of the application".format(version), path, _REMEDY)
        read = Settings(values, "", dict(cls().as_dict(), version=None), path)
        read.whole("version", 1, VERSION)
        return cls(
            stream=read.optional("stream", _stream, read),
            language=read.text("language", LANGUAGES),
            folder=read.name("folder") or "",
            view=read.optional("view", _view, read),
            threshold=read.optional("threshold", _threshold, read),
            min_face=read.optional("min_face", read.number, *MIN_FACE_RANGE),
            tracks=read.optional("tracks", _tracks, read),
            bundle=read.name("bundle") or "",
            gallery=read.name("gallery") or "",
        )


def default_file() -> Path:
    """Return the default path: the user's configuration folder."""
    return user_folder("config") / "app.json"


def load(file: Optional[PathLike] = None) -> Tuple[Preferences, str]:
    """Read the preferences.

    Args:
        file: The file; :func:`default_file` where None.

    Returns:
        The preferences, the defaults where the file is not there or cannot be used; and why it cannot, in one line, empty
        where nothing is wrong.
    """
    path = os.fspath(default_file() if file is None else file)
    try:
        return _read(path), ""
    except FileNotFoundError:
        return Preferences(), ""
    except KFaceError as error:
        return Preferences(), str(error)


def save(preferences: Preferences, file: Optional[PathLike] = None) -> None:
    """Write the preferences, mode 0600, atomically. A file that cannot be read is kept beside the new one (``.unreadable``).

    Raises:
        ConfigError: It cannot be written.
    """
    path = os.fspath(default_file() if file is None else file)
    try:
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        try:
            _read(path)
        except FileNotFoundError:
            pass
        except KFaceError:
            os.replace(path, path + ".unreadable")
        write_json(path, preferences.as_dict(), 0o600)
    except OSError as error:
        raise ConfigError(
            "the settings of the window cannot be written ({})".format(error.strerror or error),
            path,
            "make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "check the permissions of its folder",
        )


def change(file: Optional[PathLike] = None, **fields: Any) -> Preferences:
    """Replace fields of the preferences that are in the file, and return what is in it now; raises as :func:`save` does."""
    with _CHANGING:
        made = load(file)[0]._replace(**fields)
        save(made, file)
    return made


def forget(file: Optional[PathLike] = None) -> bool:
    """Remove the file, and return whether it was there; raises ConfigError where it cannot be removed."""
    path = os.fspath(default_file() if file is None else file)
    try:
        os.remove(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(
            "cannot be removed ({})".format(error.strerror or error), path, "check the permissions of its folder"
        )
    return True


def _read(path: str) -> Preferences:
    """Return what a file has; raises FileNotFoundError or KFaceError."""
    try:
        values = read_json(path, _LARGEST)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError("cannot be read ({})".format(error.strerror or error), path, _REMEDY)
    except ValueError:
        # Not what the reader says: it may quote the file.
        raise ConfigError("is not JSON, so the defaults are used", path, _REMEDY)
    try:
        return Preferences.from_dict(values, path)
    except KFaceError as error:
        raise ConfigError("{}, so the defaults are used".format(error.what), path, error.remedy or _REMEDY)


def _stream(key: str, read: Settings) -> StreamChoice:
    return StreamChoice.from_dict(read.value(key), read.path)


def _view(key: str, read: Settings) -> Tuple[int, int]:
    return parsed(read.text(key, [written(size) for size in VIEW_SIZES]))


def _threshold(key: str, read: Settings) -> KeptThreshold:
    section = read.section(key, dict.fromkeys(KeptThreshold._fields))
    made = KeptThreshold(
        section.number("recognised", -1, 1),
        section.number("unknown", -1, 1),
        section.text("model", pattern="[0-9a-f]{64}"),
    )
    _checked(OperatingPoint(made.recognised, made.unknown).check, read)
    return made


def _tracks_dict(kept: KeptTracks) -> Dict[str, Any]:
    return {"enabled": False} if kept.tracks is None else dict(kept.tracks._asdict(), enabled=True)


def _tracks(key: str, read: Settings) -> KeptTracks:
    section = read.section(key, dict(TrackSettings()._asdict(), enabled=None))
    if not section.flag("enabled"):
        return KeptTracks(None)
    made = TrackSettings(**{field: value for field, value in section.values.items() if field != "enabled"})
    _checked(made.check, read)
    return KeptTracks(made)


def _checked(check: Callable[[], object], read: Settings) -> None:
    """Call a check of settings, and let its error name the file as well."""
    try:
        check()
    except KFaceError as error:
        raise ConfigError(str(error), read.path)
