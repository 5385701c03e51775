"""Reads single records of a data set's shards, in any order."""

import contextlib
import io
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kface.data.dataset.tfrecord import unframe
from kface.errors import TrainingError
from kface.files import sha256_bytes, write_atomic

#: Bytes of a frame beside its record: length, its checksum, the record's checksum.
FRAME = 16
#: An index of fewer images is found faster than it is read.
KEPT_FROM = 100_000
REBUILD = "build it again with kface dataset"


@dataclass(frozen=True)
class RecordIndex:
    """Where each record of some shards is.

    Attributes:
        files: Paths of the shards.
        file: int32 (n,), the shard of each record.
        offset: int64 (n,), the place of its frame.
        length: int32 (n,), the frame's size in bytes.
    """

    files: tuple[str, ...]
    file: np.ndarray
    offset: np.ndarray
    length: np.ndarray

    @classmethod
    def of(cls, files: Sequence[str], counts: Sequence[int], cache: Path | None = None) -> "RecordIndex":
        """Find the records of some shards, once for each data set: a large index is kept in a file.

        Args:
            files: The shards.
            counts: Number of records in each, according to the manifest.
            cache: Directory for the index; None to find it each time.

        Raises:
            TrainingError: A shard cannot be read, is damaged, or has another number of records.
        """
        kept = None
        if cache is not None and sum(counts) >= KEPT_FROM:
            listing = "".join(f"{file}\0{count}\n" for file, count in zip(files, counts, strict=True))
            kept = cache / f"records-{sha256_bytes(listing.encode('utf-8', 'surrogateescape'))[:16]}.npy"
            found = _kept(kept, counts)
            if found is not None:
                return cls(tuple(files), *found)
        offsets: list[np.ndarray] = []
        for file, count in zip(files, counts, strict=True):
            offsets.append(_frames(file, count))
        rows = np.concatenate(offsets) if offsets else np.empty((0, 2), np.int64)
        number = np.repeat(np.arange(len(files), dtype=np.int32), counts)
        if kept is not None:
            _keep(kept, rows)
        return cls(tuple(files), number, np.ascontiguousarray(rows[:, 0]), rows[:, 1].astype(np.int32))

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return records, bytes (n,), and check them.

        Args:
            rows: int64 (n,), their numbers.

        Raises:
            TrainingError: A shard cannot be read, or a record is damaged.
        """
        found = np.empty(len(rows), object)
        handle, opened = -1, -1
        try:
            for place in np.argsort(self.file[rows], kind="stable"):
                row = rows[place]
                file = int(self.file[row])
                if file != opened:
                    if handle >= 0:
                        os.close(handle)
                    handle, opened = -1, -1
                    handle, opened = os.open(self.files[file], os.O_RDONLY | getattr(os, "O_BINARY", 0)), file
                found[place] = _record(handle, int(self.offset[row]), int(self.length[row]))
        except OSError as error:
            raise TrainingError(f"cannot be read ({error.strerror or error})", self.files[file], REBUILD)
        except ValueError as error:
            raise TrainingError(str(error), self.files[file], f"remove it and {REBUILD}")
        finally:
            if handle >= 0:
                os.close(handle)
        return found


def _record(handle: int, offset: int, length: int) -> bytes:
    if hasattr(os, "pread"):
        data = os.pread(handle, length, offset)
    else:  # Windows
        os.lseek(handle, offset, os.SEEK_SET)
        data = os.read(handle, length)
    return next(unframe(data), b"")


def _frames(file: str, count: int) -> np.ndarray:
    """Return int64 (count, 2): offset and size of each frame; raises TrainingError where their number differs."""
    rows = np.empty((count, 2), np.int64)
    found, offset = 0, 0
    try:
        with open(file, "rb", buffering=0) as stream:
            size = os.fstat(stream.fileno()).st_size
            while offset < size:
                stream.seek(offset)
                head = stream.read(8)
                length = struct.unpack("<Q", head)[0] + FRAME if len(head) == 8 else size
                if offset + length > size:
                    raise TrainingError("is truncated", file, f"remove it and {REBUILD}")
                if found < count:
                    rows[found] = offset, length
                found, offset = found + 1, offset + length
    except OSError as error:
        raise TrainingError(f"cannot be read ({error.strerror or error})", file, REBUILD)
    if found != count:
        raise TrainingError(f"holds {found} images, but the manifest counts {count}", file, REBUILD)
    return rows


def _kept(path: Path, counts: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    try:
        rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if rows.shape != (sum(counts), 2) or rows.dtype != np.int64:
        return None
    number = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    return number, np.ascontiguousarray(rows[:, 0]), rows[:, 1].astype(np.int32)


def _keep(path: Path, rows: np.ndarray) -> None:
    """Write an index; a directory that cannot be written costs the time of finding it again."""
    buffer = io.BytesIO()
    np.save(buffer, rows)
    with contextlib.suppress(OSError):
        write_atomic(path, buffer.getvalue())
