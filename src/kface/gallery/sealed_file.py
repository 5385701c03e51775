"""A file of sealed blocks that is mapped into memory, and decrypted block by block where it is read."""

import mmap
from typing import Any, Iterator, List, NamedTuple, Sequence, Tuple, Union

import numpy as np

from kface.gallery.cipher import BlockCipher

#: Rows of a matrix that are sealed as one.
GROUP = 8


class Section(NamedTuple):
    """A part of the file that is sealed in blocks.

    Attributes:
        number: Its number.
        offset: Where it begins in the file.
        length: How many bytes it holds.
        block: How many bytes a block holds; the last one may hold fewer.
    """

    number: int
    offset: int
    length: int
    block: int

    def blocks(self) -> int:
        """Return how many blocks it has."""
        return (self.length + self.block - 1) // self.block

    def end(self) -> int:
        """Return where it ends in the file."""
        return self.offset + self.length + self.blocks() * BlockCipher.TAG_BYTES

    def size(self, block: int) -> int:
        """Return how many bytes a block holds."""
        return min(self.block, self.length - block * self.block)


def seal(cipher: BlockCipher, section: Section, data: memoryview) -> Iterator[bytes]:
    """Yield the blocks of a section, sealed.

    Args:
        cipher: Of the file.
        section: Where the blocks belong.
        data: Bytes, as many as the section holds.
    """
    for block in range(section.blocks()):
        begin = block * section.block
        yield cipher.seal(section.number, block, bytes(data[begin : begin + section.size(block)]))


class SealedFile(object):
    """A mapped file. Threads may share it.

    Args:
        mapped: The file.
        cipher: Of the file.
    """

    def __init__(self, mapped: mmap.mmap, cipher: BlockCipher) -> None:
        self._view = memoryview(mapped)
        self._cipher = cipher

    def block(self, section: Section, number: int, out: memoryview) -> None:
        """Decrypt a block into memory that is as long as :meth:`Section.size` says.

        Raises:
            ForgedError: It was changed.
        """
        begin = section.offset + number * (section.block + BlockCipher.TAG_BYTES)
        sealed = self._view[begin : begin + section.size(number) + BlockCipher.TAG_BYTES]
        self._cipher.open_into(section.number, number, sealed, out)

    def read(self, section: Section) -> np.ndarray:
        """Return all that a section holds, uint8 (n,); raises ForgedError where it was changed."""
        out = np.empty((section.length,), np.uint8)
        view = out.data
        for number in range(section.blocks()):
            begin = number * section.block
            self.block(section, number, view[begin : begin + section.size(number)])
        return out


class SealedMatrix(object):
    """A matrix whose rows are decrypted when they are wanted. Threads may share it.

    Args:
        file: Where it is.
        section: The same; a block is :data:`GROUP` rows.
        shape: (t, d).

    Attributes:
        shape: As given.
    """

    def __init__(self, file: SealedFile, section: Section, shape: Tuple[int, int]) -> None:
        self.shape = shape
        self._file = file
        self._section = section

    def __getitem__(self, rows: Union[slice, np.ndarray]) -> np.ndarray:
        """Return rows, float32 (n, d); raises ForgedError where the file was changed."""
        wanted = np.arange(self.shape[0])[rows] if isinstance(rows, slice) else rows
        out = np.empty((len(wanted), self.shape[1]), "<f4")
        if not len(wanted):
            return out
        groups = wanted // GROUP
        changes = np.flatnonzero(groups[1:] != groups[:-1]) + 1
        room = np.empty((GROUP, self.shape[1]), "<f4")
        for begin, end in zip([0] + changes.tolist(), changes.tolist() + [len(wanted)]):
            group = int(groups[begin])
            some = room[: min(GROUP, self.shape[0] - group * GROUP)]
            self._file.block(self._section, group, some.data.cast("B"))
            out[begin:end] = some[wanted[begin:end] - group * GROUP]
        return out


class PatchedMatrix(object):
    """A :class:`SealedMatrix` of which some rows are gone, and which has others in memory.

    Args:
        sealed: The matrix.
        source: intp (t,), each row's row in that, or the one's complement of its place among `vectors`.
        vectors: float32 (n, d).

    Attributes:
        shape: (t, d).
    """

    def __init__(self, sealed: SealedMatrix, source: np.ndarray, vectors: np.ndarray) -> None:
        self.shape = (len(source), sealed.shape[1])
        self._sealed = sealed
        self._source = source
        self._vectors = vectors

    @classmethod
    def of(cls, matrix: Any, source: np.ndarray, vectors: np.ndarray) -> "PatchedMatrix":
        """Return a sealed or a patched matrix with more changes; see the class."""
        if isinstance(matrix, SealedMatrix):
            return cls(matrix, source, vectors)
        # Where they come from in the end; vectors that are wanted no longer are not kept.
        first = np.where(source >= 0, matrix._source[np.maximum(source, 0)], 0)
        old = (source >= 0) & (first < 0)
        held = np.concatenate([matrix._vectors[~first[old]], vectors[~source[source < 0]]])
        first[old] = ~np.arange(np.count_nonzero(old))
        first[source < 0] = ~np.arange(np.count_nonzero(old), len(held))
        return cls(matrix._sealed, first, held)

    def __getitem__(self, rows: Union[slice, np.ndarray]) -> np.ndarray:
        """Return rows, float32 (n, d); raises ForgedError where the file was changed."""
        source = self._source[rows]
        out = np.empty((len(source), self.shape[1]), "<f4")
        out[source >= 0] = self._sealed[source[source >= 0]]
        out[source < 0] = self._vectors[~source[source < 0]]
        return out


class SealedPeople(Sequence[str]):
    """IDs of people, ascending, from 16 bytes each.

    Args:
        ids: uint8 (p, 16).
    """

    def __init__(self, ids: np.ndarray) -> None:
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [row.tobytes().hex() for row in self.ids[place]]
        return self.ids[place].tobytes().hex()

    def find(self, person_id: str) -> int:
        """Return a person's place; raises KeyError where there is none."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self[middle] < person_id:
                low = middle + 1
            else:
                high = middle
        if low == len(self) or self[low] != person_id:
            raise KeyError(person_id)
        return low


class SealedEntries(Sequence[Tuple[int, str, bytes]]):
    """Template number, person and nonce of each row.

    Args:
        numbers: int64 (t,).
        owners: int32 (t,), the place of each row's person.
        people: The people.
        nonces: uint8 (t, 12).
    """

    def __init__(self, numbers: np.ndarray, owners: np.ndarray, people: SealedPeople, nonces: np.ndarray) -> None:
        self.numbers = numbers
        self.owners = owners
        self._people = people
        self.nonces = nonces

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[each] for each in range(len(self))[row]]
        return int(self.numbers[row]), self._people[self.owners[row]], self.nonces[row].tobytes()

    def __iter__(self) -> Iterator[Tuple[int, str, bytes]]:
        # All at once, which takes a fifth of the time.
        people: List[str] = self._people[:]
        data = self.nonces.tobytes()
        size = self.nonces.shape[1]
        nonces = (data[begin : begin + size] for begin in range(0, len(data), size))
        return iter(zip(self.numbers.tolist(), [people[owner] for owner in self.owners.tolist()], nonces))
