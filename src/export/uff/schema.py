"""UFF's schema on the wire: a proto3 message, written by hand, so that neither protoc nor NVIDIA's wheel is needed.

``MetaGraph{1 version, 2 descriptor_core_version, 3 descriptors*, 4 graphs*, 5 map referenced_data}``,
``Descriptor{1 id, 2 version, 3 optional}``, ``Graph{1 id, 2 nodes*}``, ``Node{1 id, 2 inputs*, 3 operation, 4 map fields}``,
``Data`` a oneof of ``1 s, 3 d, 7 i, 8 i_list, 9 blob, 100 ref, 101 dtype, 104 dim_orders_list`` among others.
"""

import struct
from collections.abc import Iterable, Sequence

#: Version of the format, of its core operations, and the extension that NVIDIA's converter for TensorFlow declares.
VERSION = 1
CORE_VERSION = 1
EXTENSION = ("tensorflow_extension", 1)

#: ``DataType.DT_FLOAT32``: the kind of number in the upper half, its bits in the lower.
FLOAT32 = 131104

#: ``OrderEnum``: the key of an order, and "this dimension and those after it" within one.
SPECIAL = -1
INCREMENT = 2**31 - 1

VARINT, FIXED64, LENGTH = 0, 1, 2


def varint(value: int) -> bytes:
    """Encode a number, negative ones as protobuf's int64 does: ten bytes of two's complement."""
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


class Message:
    """A message under construction: pieces that are joined once, at the end, so that weights are not copied a level.

    Fields of a oneof count as set even at their default, so that every method writes what it is given.
    """

    def __init__(self) -> None:
        self.pieces: list[bytes | memoryview] = []
        self.size = 0

    def _append(self, piece: bytes | memoryview) -> None:
        self.pieces.append(piece)
        self.size += len(piece)

    def integer(self, field: int, value: int) -> "Message":
        """Add an int32, int64, bool or enum."""
        self._append(varint(field << 3 | VARINT) + varint(value))
        return self

    def double(self, field: int, value: float) -> "Message":
        """Add a double."""
        self._append(varint(field << 3 | FIXED64) + struct.pack("<d", value))
        return self

    def binary(self, field: int, value: bytes | memoryview) -> "Message":
        """Add bytes; a memoryview must be of bytes, and must not change before the message is joined."""
        self._append(varint(field << 3 | LENGTH) + varint(len(value)))
        self._append(value)
        return self

    def text(self, field: int, value: str) -> "Message":
        """Add a string."""
        return self.binary(field, value.encode("utf-8"))

    def message(self, field: int, value: "Message") -> "Message":
        """Add a message; it must not change afterwards."""
        self._append(varint(field << 3 | LENGTH) + varint(value.size))
        self.pieces += value.pieces
        self.size += value.size
        return self

    def entry(self, field: int, key: str, value: "Message") -> "Message":
        """Add an entry of a map from strings to messages."""
        return self.message(field, Message().text(1, key).message(2, value))

    def join(self) -> bytes:
        """Return the message's bytes."""
        return b"".join(self.pieces)


def text(value: str) -> Message:
    """Return a ``Data`` of a string."""
    return Message().text(1, value)


def double(value: float) -> Message:
    """Return a ``Data`` of a double."""
    return Message().double(3, value)


def integer(value: int) -> Message:
    """Return a ``Data`` of an integer."""
    return Message().integer(7, value)


def integers(values: Iterable[int]) -> Message:
    """Return a ``Data`` of a list of integers."""
    return Message().message(8, _packed(values))


def blob(value: bytes | memoryview) -> Message:
    """Return a ``Data`` of bytes."""
    return Message().binary(9, value)


def ref(key: str) -> Message:
    """Return a ``Data`` that stands for an entry of ``referenced_data``."""
    return Message().text(100, key)


def dtype(value: int) -> Message:
    """Return a ``Data`` of a data type."""
    return Message().integer(101, value)


def orders(values: Sequence[Sequence[int]]) -> Message:
    """Return a ``Data`` of a list of dimension orders."""
    listing = Message()
    for value in values:
        entry = Message().integer(1, SPECIAL).message(2, _packed(value))
        listing.message(1, Message().message(1, entry))
    return Message().message(104, listing)


def _packed(values: Iterable[int]) -> Message:
    return Message().binary(1, b"".join(varint(value) for value in values))
