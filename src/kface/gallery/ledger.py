"""The sealed list of every row that belongs to a gallery: what is missing, was put back, or is not the newest is found by name.

Each row is authentic by itself, but an authentic row can be deleted, or an older one put in its place. The ledger has the nonce
of every row that counts (a nonce is drawn for each seal, so that it stands for one state of one row). It is kept in buckets, so
that a change rewrites a few kilobytes however many people there are; the root has the newest nonce of every bucket, the counter
of changes, the model and the next template's number. Root and buckets are sealed like any row.

Cost: about 30 bytes a row, 14 a bucket in use.
"""

import sqlite3
import struct
import uuid
from typing import Dict, Iterator, NamedTuple, Optional, Tuple

from kface.errors import GalleryError
from kface.gallery.cipher import NONCE_BYTES, Cipher, ForgedError
from kface.gallery.schema import ACCEPT, associated
from kface.gallery.store import Store

#: A bucket of 100,000 people with a template each has some 200 entries.
BUCKETS = 1024
ROOT = -1
PERSON, TEMPLATE, CROP = b"p", b"t", b"c"
_KEY_BYTES = 17
_ENTRY_BYTES = _KEY_BYTES + NONCE_BYTES
_HEAD = struct.Struct(">16sQQI")
_BUCKET = struct.Struct(">H{}s".format(NONCE_BYTES))


class Root(NamedTuple):
    """The state of a gallery.

    Attributes:
        gallery: 16 random bytes, drawn when the gallery was made.
        counter: How many changes there have been; only ever grows.
        next: Number of the next template.
        model: Fingerprint and length of the embeddings, as :meth:`kface.gallery.model.Model.text` gives them.
        buckets: The newest nonce of each bucket in use.
        nonce: Of this root.
    """

    gallery: bytes
    counter: int
    next: int
    model: str
    buckets: Dict[int, bytes]
    nonce: bytes = b""


def key_of(kind: bytes, id: object) -> Optional[bytes]:
    """Return a row's key: its kind, and 16 bytes of a person's ID or a template's number; None where it can be neither."""
    try:
        if kind == PERSON:
            number = bytes.fromhex(id) if isinstance(id, str) and len(id) == 32 else b""
        else:
            number = struct.pack(">QQ", 0, id)
    except (ValueError, struct.error):
        return None
    return kind + number if len(number) == 16 else None


def id_of(key: bytes) -> Tuple[bytes, object]:
    """Return the kind and the ID that :func:`key_of` made a key of."""
    kind, number = key[:1], key[1:]
    return kind, number.hex() if kind == PERSON else int.from_bytes(number, "big")


def bucket_of(key: bytes) -> int:
    """Return a key's bucket: a template's and its crop's are one, IDs of people are random."""
    return int.from_bytes(key[-2:], "big") % BUCKETS


class Ledger(object):
    """Reads and writes the list inside transactions that the caller has begun.

    Args:
        cipher: Of the gallery's key.
        store: The gallery's file.
    """

    def __init__(self, cipher: Cipher, store: Store) -> None:
        self._cipher = cipher
        self._store = store
        self._path = store.path
        self._root: Optional[Root] = None
        self._scope = -1
        #: Entries by bucket, with the nonce that they were read under.
        self._read: Dict[int, Tuple[bytes, Dict[bytes, bytes]]] = {}
        self._changes: Dict[bytes, Optional[bytes]] = {}
        self._newest: Optional[Root] = None
        self._next = 0

    # ---- reading

    def root(self, db: sqlite3.Connection) -> Root:
        """Return the state.

        Raises:
            GalleryError: It is missing or was changed, or is older than what this object has seen.
        """
        if self._root is not None and self._scope == self._store.scopes:
            return self._root
        row = db.execute("SELECT nonce, sealed FROM ledger WHERE bucket = ?", (ROOT,)).fetchone()
        if row is None:
            raise GalleryError("is damaged: its row list is missing", self._path, ACCEPT)
        if self._root is None or self._root.nonce != row[0]:
            try:
                data = self._cipher.open(row[0], row[1], associated("ledger"))
                self._root = _unpack_root(data, row[0])
            except (ForgedError, ValueError, struct.error):
                raise GalleryError("is damaged: its row list was changed since it was written", self._path, ACCEPT)
        newest = self._newest
        if newest is not None and (self._root.gallery != newest.gallery or self._root.counter < newest.counter):
            raise GalleryError(
                "it was replaced by an older file (change {} instead of {})".format(self._root.counter, newest.counter),
                self._path,
                ACCEPT,
            )
        self._newest = self._root
        self._scope = self._store.scopes
        return self._root

    def entries(self, db: sqlite3.Connection, bucket: int) -> Optional[Dict[bytes, bytes]]:
        """Return a bucket's nonces by key; None where the bucket is missing, was changed, or is not the newest."""
        nonce = self.root(db).buckets.get(bucket)
        if nonce is None:
            return {}
        known = self._read.get(bucket)
        if known is not None and known[0] == nonce:
            return known[1]
        row = db.execute("SELECT sealed FROM ledger WHERE bucket = ?", (bucket,)).fetchone()
        return None if row is None else self._opened(bucket, nonce, row[0])

    def _opened(self, bucket: int, nonce: bytes, sealed: bytes) -> Optional[Dict[bytes, bytes]]:
        try:
            data = self._cipher.open(nonce, sealed, associated("bucket", str(bucket)))
        except ForgedError:
            return None
        found = {
            data[place : place + _KEY_BYTES]: data[place + _KEY_BYTES : place + _ENTRY_BYTES]
            for place in range(0, len(data), _ENTRY_BYTES)
        }
        self._read[bucket] = (nonce, found)
        return found

    def load(self, db: sqlite3.Connection) -> None:
        """Read every bucket that has changed since it was read, in one go."""
        root = self.root(db)
        stale = {bucket for bucket, nonce in root.buckets.items() if self._read.get(bucket, (b"",))[0] != nonce}
        if len(stale) > 16:
            for bucket, sealed in db.execute("SELECT bucket, sealed FROM ledger"):
                if bucket in stale:
                    self._opened(bucket, root.buckets[bucket], sealed)

    def expected(self, db: sqlite3.Connection, kind: bytes, id: object) -> Optional[bytes]:
        """Return the nonce of a row as it should be; None where the row should not be there, or that is unknown."""
        key = key_of(kind, id)
        if key is None:
            return None
        if self._changes and key in self._changes:
            return self._changes[key]
        known = self._read.get(bucket_of(key))
        if known is not None and known[0] == self.root(db).buckets.get(bucket_of(key)):
            return known[1].get(key)
        return (self.entries(db, bucket_of(key)) or {}).get(key)

    def all(self, db: sqlite3.Connection) -> Iterator[bytes]:
        """Yield the key of every row that should be there."""
        for bucket in sorted(self.root(db).buckets):
            for key in self.entries(db, bucket) or ():
                yield key

    def broken(self, db: sqlite3.Connection) -> int:
        """Return how many buckets are missing, were changed, or are not the newest."""
        return sum(self.entries(db, bucket) is None for bucket in self.root(db).buckets)

    # ---- writing

    def number(self, db: sqlite3.Connection) -> int:
        """Return the next template's number."""
        number = max(self._next, self.root(db).next)
        self._next = number + 1
        return number

    def given_out(self, db: sqlite3.Connection, number: int) -> bool:
        """Return whether a template has, or once had, this number."""
        return 1 <= number < max(self._next, self.root(db).next)

    def note(self, kind: bytes, id: object, nonce: bytes) -> None:
        """Note a row that was written."""
        self._changes[self._key(kind, id)] = nonce

    def drop(self, kind: bytes, id: object) -> None:
        """Note a row that was deleted."""
        key = key_of(kind, id)
        # A row of another form was never on the list.
        if key is not None:
            self._changes[key] = None

    def _key(self, kind: bytes, id: object) -> bytes:
        key = key_of(kind, id)
        if key is None:
            raise GalleryError("{} is not the ID of a row".format(ascii(id)[:80]), self._path, ACCEPT)
        return key

    def found(self, db: sqlite3.Connection, model: str, counter: int = 0, next: int = 1) -> None:
        """Begin a list without rows, in a gallery that has none or whose own is not to be believed."""
        db.execute("DELETE FROM ledger")
        gallery = uuid.uuid4().bytes if self._root is None else self._root.gallery
        self._root = self._newest = None
        self._read.clear()
        self._put_root(db, Root(gallery, counter, next, model, {}))

    def write(self, db: sqlite3.Connection, model: str) -> Root:
        """Write what was noted; the last step of every change, inside its transaction.

        Args:
            db: In a transaction.
            model: See :class:`Root`.
        """
        root = self.root(db)
        if not self._changes and root.model == model:
            return root
        buckets = dict(root.buckets)
        changed: Dict[int, Dict[bytes, Optional[bytes]]] = {}
        for key, nonce in self._changes.items():
            changed.setdefault(bucket_of(key), {})[key] = nonce
        for bucket, changes in changed.items():
            # What a broken bucket had stays unproven; what is written now is on the list.
            entries = dict(self.entries(db, bucket) or {})
            for key, nonce in changes.items():
                if nonce is None:
                    entries.pop(key, None)
                else:
                    entries[key] = nonce
            buckets[bucket] = self._put_bucket(db, bucket, entries)
            if not entries:
                db.execute("DELETE FROM ledger WHERE bucket = ?", (bucket,))
                del buckets[bucket]
        self._changes.clear()
        return self._put_root(db, Root(root.gallery, root.counter + 1, max(self._next, root.next), model, buckets))

    def _put_bucket(self, db: sqlite3.Connection, bucket: int, entries: Dict[bytes, bytes]) -> bytes:
        data = b"".join(key + entries[key] for key in sorted(entries))
        nonce, sealed = self._cipher.seal(data, associated("bucket", str(bucket)))
        db.execute("INSERT OR REPLACE INTO ledger VALUES (?, ?, ?)", (bucket, nonce, sealed))
        self._read[bucket] = (nonce, entries)
        return nonce

    def _put_root(self, db: sqlite3.Connection, root: Root) -> Root:
        nonce, sealed = self._cipher.seal(_pack_root(root), associated("ledger"))
        db.execute("INSERT OR REPLACE INTO ledger VALUES (?, ?, ?)", (ROOT, nonce, sealed))
        self._root = root._replace(nonce=nonce)
        self._scope = self._store.scopes
        return self._root

    def forget(self) -> None:
        """Forget what a transaction noted that was not committed."""
        self._changes.clear()
        self._root = None
        self._next = 0


def _pack_root(root: Root) -> bytes:
    model = root.model.encode("utf-8")
    parts = [_HEAD.pack(root.gallery, root.counter, root.next, len(model)), model]
    return b"".join(parts + [_BUCKET.pack(*each) for each in sorted(root.buckets.items())])


def _unpack_root(data: bytes, nonce: bytes) -> Root:
    gallery, counter, following, length = _HEAD.unpack_from(data)
    place = _HEAD.size + length
    model = data[_HEAD.size : place].decode("utf-8")
    return Root(gallery, counter, following, model, dict(_BUCKET.iter_unpack(data[place:])), nonce)
