"""A gallery and its key together, as programs open them."""

import os
from pathlib import Path
from typing import Optional, Union

from kface.errors import ConfigError
from kface.gallery.gallery import Gallery
from kface.gallery.keys import find_key
from kface.gallery.keys import key_file as find_key_file
from kface.gallery.store import absent
from kface.user_folders import user_folder

PathLike = Union[str, "os.PathLike[str]"]


def default_gallery_file() -> Path:
    """Return the default path of the gallery: KFACE_GALLERY, or the user's data directory."""
    named = os.environ.get("KFACE_GALLERY")
    if named:
        return Path(named)
    return user_folder("data") / "gallery.db"


def open_gallery(
    path: Optional[PathLike] = None,
    fingerprint: Optional[str] = None,
    key_file: Optional[PathLike] = None,
    keyring: bool = False,
    create: bool = True,
    accept: bool = False,
) -> Gallery:
    """Open a gallery; a new one gets a new key where there is none yet.

    Args:
        path: The file; :func:`default_gallery_file` where None.
        fingerprint: See :class:`Gallery`.
        key_file: See :func:`kface.gallery.keys.find_key`.
        keyring: See there.
        create: Whether the gallery may be made.
        accept: See :class:`Gallery`.

    Raises:
        GalleryError: See :class:`Gallery` and :func:`find_key`.
        ConfigError: See there.
    """
    target = os.fspath(path if path is not None else default_gallery_file())
    there = os.path.lexists(target)
    if not there and not create:
        raise absent(target)
    key_path = find_key_file(key_file, keyring)
    if key_path is not None and os.path.realpath(key_path) == os.path.realpath(target):
        raise ConfigError("is both the gallery and its key", target, "use two files")
    # A gallery whose key is gone must not get a new one: that would look as if nothing were lost.
    key = find_key(key_file, keyring, create=not there)
    gallery = Gallery(target, fingerprint, key, create, accept=accept)
    if key_path is not None:
        gallery.keep(key_path)
    return gallery
