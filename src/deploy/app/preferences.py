"""What the window remembers over a restart: one small JSON file in the user's configuration folder, without secrets."""

import errno
import os
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Tuple, Union

from deploy.app.stream_choice import StreamChoice
from kface.errors import ConfigError, KFaceError
from kface.fields import Settings
from kface.files import read_json, write_json
from kface.user_folders import user_folder

PathLike = Union[str, "os.PathLike[str]"]

#: Of the file's form; a later form has a higher number.
VERSION = 1
#: "system" follows the desktop.
LANGUAGES = ("system", "en", "ko")
_LARGEST = 1 << 16
_REMEDY = "delete or move it to begin anew"


class Preferences(NamedTuple):
    """What is remembered. The passwords of cameras are in :class:`deploy.app.secrets.PasswordStore`.

    Attributes:
        stream: What to watch; None where it was never chosen in the window, and the settings of the command count.
        language: One of :data:`LANGUAGES`.
        folder: Where a file was chosen last; empty at first.
    """

    stream: Optional[StreamChoice] = None
    language: str = "system"
    folder: str = ""

    def as_dict(self) -> Dict[str, Any]:
        """Return the preferences for JSON; :meth:`from_dict` reads it."""
        stream = None if self.stream is None else self.stream.as_dict()
        return dict(self._asdict(), stream=stream, version=VERSION)

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
        read.whole("version", VERSION, VERSION)
        stream = read.optional("stream", _stream, read)
        return cls(stream, read.text("language", LANGUAGES), read.name("folder") or "")


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
    made = load(file)[0]._replace(**fields)
    save(made, file)
    return made


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
