"""MXNet's RecordIO as InsightFace distributes faces: ``train.rec``, ``train.idx`` and ``property``, read without MXNet.

A record is the magic number, a word with the length in its lower 29 bits and the part's kind in its upper three (0: complete,
1: first, 2: middle, 3: last), the bytes, and padding to a multiple of four. A payload that contains the magic number at a
multiple of four is written in parts, without it. A payload begins with an IRHeader (uint32 flag, float32 label, uint64 id,
uint64 id2); where flag > 0, that number of float32 labels follows, and then the encoded image.

Record 0 may be a header: its two labels are the key after the last image, and the key after the last identity. The records
between them are identities, whose labels are the first key of their images and the key after the last.

Nothing of a file is executed or unpickled. Sources: dmlc-core's recordio.h; mxnet.recordio; InsightFace's face2rec2.py.
"""

import os
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, NamedTuple

import numpy as np

from kface.errors import LayoutError
from kface.files import PathLike, open_regular, read_regular

MAGIC = 0xCED7230A
#: Bits of the word after the magic number that are the length.
LENGTH_BITS = 29
#: Largest payload: no encoded crop needs more.
MOST_BYTES = 1 << 26
#: Most labels of a record; identities and the header have two.
MOST_LABELS = 1 << 16
#: Bytes of the index that are parsed at a time, and records whose headers are.
BLOCK, RECORDS = 1 << 24, 1 << 16
#: Magic number, length word and IRHeader.
_FRAME, _HEADER = struct.Struct("<II"), struct.Struct("<IfQQ")
_DAMAGED = "copy the file again"
_OTHER = "copy both files again, from the same place"


class LabelledRecord(NamedTuple):
    """The content of a record.

    Attributes:
        flag: Number of labels in an array; 0 where the header has the only label.
        labels: At least one.
        image: The encoded image; empty for a header or an identity.
    """

    flag: int
    labels: tuple[float, ...]
    image: bytes


def unpack(payload: bytes) -> LabelledRecord:
    """Split a payload into labels and image; raises ValueError where it is too short."""
    if len(payload) < _HEADER.size:
        raise ValueError(f"has {len(payload)} bytes, fewer than a header")
    flag, label, _, _ = _HEADER.unpack_from(payload)
    if not flag:
        return LabelledRecord(0, (label,), payload[_HEADER.size :])
    end = _HEADER.size + 4 * flag
    if flag > MOST_LABELS or end > len(payload):
        raise ValueError(f"announces {flag} labels, more than it has")
    return LabelledRecord(flag, struct.unpack_from(f"<{flag}f", payload, _HEADER.size), payload[end:])


def read_payload(stream: IO[bytes], offset: int, size: int) -> bytes:
    """Return the payload of the record at an offset, its parts joined.

    Args:
        stream: The opened file.
        offset: Of the record.
        size: Of the file.

    Raises:
        ValueError: There is no record, or it is truncated.
        OSError: The file cannot be read.
    """
    parts: list[bytes] = []
    total = 0
    while True:
        stream.seek(offset)
        frame = stream.read(_FRAME.size)
        if len(frame) < _FRAME.size:
            raise ValueError("is truncated")
        magic, word = _FRAME.unpack(frame)
        if magic != MAGIC:
            raise ValueError(f"does not begin with a record's magic number at byte {offset}")
        kind, length = word >> LENGTH_BITS, word & ((1 << LENGTH_BITS) - 1)
        if kind > 3 or (kind in (0, 1)) != (not parts):
            raise ValueError(f"has a part of the wrong kind at byte {offset}")
        total += length + 4
        if total > MOST_BYTES:
            raise ValueError(f"has a length of more than {MOST_BYTES:,} bytes")
        if offset + _FRAME.size + length > size:
            raise ValueError("is truncated")
        parts.append(stream.read(length))
        if kind in (0, 3):
            return struct.pack("<I", MAGIC).join(parts)
        offset += _FRAME.size + (length + 3) // 4 * 4


def read_index(path: PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Read a ``.idx``: lines of key, tabulator and offset.

    Returns:
        int64 (n,), the keys, ascending; int64 (n,), the records' offsets.

    Raises:
        LayoutError: It cannot be read, or has another form.
    """
    parts: list[np.ndarray] = []
    rest = b""
    try:
        with open_regular(path) as stream:
            while True:
                block = stream.read(BLOCK)
                text, newline, rest = (rest + block).rpartition(b"\n") if block else (rest, b"", b"")
                if text.strip():
                    parts.append(_numbers(text + newline))
                if not block:
                    break
    except OSError as error:
        raise LayoutError(f"cannot be read ({error.strerror or error})", path, "put it beside the .rec file")
    except ValueError:
        raise LayoutError("is not an index of lines of key and offset", path, _DAMAGED)
    if not parts:
        raise LayoutError("lists no record", path, _DAMAGED)
    rows = np.concatenate(parts)
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    keys, offsets = np.ascontiguousarray(rows[:, 0]), np.ascontiguousarray(rows[:, 1])
    if (np.diff(keys) == 0).any():
        raise LayoutError(f"lists record {keys[:-1][np.diff(keys) == 0][0]} twice", path, _DAMAGED)
    return keys, offsets


def _numbers(text: bytes) -> np.ndarray:
    """Return the two columns of complete lines as int64 (n, 2); raises ValueError where they are something else."""
    # Of more than two columns, or a line without a number, the count would differ.
    if text.translate(None, b"0123456789\t\r\n "):
        raise ValueError("other characters")
    lines = sum(1 for line in text.splitlines() if line.strip())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            numbers = np.fromstring(text, np.int64, sep=" ")
        except DeprecationWarning:
            raise ValueError("no numbers")
    if len(numbers) != 2 * lines:
        raise ValueError("another number of columns")
    return numbers.reshape(-1, 2)


@dataclass(frozen=True)
class RecordIdentities:
    """The images of a RecordIO file by identity.

    Attributes:
        path: The ``.rec``.
        size: Its size in bytes.
        labels: int64 (m,), the identities, ascending.
        starts: int64 (m + 1,): the images of identity i are those from ``starts[i]`` to ``starts[i + 1]``.
        keys: int64 (n,), the images' keys.
        offsets: int64 (n,), the images' places in the file.
        unlisted: Number of images that belong to no identity.
    """

    path: str
    size: int
    labels: np.ndarray
    starts: np.ndarray
    keys: np.ndarray
    offsets: np.ndarray
    unlisted: int

    def images_of(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return keys and offsets of the images of an identity."""
        rows = slice(int(self.starts[number]), int(self.starts[number + 1]))
        return self.keys[rows], self.offsets[rows]


def read_identities(record: PathLike, index: PathLike) -> RecordIdentities:
    """Find the images of each identity; the images themselves are not read.

    With a header the ranges of its identities count, which are few; without one the label of each image is read, for which
    the file is mapped into memory in blocks.

    Args:
        record: The ``.rec``.
        index: The ``.idx``.

    Raises:
        LayoutError: A file cannot be read, is damaged, or does not belong to the other.
    """
    keys, offsets = read_index(index)
    try:
        with open_regular(record) as stream:
            size = os.fstat(stream.fileno()).st_size
            _check_fit(stream, record, index, keys, offsets, size)
            first = unpack(read_payload(stream, int(offsets[0]), size))
            if keys[0] == 0 and first.flag > 1 and not first.image:
                ranges = _ranges(stream, record, keys, offsets, size, first)
                if ranges is not None:
                    return _of_ranges(record, size, keys, offsets, *ranges)
                # Labels are float32, which counts up to 2^24 only: the key that the header names may be rounded.
                keys, offsets = keys[1:], offsets[1:]
            return _of_labels(record, size, keys, offsets)
    except (OSError, ValueError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else None
        raise LayoutError(f"cannot be read ({reason})" if reason else str(error), record, _DAMAGED)


def _check_fit(
    stream: IO[bytes], record: PathLike, index: PathLike, keys: np.ndarray, offsets: np.ndarray, size: int
) -> None:
    """Check that offsets are those of records, and that the last record ends the file."""
    order = np.sort(offsets)
    if order[-1] >= size:
        beyond = int((offsets >= size).sum())
        raise LayoutError(
            f"is truncated or belongs to another index: {beyond:,} of {len(keys):,} records lie beyond its end",
            record,
            _OTHER,
        )
    apart = np.diff(order)
    if order[0] != 0 or (offsets % 4).any() or (len(apart) and apart.min() < _FRAME.size + _HEADER.size):
        raise LayoutError(f"does not fit {os.path.basename(os.fspath(record))}", index, _OTHER)
    for offset in (order[0], order[-1]):
        try:
            read_payload(stream, int(offset), size)
        except ValueError as error:
            key = int(keys[np.flatnonzero(offsets == offset)[0]])
            raise LayoutError(f"record {key} {error}", record, _OTHER)


def _ranges(
    stream: IO[bytes], record: PathLike, keys: np.ndarray, offsets: np.ndarray, size: int, header: LabelledRecord
) -> tuple[np.ndarray, int] | None:
    """Return the identities' ranges of keys as int64 (m, 2) and the key after the last image, or None without such records."""
    start, stop = (int(label) for label in header.labels[:2])
    if not 0 < start < stop <= 1 << 24:
        return None
    rows = np.flatnonzero((keys >= start) & (keys < stop))
    if len(rows) != stop - start:
        return None
    ranges = np.empty((len(rows), 2), np.int64)
    for number, row in enumerate(rows):
        one = unpack(read_payload(stream, int(offsets[row]), size))
        if one.flag < 2 or not 1 <= one.labels[0] <= one.labels[1] <= start:
            raise LayoutError(f"record {keys[row]} is not an identity's range of images", record, _DAMAGED)
        ranges[number] = one.labels[:2]
    return ranges, start


def _of_ranges(
    record: PathLike, size: int, keys: np.ndarray, offsets: np.ndarray, ranges: np.ndarray, end: int
) -> RecordIdentities:
    begins, ends = (np.searchsorted(keys, ranges[:, column]) for column in (0, 1))
    kept = np.flatnonzero(ends > begins)
    begins, ends = begins[kept], ends[kept]
    firsts = labels_of(record, offsets[begins], size) if len(kept) else np.empty(0, np.int64)
    images = int(np.searchsorted(keys, end) - np.searchsorted(keys, 1))
    counts = ends - begins
    rows = np.repeat(begins - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts) + np.arange(int(counts.sum()))
    return _grouped(record, size, keys[rows], offsets[rows], np.repeat(firsts, counts), images - len(rows))


def _of_labels(record: PathLike, size: int, keys: np.ndarray, offsets: np.ndarray) -> RecordIdentities:
    labels = labels_of(record, offsets, size)
    mine = labels >= 0
    return _grouped(record, size, keys[mine], offsets[mine], labels[mine], 0)


def _grouped(
    record: PathLike, size: int, keys: np.ndarray, offsets: np.ndarray, labels: np.ndarray, unlisted: int
) -> RecordIdentities:
    if not len(labels):
        raise LayoutError("contains no image of an identity", record, _DAMAGED)
    order = np.argsort(labels, kind="stable")
    found, starts = np.unique(labels[order], return_index=True)
    starts = np.append(starts, len(labels)).astype(np.int64)
    return RecordIdentities(os.fspath(record), size, found, starts, keys[order], offsets[order], unlisted)


def labels_of(record: PathLike, offsets: np.ndarray, size: int) -> np.ndarray:
    """Return the first label of each record as int64 (n,), and -1 for headers and identities.

    Args:
        record: The ``.rec``.
        offsets: int64 (n,), of the records.
        size: Of the file.

    Raises:
        LayoutError: A record is damaged, or a label is not a whole number of at least 0.
    """
    bytes_of = np.memmap(os.fspath(record), np.uint8, "r")
    found = np.empty(len(offsets), np.float64)
    reach = _FRAME.size + _HEADER.size
    for start, some in _blocks(offsets):
        if (some + reach > size).any():
            raise LayoutError("is truncated", record, _DAMAGED)
        head = np.ascontiguousarray(bytes_of[some[:, None] + np.arange(reach)])
        words = head.view("<u4")
        if (words[:, 0] != MAGIC).any():
            place = int(some[words[:, 0] != MAGIC][0])
            raise LayoutError(f"has no record at byte {place}, where the index has one", record, _OTHER)
        labels = head.view("<f4")[:, 3].astype(np.float64)
        several = np.flatnonzero(words[:, 2])
        if len(several):
            # An array of labels follows the header; the first is the identity.
            ends = some[several] + reach + 4
            if (ends > size).any():
                raise LayoutError("is truncated", record, _DAMAGED)
            first = np.ascontiguousarray(bytes_of[(ends - 4)[:, None] + np.arange(4)]).view("<f4")[:, 0]
            empty = (words[several, 1] & ((1 << LENGTH_BITS) - 1)) <= _HEADER.size + 4 * words[several, 2]
            labels[several] = np.where(empty, -1, first)
        found[start : start + len(some)] = labels
    wrong = ~((found == np.floor(found)) & (found >= -1) & (found < 1 << 31))
    if wrong.any():
        raise LayoutError(f"has the label {found[wrong][0]:g}, which is not a whole number", record, _DAMAGED)
    return found.astype(np.int64)


def _blocks(offsets: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(offsets), RECORDS):
        yield start, offsets[start : start + RECORDS]


def read_property(path: PathLike) -> tuple[int, int, int] | None:
    """Read ``property``: number of identities, height and width of the images; None where it does not exist.

    Raises:
        LayoutError: It has another form.
    """
    try:
        words = read_regular(path, 1 << 12).decode("ascii").strip().split(",")
        if len(words) != 3 or not all(word.strip().isdigit() for word in words):
            raise ValueError
        return int(words[0]), int(words[1]), int(words[2])
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LayoutError(f"cannot be read ({error.strerror or error})", path)
    except ValueError:
        raise LayoutError("is not a line of identities, height and width, such as 85742,112,112", path, _DAMAGED)
