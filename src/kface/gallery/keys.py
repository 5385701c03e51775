"""Where a gallery's key comes from: a file, the environment or the operating system's keyring; never an argument."""

import base64
import binascii
import importlib
import os
from pathlib import Path
from typing import Any, Optional, Tuple, Union

from kface.errors import ConfigError, GalleryError
from kface.gallery.cipher import KEY_BYTES
from kface.private_file import read_private, write_once
from kface.user_folders import user_folder

PathLike = Union[str, "os.PathLike[str]"]

#: Holds the key itself, in base64.
ENVIRONMENT = "KFACE_GALLERY_KEY"
#: Holds the path of a key file.
ENVIRONMENT_FILE = "KFACE_GALLERY_KEY_FILE"
#: Names of the entry in the keyring.
SERVICE, USER = "kface", "gallery key"
LOST = "without its key a gallery cannot be read: restore the key, or enrol again in another gallery file"


def default_key_file() -> Path:
    """Return the default path of the key: the user's configuration, apart from the gallery itself."""
    return user_folder("config") / "gallery.key"


def find_key(file: Optional[PathLike] = None, keyring: bool = False, create: bool = False) -> bytes:
    """Return the key: of the file or the keyring that is asked for, else of the environment, else of the default file.

    In the environment, KFACE_GALLERY_KEY is the key itself and KFACE_GALLERY_KEY_FILE the path of a file with it.

    Args:
        file: A key file.
        keyring: Use the operating system's keyring (needs the ``keyring`` package).
        create: Make the key where there is none yet. Only for a gallery that does not exist yet: a new key opens no old
            gallery.

    Returns:
        32 bytes.

    Raises:
        ConfigError: Both a file and the keyring are asked for, or both variables are set, or the keyring is not there.
        GalleryError: There is no key, it is invalid, or its file may be read by others.
    """
    path, text = _source(file, keyring)
    if keyring:
        return _from_keyring(create)
    if text is not None:
        return _from_environment(text)
    if create and not os.path.lexists(path):
        _make_file(path)
    return _read_file(path)


def key_file(file: Optional[PathLike] = None, keyring: bool = False) -> Optional[str]:
    """Return the key file that :func:`find_key` reads; None where the key is kept elsewhere."""
    path, text = _source(file, keyring)
    return None if keyring or text is not None else path


def _source(file: Optional[PathLike], keyring: bool) -> Tuple[str, Optional[str]]:
    """Return the key file, and what the environment has in its place."""
    if file is not None and keyring:
        raise ConfigError("a key file and the keyring exclude each other", None, "use one of them")
    if file is not None:
        return os.fspath(file), None
    text, named = os.environ.get(ENVIRONMENT) or None, os.environ.get(ENVIRONMENT_FILE) or None
    if text is not None and named is not None and not keyring:
        raise ConfigError(
            "both are set",
            "{} and {}".format(ENVIRONMENT, ENVIRONMENT_FILE),
            "set either the key or the path of its file",
        )
    return named or os.fspath(default_key_file()), text


def _from_environment(text: str) -> bytes:
    where = "environment variable " + ENVIRONMENT
    try:
        return decode_key(text, where)
    except GalleryError:
        # The text is not shown: it may be a key with a slip in it.
        if _looks_like_a_path(text):
            raise GalleryError(
                "is the path of a file, but this variable takes the key itself",
                where,
                "set {} to the path instead".format(ENVIRONMENT_FILE),
            )
        raise


def _looks_like_a_path(text: str) -> bool:
    text = text.strip()
    if text.startswith(("/", "~", "./", "../", ".\\")) or text.lower().endswith((".key", ".txt", ".pem")):
        return True
    # "C:\\keys"; a colon or a backslash is in no base64.
    return "\\" in text or text[1:2] == ":" or ("\0" not in text and os.path.lexists(text))


def new_key() -> bytes:
    """Return 32 random bytes."""
    return os.urandom(KEY_BYTES)


def decode_key(text: str, where: object) -> bytes:
    """Return the key that base64 stands for; the error does not show the text.

    Raises:
        GalleryError: It is not the base64 of 32 bytes.
    """
    try:
        key = base64.b64decode(text.strip().encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise GalleryError("is not a key: not base64", where, LOST)
    if len(key) != KEY_BYTES:
        raise GalleryError("is not a key: {} bytes instead of {}".format(len(key), KEY_BYTES), where, LOST)
    return key


def _encode(key: bytes) -> str:
    return base64.b64encode(key).decode("ascii")


def _read_file(path: str) -> bytes:
    try:
        data = read_private(path, "key", "run chmod 600, and consider who may have read it", GalleryError)
    except FileNotFoundError:
        raise GalleryError("no key", path, LOST)
    return decode_key(data.decode("utf-8-sig", "replace"), path)


def _make_file(path: str) -> None:
    """Write a new key, unless another process was first."""
    try:
        write_once(path, (_encode(new_key()) + "\n").encode("ascii"))
    except OSError as error:
        raise GalleryError(
            "a key cannot be written ({})".format(error.strerror or error),
            path,
            "choose another key file, or set " + ENVIRONMENT_FILE,
        )


def _from_keyring(create: bool) -> bytes:
    where = "keyring"
    try:
        # By its name, so that type checkers do not want an optional package.
        keyring: Any = importlib.import_module("keyring")
        errors: Any = importlib.import_module("keyring.errors")
    except ImportError:
        raise ConfigError("is not installed", where, "install keyring, or use a key file")
    try:
        text = keyring.get_password(SERVICE, USER)
        if text is None and create:
            keyring.set_password(SERVICE, USER, _encode(new_key()))
            # What is kept is what counts, not what was handed over.
            text = keyring.get_password(SERVICE, USER)
    except errors.KeyringError as error:
        raise ConfigError("cannot be used ({})".format(type(error).__name__), where, "use a key file")
    if text is None:
        raise GalleryError("no key", where, LOST)
    return decode_key(text, where)
