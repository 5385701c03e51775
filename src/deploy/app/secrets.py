"""Passwords of cameras: in the operating system's keyring, or encrypted with the gallery's key where there is none.

Not in the file of settings, not in a log, not in an error's text, and given to no other process.
"""

import base64
import binascii
import contextlib
import hashlib
import hmac
import importlib
import json
import os
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Tuple, Union

from kface import locks
from kface.errors import ConfigError, GalleryError
from kface.files import read_json, write_json
from kface.gallery.cipher import Cipher, ForgedError
from kface.streams import Secret
from kface.user_folders import user_folder

PathLike = Union[str, "os.PathLike[str]"]

#: The keyring's name of our entries; the user's name in an entry is the camera's address and port.
SERVICE = "kface camera"
#: Of a keyring that its own package recommends; below are those that keep texts in clear or discard them.
RECOMMENDED = 1
VERSION = 1
_LARGEST = 1 << 20
_AGAIN = "enter the password again"


class CameraSecrets(NamedTuple):
    """What is secret about a camera.

    Attributes:
        password: Of its user.
        path: Its RTSP path, where that has a password or a key in it; empty otherwise.
    """

    password: Secret = Secret()
    path: Secret = Secret()

    def __bool__(self) -> bool:
        return bool(self.password or self.path)


def system_keyring() -> Any:
    """Return the operating system's keyring; None where there is none that keeps secrets."""
    try:
        # By its name, so that type checkers do not want an optional package.
        keyring: Any = importlib.import_module("keyring")
        backend = keyring.get_keyring()
        # Several at once: the first of them is where it would write.
        candidates = list(getattr(backend, "backends", None) or [backend])
        return next((one for one in candidates if one.priority >= RECOMMENDED), None)
    # The package's backends fail with errors of their own where the desktop is not there.
    except Exception:
        return None


class PasswordStore(object):
    """Keeps the secrets of cameras by address and port. Methods may take long (a keyring that asks): not for a GUI thread.

    Args:
        key: Returns the gallery's key, 32 bytes, for where there is no keyring; raises KFaceError.
        file: Where the encrypted ones are; :func:`default_file` where None.
        keyring: Returns the keyring, or None.

    Example:
        >>> store = PasswordStore(lambda: find_key())  # doctest: +SKIP
        >>> store.put("10.0.0.7:554", CameraSecrets(Secret("garden")))  # doctest: +SKIP
        'keyring'
    """

    def __init__(
        self,
        key: Callable[[], bytes],
        file: Optional[PathLike] = None,
        keyring: Callable[[], Any] = system_keyring,
    ) -> None:
        self._key = key
        self._file = os.fspath(default_file() if file is None else file)
        self._keyring = keyring

    def place(self) -> str:
        """Return where a password would be kept now: "keyring" or "file"."""
        return "file" if self._keyring() is None else "keyring"

    def get(self, camera: str) -> CameraSecrets:
        """Return a camera's secrets; empty where none are kept.

        Args:
            camera: Address and port, :attr:`kface.streams.StreamSettings.authority`.

        Raises:
            KFaceError: They are kept and cannot be read: another key, or a file that was changed.
        """
        text, trouble = self._ask(lambda backend: backend.get_password(SERVICE, _name(camera)))
        if text is not None:
            with contextlib.suppress(ValueError):
                return _decode(text)
            raise ConfigError("has an entry that is not the application's", "keyring", _AGAIN)
        entries = self._entries()
        if _name(camera) in entries:
            return self._open(camera, entries[_name(camera)])
        if trouble:
            raise ConfigError("cannot be used ({})".format(trouble), "keyring", "unlock it, or " + _AGAIN)
        return CameraSecrets()

    def put(self, camera: str, secrets: CameraSecrets) -> str:
        """Keep a camera's secrets; empty ones are removed.

        Returns:
            Where they are now: "keyring", "file", or "nowhere" where there were none to keep.

        Raises:
            KFaceError: They cannot be kept: no key, or the file cannot be written.
        """
        if not secrets:
            self.remove(camera)
            return "nowhere"
        text = _encode(secrets)

        def keep(backend: Any) -> bool:
            backend.set_password(SERVICE, _name(camera), text)
            # What is kept is what counts, not what was handed over.
            return bool(backend.get_password(SERVICE, _name(camera)) == text)

        if self._ask(keep)[0]:
            self._change(camera, None)
            return "keyring"
        cipher = self._cipher()
        # Were an older one left there, it would be found first.
        self._forget(camera)
        nonce, sealed = cipher.seal(text.encode("utf-8"), _associated(camera))
        self._change(camera, {"nonce": _base64(nonce), "sealed": _base64(sealed)})
        return "file"

    def remove(self, camera: str) -> None:
        """Forget a camera's secrets, wherever they are.

        Raises:
            KFaceError: The file cannot be written, or the keyring does not let them go.
        """
        self._change(camera, None)
        trouble = self._forget(camera)
        if trouble:
            raise ConfigError("cannot be used ({})".format(trouble), "keyring", "remove the password there")

    def remove_file(self) -> None:
        """Forget everything that is not in the keyring; raises ConfigError where the file cannot be removed."""
        for path in (self._file, self._file + ".unreadable"):
            try:
                os.remove(path)
            except FileNotFoundError:
                pass
            except OSError as error:
                raise ConfigError("cannot be removed ({})".format(error.strerror or error), path, "check its folder")

    def _ask(self, ask: Callable[[Any], Any]) -> Tuple[Any, str]:
        """Return a keyring's answer, None where there is no keyring; and what kind of error it had instead, if any."""
        backend = self._keyring()
        if backend is None:
            return None, ""
        try:
            return ask(backend), ""
        # Each backend has errors of its own; their text is not shown, as it could hold what was to be kept.
        except Exception as error:
            return None, type(error).__name__

    def _forget(self, camera: str) -> str:
        """Remove what the keyring has; returns what kind of error it had, if any."""

        def forget(backend: Any) -> None:
            if backend.get_password(SERVICE, _name(camera)) is not None:
                backend.delete_password(SERVICE, _name(camera))

        return self._ask(forget)[1]

    def _cipher(self) -> Cipher:
        # A key of its own, which opens nothing of the gallery's.
        return Cipher(hmac.new(self._key(), b"kface: passwords of cameras", hashlib.sha256).digest())

    def _open(self, camera: str, entry: Any) -> CameraSecrets:
        wrong = "the password of {} cannot be read: it was kept with another key, or changed".format(camera)
        cipher = self._cipher()
        try:
            nonce, sealed = (binascii.a2b_base64(entry[key].encode("ascii")) for key in ("nonce", "sealed"))
            return _decode(cipher.open(nonce, sealed, _associated(camera)).decode("utf-8"))
        except (ForgedError, KeyError, TypeError, AttributeError, ValueError):
            raise GalleryError(wrong, self._file, _AGAIN)

    def _entries(self) -> Dict[str, Any]:
        try:
            document = read_json(self._file, _LARGEST)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigError("cannot be read ({})".format(error.strerror or error), self._file, _AGAIN)
        except ValueError:
            document = None
        if not isinstance(document, dict) or document.get("version") != VERSION:
            document = {}
        entries = document.get("passwords")
        if not isinstance(entries, dict) or set(document) != {"version", "passwords"}:
            raise ConfigError("is not a file of passwords", self._file, "delete or move it, and " + _AGAIN)
        return entries

    def _change(self, camera: str, entry: Optional[Dict[str, str]]) -> None:
        if entry is None and not os.path.lexists(self._file):
            return
        try:
            with self._locked():
                try:
                    entries = self._entries()
                except ConfigError:
                    # It can no longer be read; the new password is kept all the same.
                    os.replace(self._file, self._file + ".unreadable")
                    entries = {}
                if entry is None and _name(camera) not in entries:
                    return
                entries.pop(_name(camera), None)
                if entry is not None:
                    entries[_name(camera)] = entry
                write_json(self._file, {"version": VERSION, "passwords": entries}, 0o600)
        except OSError as error:
            raise ConfigError(
                "passwords cannot be written ({})".format(error.strerror or error),
                self._file,
                "check its folder",
            )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the folder's lock: two windows do not lose each other's passwords."""
        folder = os.path.dirname(self._file) or "."
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if not locks.AVAILABLE:
            yield
            return
        handle = os.open(folder, os.O_RDONLY)
        try:
            with locks.locked(handle):
                yield
        finally:
            os.close(handle)


def default_file() -> Path:
    """Return the default path: the user's configuration folder."""
    return user_folder("config") / "cameras.json"


def _name(camera: str) -> str:
    return camera.lower()


def _associated(camera: str) -> bytes:
    return b"kface camera 1\0" + _name(camera).encode("utf-8", "surrogateescape")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _encode(secrets: CameraSecrets) -> str:
    values: Dict[str, str] = {"password": secrets.password.reveal()}
    if secrets.path:
        values["path"] = secrets.path.reveal()
    return json.dumps(values, sort_keys=True)


def _decode(text: str) -> CameraSecrets:
    """Return what :func:`_encode` wrote; raises ValueError, whose text says nothing."""
    try:
        values = json.loads(text)
        return CameraSecrets(*(Secret(_text(values, key)) for key in ("password", "path")))
    except (ValueError, AttributeError, RecursionError):
        raise ValueError("not the application's")


def _text(values: Dict[str, Any], key: str) -> str:
    value = values.get(key, "")
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value
