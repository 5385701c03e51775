"""The search file: what searching a large gallery needs, sealed, so that opening it reads a part of that and nothing else.

It lies beside the gallery (``gallery.db-search``), is mapped into memory, and holds nothing that the gallery does not: it can
be deleted at any time, and is made again when the gallery is opened the next time. It is one state's: it has the nonce of the
gallery's list of rows, which stands for all rows. Whoever changes the gallery erases it, and whoever finds one of an earlier
state, or one that was truncated or changed, erases it too.

A head, sealed with the gallery's key, has a key that was drawn for this file. With that key everything is sealed in blocks by
AES-256-GCM, each bound to its place. Opening decrypts the templates' bytes (:mod:`kface.gallery.coarse`) and whose they are;
the templates themselves are decrypted when a search wants them, eight at a time. To erase it is to overwrite the head: without
its key the rest is noise.
"""

import contextlib
import json
import logging
import mmap
import os
import shutil
import stat
import struct
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from kface.gallery.cipher import NONCE_BYTES, BlockCipher, Cipher, ForgedError
from kface.gallery.coarse import ANY_NUMBER, Coarse
from kface.gallery.index import Index, owners_of
from kface.gallery.keys import new_key
from kface.gallery.ledger import Root
from kface.gallery.schema import associated
from kface.gallery.sealed_file import GROUP, SealedEntries, SealedFile, SealedMatrix, SealedPeople, Section, seal
from kface.locks import lock
from kface.native.kernels import CODES_STEP
from kface.text import printable

LOGGER = logging.getLogger(__name__)
SUFFIX = "-search"
#: Numbers in a matrix from which on a search file is written: 32,768 templates of 512.
LEAST = 1 << 24
#: The head's room, and the bytes of a block.
HEAD_BYTES = 4096
BLOCK_BYTES = 1 << 22
_MAGIC = b"kface search 01\n"
_LENGTH = struct.Struct(">I")
_ID_BYTES = 16


class _Head(NamedTuple):
    """What the head says.

    Attributes:
        key: The file's key, in hexadecimal.
        gallery: Whose it is, see :class:`kface.gallery.ledger.Root`; so are counter, nonce and model.
        rows: Number of templates.
        size: Numbers of a template.
        people: Number of people with templates.
        names: Bytes of their names.
    """

    key: str
    gallery: str
    counter: int
    nonce: str
    model: str
    rows: int
    size: int
    people: int
    names: int

    def table(self) -> List[Tuple[str, str, Tuple[int, ...]]]:
        """Return names, types and shapes of the arrays that say whose the templates are."""
        return [
            ("numbers", "<i8", (self.rows,)),
            ("starts", "<i8", (self.people,)),
            ("offsets", "<i8", (self.people + 1,)),
            ("bounds", "<f4", (3, self.rows)),
            ("mean", "<f4", (self.size,)),
            ("ids", "u1", (self.people, _ID_BYTES)),
            ("nonces", "u1", (self.rows, NONCE_BYTES)),
            ("names", "u1", (self.names,)),
        ]

    def width(self) -> int:
        """Return how many bytes stand for a template."""
        return (self.size + CODES_STEP - 1) // CODES_STEP * CODES_STEP

    def sections(self) -> Tuple[Section, Section, Section]:
        """Return where table, bytes and templates are."""
        length = sum(np.dtype(kind).itemsize * int(np.prod(shape)) for _, kind, shape in self.table())
        table = Section(0, HEAD_BYTES, length, BLOCK_BYTES)
        codes = Section(1, table.end(), self.rows * self.width(), BLOCK_BYTES)
        return table, codes, Section(2, codes.end(), 4 * self.rows * self.size, 4 * self.size * GROUP)


class _Names(Mapping[str, str]):
    """The people's names, by their IDs."""

    def __init__(self, people: SealedPeople, offsets: np.ndarray, text: np.ndarray) -> None:
        self._people = people
        self._offsets = offsets
        self._text = text

    def __len__(self) -> int:
        return len(self._people)

    def __iter__(self) -> Iterator[str]:
        return iter(self._people[:])

    def __getitem__(self, person_id: str) -> str:
        place = self._people.find(person_id)
        return self._text[self._offsets[place] : self._offsets[place + 1]].tobytes().decode("utf-8")


def path_of(gallery: str) -> str:
    """Return the search file's path."""
    return os.path.realpath(gallery) + SUFFIX


def erase(gallery: str) -> None:
    """Make the search file unreadable for ever, and delete it; does nothing where there is none."""
    path = path_of(gallery)
    if not os.path.lexists(path):
        return
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        try:
            if stat.S_ISREG(os.fstat(handle).st_mode):
                # In place: the disk must not keep the key in another sector.
                os.write(handle, bytes(HEAD_BYTES))
                os.fsync(handle)
        finally:
            os.close(handle)
    with contextlib.suppress(OSError):
        os.unlink(path)


def write(gallery: str, cipher: Cipher, root: Root, index: Index) -> bool:
    """Write the search file of a state, in place of what is there.

    Args:
        gallery: The gallery's file.
        cipher: Of its key.
        root: The state.
        index: All that the gallery has in that state, in memory.

    Returns:
        Whether it was written: not without bytes for templates, with IDs of another form, without room on the disk, or where
        another process is at it. It is fast without, only slower to open.
    """
    if index.coarse is None or root.nonce == b"":
        return False
    try:
        ids = np.frombuffer(b"".join(bytes.fromhex(person_id) for person_id in index.people), np.uint8)
    except ValueError:
        return False
    people = SealedPeople(ids.reshape(-1, _ID_BYTES)) if ids.size == _ID_BYTES * len(index.people) else None
    # A search in the file looks IDs up in their order.
    if people is None or people[:] != list(index.people) or list(index.people) != sorted(index.people):
        return False
    key = new_key()
    names = [index.names[person_id].encode("utf-8") for person_id in index.people]
    arrays: Dict[str, np.ndarray] = {
        "numbers": np.array([entry[0] for entry in index.entries], np.int64),
        "starts": index.starts,
        "offsets": np.cumsum([0] + [len(name) for name in names]),
        "bounds": index.coarse.bounds,
        "mean": index.coarse.mean,
        "ids": people.ids,
        "nonces": np.frombuffer(b"".join(entry[2] for entry in index.entries), np.uint8),
        "names": np.frombuffer(b"".join(names), np.uint8),
    }
    rows, size = index.matrix.shape
    state = (root.gallery.hex(), root.counter, root.nonce.hex(), root.model)
    head = _Head(key.hex(), *(state + (rows, size, len(people), int(arrays["offsets"][-1]))))
    nonce, sealed = cipher.seal(json.dumps(head).encode("ascii"), associated("search"))
    packed = _MAGIC + nonce + _LENGTH.pack(len(sealed)) + sealed
    if len(packed) > HEAD_BYTES:
        return False
    table = b"".join(np.ascontiguousarray(arrays[name], kind).tobytes() for name, kind, _ in head.table())
    parts = (memoryview(table), _bytes(index.coarse.codes, "u1"), _bytes(index.matrix, "<f4"))
    try:
        return _write(path_of(gallery), BlockCipher(key), head, packed, parts)
    except OSError as error:
        LOGGER.info("%s: cannot be written (%s)", printable(path_of(gallery)), error.strerror or error)
        return False


def _bytes(array: np.ndarray, kind: str) -> memoryview:
    return np.ascontiguousarray(array, kind).data.cast("B")


def _write(path: str, cipher: BlockCipher, head: _Head, packed: bytes, parts: Tuple[memoryview, ...]) -> bool:
    new = path + ".new"
    sections = head.sections()
    if shutil.disk_usage(os.path.dirname(path) or ".").free < 2 * sections[-1].end():
        LOGGER.info("%s: not written, as the disk has no room to spare", printable(path))
        return False
    # One name, so that what a process that was killed leaves behind is written over. It has no head, and so no key, until
    # everything else is there.
    handle = os.open(new, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(handle, "r+b") as stream:
        if not lock(stream.fileno(), wait=False) or not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            return False
        try:
            os.chmod(new, 0o600)
            stream.truncate(0)
            stream.write(bytes(HEAD_BYTES))
            for section, data in zip(sections, parts):
                for block in seal(cipher, section, data):
                    stream.write(block)
            stream.seek(0)
            stream.write(packed)
            stream.flush()
            if os.name == "nt":
                # Windows renames no open file, and has no locks that closing it would give up.
                stream.close()
            os.replace(new, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(new)
            raise
    return True


def read(gallery: str, cipher: Cipher, root: Root) -> Optional[Index]:
    """Return the index that the search file has of a state, or None; a file of an earlier state or no good is erased.

    Args:
        gallery: The gallery's file.
        cipher: Of its key.
        root: The state, which is the gallery's newest.
    """
    path = path_of(gallery)
    try:
        handle = os.open(
            path,
            os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0),
        )
    except OSError:
        return None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            return None
        head = _open_head(cipher, os.read(handle, HEAD_BYTES))
        if (head.gallery, head.nonce, head.model) != (root.gallery.hex(), root.nonce.hex(), root.model):
            # Another process may know a newer state than this one.
            if head.gallery != root.gallery.hex() or head.counter <= root.counter:
                erase(gallery)
            return None
        if found.st_size != head.sections()[-1].end():
            raise ForgedError()
        return _index(head, mmap.mmap(handle, found.st_size, access=mmap.ACCESS_READ))
    except ForgedError:
        LOGGER.warning("%s: was damaged or changed, and is made anew", printable(path))
        erase(gallery)
        return None
    except (OSError, ValueError) as error:
        LOGGER.info("%s: cannot be read (%s)", printable(path), error)
        return None
    finally:
        os.close(handle)


def _open_head(cipher: Cipher, data: bytes) -> _Head:
    begin = len(_MAGIC) + NONCE_BYTES + _LENGTH.size
    if len(data) != HEAD_BYTES or data[: len(_MAGIC)] != _MAGIC:
        raise ForgedError()
    (length,) = _LENGTH.unpack(data[begin - _LENGTH.size : begin])
    nonce = data[len(_MAGIC) : len(_MAGIC) + NONCE_BYTES]
    return _Head(*json.loads(cipher.open(nonce, data[begin : begin + length], associated("search")).decode("ascii")))


def _index(head: _Head, mapped: mmap.mmap) -> Index:
    file = SealedFile(mapped, BlockCipher(bytes.fromhex(head.key)))
    table_section, codes_section, rows_section = head.sections()
    table = file.read(table_section)
    arrays: Dict[str, np.ndarray] = {}
    place = 0
    for name, kind, shape in head.table():
        length = np.dtype(kind).itemsize * int(np.prod(shape))
        # Each array is copied to where it is aligned.
        arrays[name] = np.frombuffer(table[place : place + length].tobytes(), kind).reshape(shape)
        place += length
    codes = file.read(codes_section).reshape(head.rows, head.width())
    starts = arrays["starts"].astype(np.intp)
    owners = owners_of(starts, head.rows)
    people = SealedPeople(arrays["ids"])
    return Index(
        SealedMatrix(file, rows_section, (head.rows, head.size)),
        SealedEntries(arrays["numbers"], owners, people, arrays["nonces"]),
        starts,
        owners,
        people,
        _Names(people, arrays["offsets"], arrays["names"]),
        np.inf,
        # The templates themselves are not there to be compared with.
        Coarse(codes, arrays["bounds"], arrays["mean"], ANY_NUMBER),
    )
