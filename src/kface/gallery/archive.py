"""An encrypted file of records: a key from a passphrase, each record sealed in its place, a hash over everything.

Layout: :data:`MAGIC`, the header's length (4 bytes, the highest first) and the header (JSON: what the caller says, scrypt's
salt and costs), then records, and SHA-256 of all that at the end. A record is its kind (one byte, "r", or "e" for the last
one), the ciphertext's length (4 bytes), a nonce (12 bytes) and the ciphertext. Its associated data are the header's SHA-256,
its number and its kind: records cannot be dropped, moved or taken over from another file. The hash tells a damaged copy from
a wrong passphrase; that no one has changed the file on purpose is what AES-GCM shows.
"""

import contextlib
import hashlib
import json
import os
import struct
import tempfile
import unicodedata
from typing import IO, Any, Dict, Iterable, Iterator, NamedTuple, Tuple, Union

from kface.errors import GalleryError
from kface.files import open_regular
from kface.gallery.cipher import NONCE_BYTES, SCRYPT, Cipher, ForgedError, derive

PathLike = Union[str, "os.PathLike[str]"]

MAGIC = b"kface gallery export 1\n"
SHORTEST_PASSPHRASE = 8
DIGEST_BYTES = hashlib.sha256().digest_size
LONGEST_HEADER = 1 << 16
#: Costs of scrypt that are read, beside today's: a header that asked for others would take the reader's memory.
READ_COSTS = tuple((1 << power, 8, 1) for power in range(14, 18))
DAMAGED = "copy the file again"
RECORD, END = b"r", b"e"


def check_passphrase(passphrase: str) -> str:
    """Return a passphrase in Unicode's composed form; raises GalleryError where it is too short."""
    composed = unicodedata.normalize("NFC", passphrase)
    if len(composed) < SHORTEST_PASSPHRASE:
        raise GalleryError("a passphrase must have at least {} characters".format(SHORTEST_PASSPHRASE))
    return composed


class Lock(NamedTuple):
    """A passphrase's key: scrypt's salt and costs, and what seals with it."""

    salt: bytes
    costs: Tuple[int, int, int]
    cipher: Cipher


def lock(passphrase: str) -> Lock:
    """Derive a new archive's key, which takes a quarter of a second; raises GalleryError where the passphrase is too short."""
    salt = os.urandom(16)
    return Lock(salt, SCRYPT, Cipher(derive(check_passphrase(passphrase), salt, *SCRYPT)))


def write(path: PathLike, passphrase: Union[str, Lock], facts: Dict[str, Any], records: Iterable[bytes]) -> int:
    """Write an archive, readable by its owner only, and return how many records it has.

    Args:
        path: The file; an archive that is there is replaced once the new one is whole and on the disk.
        passphrase: At least 8 characters, or what :func:`lock` made of them.
        facts: What anybody may read, as JSON.
        records: Each is sealed by itself, so that only one of them is in memory.

    Raises:
        GalleryError: The passphrase is too short, another file is there, or it cannot be written; nothing is left behind.
    """
    salt, (n, r, p), cipher = lock(passphrase) if isinstance(passphrase, str) else passphrase
    header = dict(facts, scrypt={"n": n, "r": r, "p": p, "salt": salt.hex()})
    target = os.fspath(path)
    try:
        _check_target(target)
        handle, temporary = tempfile.mkstemp(prefix=".tmp-", dir=os.path.dirname(target) or ".")
        try:
            with os.fdopen(handle, "wb") as stream:
                count = _write(stream, json.dumps(header, sort_keys=True).encode("ascii"), cipher, records)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    except (OSError, ValueError) as error:
        raise GalleryError("cannot be written ({})".format(getattr(error, "strerror", None) or error), path)
    return count


def _check_target(target: str) -> None:
    """Refuse to write over anything but an earlier archive: a mistyped path may be of someone's only picture, or a key."""
    if not os.path.lexists(target):
        return
    with open_regular(target) as stream:
        begins = stream.read(len(MAGIC))
    if begins not in (b"", MAGIC):
        raise GalleryError("exists and is not a gallery export", target, "choose another file, or remove it first")


def _write(stream: IO[bytes], header: bytes, cipher: Cipher, records: Iterable[bytes]) -> int:
    digest = hashlib.sha256()
    tied = hashlib.sha256(header).digest()

    def put(data: bytes) -> None:
        digest.update(data)
        stream.write(data)

    def put_record(kind: bytes, number: int, data: bytes) -> None:
        nonce, sealed = cipher.seal(data, _associated(tied, number, kind))
        put(kind + struct.pack(">I", len(sealed)) + nonce)
        put(sealed)

    put(MAGIC + struct.pack(">I", len(header)) + header)
    count = 0
    for record in records:
        put_record(RECORD, count, record)
        count += 1
    put_record(END, count, b"")
    stream.write(digest.digest())
    return count


def _associated(tied: bytes, number: int, kind: bytes) -> bytes:
    return tied + struct.pack(">Q", number) + kind


@contextlib.contextmanager
def read(path: PathLike) -> "Iterator[Archive]":
    """Open an archive; raises GalleryError where it cannot be read, is none, or is damaged."""
    try:
        with open_regular(path) as stream:
            yield Archive(stream, path)
    except OSError as error:
        raise GalleryError("cannot be read ({})".format(error.strerror or error), path, "use a gallery export")


class Archive(object):
    """An archive to read.

    Args:
        stream: The file.
        path: Its name, for errors.

    Attributes:
        facts: The header; read only what it says once :meth:`records` has given a first record, which proves it.
    """

    def __init__(self, stream: IO[bytes], path: PathLike) -> None:
        self._path = path
        self._stream = stream
        self._end = self._check_hash()
        self._header = self._take(self._length())
        self.facts = self._read_facts()

    def records(self, passphrase: str) -> Iterator[bytes]:
        """Yield the records.

        Raises:
            GalleryError: The passphrase is another one, or the file was changed on purpose.
        """
        salt, costs = self._costs()
        cipher = Cipher(derive(check_passphrase(passphrase), salt, *costs))
        tied = hashlib.sha256(self._header).digest()
        number = 0
        while True:
            kind = self._take(1)
            length = self._length()
            nonce = self._take(NONCE_BYTES)
            try:
                data = cipher.open(nonce, self._take(length), _associated(tied, number, kind))
            except ForgedError:
                raise GalleryError(
                    "cannot be decrypted: the passphrase is wrong, or the file was changed"
                    if number == 0
                    else "was changed since it was written (record {})".format(number),
                    self._path,
                    "use the passphrase of this export",
                )
            if kind == END:
                break
            yield data
            number += 1
        if self._stream.tell() != self._end:
            raise GalleryError("has data after its last record", self._path, DAMAGED)

    def _check_hash(self) -> int:
        """Compare the file with the hash at its end, and return where that begins."""
        begins = self._stream.read(len(MAGIC)) == MAGIC
        end = self._stream.seek(0, os.SEEK_END) - DIGEST_BYTES
        if not begins:
            raise GalleryError("is not a gallery export", self._path, "use a file written by `kface gallery export`")
        self._stream.seek(0)
        digest = hashlib.sha256()
        left = max(end, 0)
        while left:
            block = self._stream.read(min(left, 1 << 20))
            if not block:
                break
            digest.update(block)
            left -= len(block)
        if self._stream.read() != digest.digest():
            raise GalleryError("is damaged: its SHA-256 does not match", self._path, DAMAGED)
        self._stream.seek(len(MAGIC))
        return end

    def _take(self, count: int) -> bytes:
        """Return the next bytes, of which there must be that many before the hash."""
        if count > self._end - self._stream.tell():
            raise GalleryError("ends in the middle of a record", self._path, DAMAGED)
        return self._stream.read(count)

    def _length(self) -> int:
        return int(struct.unpack(">I", self._take(4))[0])

    def _read_facts(self) -> Dict[str, Any]:
        try:
            facts = json.loads(self._header.decode("ascii")) if len(self._header) <= LONGEST_HEADER else None
        except (ValueError, RecursionError):
            facts = None
        if not isinstance(facts, dict):
            raise GalleryError("has no readable header", self._path, DAMAGED)
        return facts

    def _costs(self) -> Tuple[bytes, Tuple[int, int, int]]:
        try:
            part = self.facts["scrypt"]
            salt, costs = bytes.fromhex(part["salt"]), (int(part["n"]), int(part["r"]), int(part["p"]))
        except (KeyError, TypeError, ValueError):
            raise GalleryError("lacks the parameters of its key derivation", self._path, DAMAGED)
        if costs != SCRYPT and costs not in READ_COSTS:
            raise GalleryError("has scrypt parameters out of range: {}".format(costs), self._path, DAMAGED)
        return salt, costs
