"""The newest state of a gallery, noted outside its file: an older copy that is put back is found, or another gallery.

One small file a gallery, readable by its owner only, in the user's state directory (``XDG_STATE_HOME``, else
``~/.local/state``), named by the gallery's path. It is written after each change and may therefore be one behind, never
ahead. It is sealed with a key derived from the gallery's, so that no one can forge one; who may write both this directory
and the gallery's can put back both, and that cannot be detected.
"""

import contextlib
import hashlib
import logging
import os
import stat
from typing import Iterator, NamedTuple, Optional

from kface.errors import GalleryError
from kface.gallery.cipher import Cipher
from kface.gallery.ledger import Root
from kface.gallery.schema import ACCEPT
from kface.locks import locked
from kface.private_file import write_once
from kface.user_folders import user_folder

LOGGER = logging.getLogger(__name__)
_MAGIC = "kface-witness-1"
_LARGEST = 1 << 13


class Mark(NamedTuple):
    """A state: the gallery, its counter of changes, and the nonce of its list, in hexadecimal."""

    gallery: str
    counter: int
    nonce: str


def default_folder() -> str:
    """Return where witnesses are kept."""
    return str(user_folder("state") / "galleries")


def mark_of(root: Root) -> Mark:
    """Return the mark of a state."""
    return Mark(root.gallery.hex(), root.counter, root.nonce.hex())


class Witness(object):
    """Keeps the newest state of the gallery at a path.

    Args:
        gallery: The gallery's file.
        cipher: Of its key.
        folder: Where to keep it; :func:`default_folder` where None.

    Attributes:
        path: The file.
        fault: Why it cannot be kept, in one line; empty where it can.
    """

    def __init__(self, gallery: str, cipher: Cipher, folder: Optional[str] = None) -> None:
        self._gallery = os.path.realpath(gallery)
        self._cipher = cipher
        name = hashlib.sha256(os.fsencode(self._gallery)).hexdigest()[:32]
        self.path = os.path.join(folder or default_folder(), name)
        self.fault = ""

    def read(self) -> Optional[Mark]:
        """Return what was noted; None where nothing was, or what is there is not this key's."""
        try:
            with self._opened(os.O_RDONLY) as handle:
                return None if handle is None else self._parse(os.read(handle, _LARGEST))
        except OSError as error:
            self._failed(error)
            return None

    def check(self, noted: Optional[Mark], root: Root) -> None:
        """Compare a gallery with what was noted before it was read; raises GalleryError where it is older, or another one."""
        found = mark_of(root)
        if noted is None:
            return
        if noted.gallery != found.gallery:
            raise GalleryError("it was replaced by another gallery", self._gallery, ACCEPT)
        if found.counter < noted.counter:
            raise GalleryError(
                "it was replaced by an older file (change {} instead of {})".format(found.counter, noted.counter),
                self._gallery,
                ACCEPT,
            )
        if found.counter == noted.counter and found.nonce != noted.nonce:
            raise GalleryError(
                "it was replaced by another copy (change {} differs)".format(found.counter),
                self._gallery,
                ACCEPT,
            )

    def note(self, root: Root, accept: bool = False) -> None:
        """Note a state that is on the disk; an older one than what is noted only where that was accepted."""
        mark = mark_of(root)
        text = self._line(mark)
        try:
            if not os.path.lexists(self.path):
                write_once(self.path, text)
            with self._opened(os.O_RDWR) as handle:
                if handle is None:
                    return
                with locked(handle):
                    noted = self._parse(os.read(handle, _LARGEST))
                    if not accept and noted is not None and noted.counter >= mark.counter:
                        return
                    # In place and less than a sector: a crash leaves the old line or the new.
                    os.lseek(handle, 0, os.SEEK_SET)
                    os.write(handle, text)
                    os.ftruncate(handle, len(text))
        except OSError as error:
            self._failed(error)

    def forget(self) -> None:
        """Forget the gallery that was at this path."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)

    def _line(self, mark: Mark) -> bytes:
        body = "{} {} {:020d} {}".format(_MAGIC, mark.gallery, mark.counter, mark.nonce)
        return "{} {}\n".format(body, self._tag(body)).encode("ascii")

    def _tag(self, body: str) -> str:
        return self._cipher.handle("witness\0{}\0{}".format(ascii(self._gallery), body)).hex()

    def _parse(self, data: bytes) -> Optional[Mark]:
        body, _, tag = data.decode("ascii", "replace").strip().rpartition(" ")
        parts = body.split(" ")
        if tag != self._tag(body) or len(parts) != 4 or parts[0] != _MAGIC:
            # Another key's, of a gallery that was at this path before; or damaged, which gains no one anything.
            if data:
                LOGGER.warning("%s: belongs to another key; replaced", self.path)
            return None
        return Mark(parts[1], int(parts[2]), parts[3])

    @contextlib.contextmanager
    def _opened(self, flags: int) -> Iterator[Optional[int]]:
        """Open the file, if it is a regular one; None where there is none."""
        try:
            # A pipe in its place must not be waited for.
            handle = os.open(self.path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            yield None
            return
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(0, "is not a file")
            yield handle
        finally:
            os.close(handle)

    def _failed(self, error: OSError) -> None:
        fault = "cannot be used ({}): restoring an older gallery file will not be noticed".format(
            error.strerror or error
        )
        if not self.fault:
            LOGGER.warning("%s: %s", self.path, fault)
        self.fault = fault
