"""Brings what was read of a search file up to a later state of the gallery, without reading what has not changed.

The list of rows is in buckets, and a bucket's nonce stands for all that is in it (:mod:`kface.gallery.ledger`): only what is in
buckets with another nonce is looked at.
"""

import sqlite3
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from kface.errors import GalleryError
from kface.gallery.cipher import NONCE_BYTES
from kface.gallery.coarse import encode
from kface.gallery.index import Index, owners_of
from kface.gallery.ledger import BUCKETS, PERSON, TEMPLATE, Ledger, Root, id_of
from kface.gallery.rows import Rows
from kface.gallery.sealed_file import PatchedMatrix, SealedEntries, SealedPeople

#: With more buckets to look at, everything is read again.
MOST_BUCKETS = 64


class _Changes(NamedTuple):
    """What is listed in the buckets that have changed: templates' nonces by number, and people's IDs."""

    buckets: List[int]
    templates: Dict[int, bytes]
    people: List[str]


class _Names(Mapping[str, str]):
    """Names of which some are others by now."""

    def __init__(self, people: SealedPeople, new: Dict[str, str], old: Mapping[str, str]) -> None:
        self._people = people
        self._new = new
        # Not a chain that grows with every change.
        self._old = old
        if isinstance(old, _Names):
            self._new = dict(old._new, **new)
            self._old = old._old

    def __len__(self) -> int:
        return len(self._people)

    def __iter__(self) -> Iterator[str]:
        return iter(self._people[:])

    def __getitem__(self, person_id: str) -> str:
        self._people.find(person_id)
        return self._new[person_id] if person_id in self._new else self._old[person_id]


def follow(
    index: Index, old: Root, new: Root, db: sqlite3.Connection, ledger: Ledger, rows: Rows, fingerprint: str
) -> Optional[Index]:
    """Return the index of a later state, or None where too much has changed, or anything is wrong with what has.

    Args:
        index: Of the earlier state, with :class:`~kface.gallery.sealed_file.SealedEntries`.
        old: That state.
        new: The state of the snapshot.
        db: In a snapshot.
        ledger: The list of rows.
        rows: Reads them.
        fingerprint: Of the gallery's model.
    """
    entries, people = index.entries, index.people
    if not isinstance(entries, SealedEntries) or not isinstance(people, SealedPeople) or index.coarse is None:
        return None
    changes = _changes(db, ledger, old, new)
    if changes is None or old.model != new.model or old.gallery != new.gallery:
        return None
    if not changes.buckets:
        return index
    looked_at = np.flatnonzero(np.isin(entries.numbers % BUCKETS, changes.buckets))
    same = {
        number: row
        for row, number in zip(looked_at.tolist(), entries.numbers[looked_at].tolist())
        if changes.templates.get(number) == entries.nonces[row].tobytes()
    }
    keep = np.ones((len(entries),), bool)
    keep[looked_at] = False
    keep[list(same.values())] = True
    try:
        added = [_read(db, rows, fingerprint, number, changes) for number in changes.templates if number not in same]
        names = _read_names(db, rows, changes)
    except GalleryError:
        return None
    if any(each is None for each in added) or names is None:
        return None
    return _patched(index, entries, people, keep, sorted(each for each in added if each is not None), names)


#: A template that is new: the person's ID, its number, its nonce and its vector.
_Added = Tuple[str, int, bytes, bytes]


def _changes(db: sqlite3.Connection, ledger: Ledger, old: Root, new: Root) -> Optional[_Changes]:
    buckets = [
        bucket for bucket in set(old.buckets) | set(new.buckets) if old.buckets.get(bucket) != new.buckets.get(bucket)
    ]
    if len(buckets) > MOST_BUCKETS:
        return None
    changes = _Changes(buckets, {}, [])
    for bucket in buckets:
        listed = ledger.entries(db, bucket)
        if listed is None:
            return None
        for key, nonce in listed.items():
            kind, id = id_of(key)
            if kind == TEMPLATE:
                changes.templates[int(str(id))] = nonce
            elif kind == PERSON:
                changes.people.append(str(id))
    return changes


def _read(db: sqlite3.Connection, rows: Rows, fingerprint: str, number: int, changes: _Changes) -> Optional[_Added]:
    row = db.execute("SELECT person, nonce FROM template WHERE id = ?", (number,)).fetchone()
    if row is None or row[1] != changes.templates[number] or not isinstance(row[0], str) or len(row[0]) != 32:
        return None
    # Whose it is proves true when it opens.
    return row[0], number, row[1], rows.vector(db, number, row[0], fingerprint)


def _read_names(db: sqlite3.Connection, rows: Rows, changes: _Changes) -> Optional[Dict[str, str]]:
    names: Dict[str, str] = {}
    for person_id in changes.people:
        row = db.execute("SELECT id, handle, nonce, sealed FROM person WHERE id = ?", (person_id,)).fetchone()
        if row is None:
            return None
        names[person_id] = rows.name(db, *row)
    return names


def _patched(
    index: Index,
    entries: SealedEntries,
    people: SealedPeople,
    keep: np.ndarray,
    added: List[_Added],
    names: Dict[str, str],
) -> Optional[Index]:
    """Return the index without the rows that are not kept, and with those that were added."""
    coarse = index.coarse
    size = index.matrix.shape[1]
    if coarse is None or any(len(vector) != 4 * size for _, _, _, vector in added):
        return None
    vectors = np.frombuffer(b"".join(each[3] for each in added), "<f4").reshape(-1, size)
    encoded = encode(vectors, coarse.mean)
    if encoded is None:
        return None
    # Where each row comes from: a row of the index, or the one's complement of an added one's place.
    source = np.flatnonzero(keep)
    ids = people.ids[entries.owners[source]]
    at = [_place(people, entries, person_id, number) for person_id, number, _, _ in added]
    before = np.searchsorted(source, at) if at else np.zeros((0,), np.intp)
    source = np.insert(source, before, ~np.arange(len(added)))
    new_ids = np.frombuffer(bytes.fromhex("".join(each[0] for each in added)), np.uint8).reshape(
        -1, people.ids.shape[1]
    )
    ids = np.insert(ids, before, new_ids, axis=0)
    if not len(ids):
        return None
    starts = np.flatnonzero(np.concatenate([[True], (ids[1:] != ids[:-1]).any(axis=1)]))
    owners = owners_of(starts, len(ids))
    there = SealedPeople(ids[starts])
    nonces = np.frombuffer(b"".join(each[2] for each in added), np.uint8).reshape(-1, NONCE_BYTES)
    numbers = np.array([each[1] for each in added], np.int64)
    made = _Names(there, names, index.names)
    try:
        # Everybody who was added has a name.
        for person_id, _, _, _ in added:
            made[person_id]
    except KeyError:
        return None
    return index._replace(
        matrix=PatchedMatrix.of(index.matrix, source, vectors),
        entries=SealedEntries(
            _gather(entries.numbers, source, numbers), owners, there, _gather(entries.nonces, source, nonces)
        ),
        starts=starts,
        owners=owners,
        people=there,
        names=made,
        coarse=coarse._replace(
            codes=_gather(coarse.codes, source, encoded[0]),
            bounds=np.ascontiguousarray(_gather(coarse.bounds.T, source, encoded[1].T).T),
        ),
    )


def _place(people: SealedPeople, entries: SealedEntries, person_id: str, number: int) -> int:
    """Return before which row of the index a template belongs: rows are in the order of people, and then of numbers."""
    low, high = 0, len(entries)
    while low < high:
        middle = (low + high) // 2
        if (people[entries.owners[middle]], int(entries.numbers[middle])) < (person_id, number):
            low = middle + 1
        else:
            high = middle
    return low


def _gather(old: np.ndarray, source: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return the rows that `source` names of both arrays; most are neighbours, and copied as such."""
    edges = np.flatnonzero((np.diff(source) != 1) | (source[:-1] < 0)) + 1
    pieces: List[np.ndarray] = []
    for begin, end in zip([0] + edges.tolist(), edges.tolist() + [len(source)]):
        first = int(source[begin])
        # Each one that was added is a piece of its own.
        pieces.append(old[first : first + end - begin] if first >= 0 else new[~first : ~first + 1])
    return np.concatenate(pieces)
