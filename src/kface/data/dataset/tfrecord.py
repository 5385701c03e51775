"""TFRecord files and tf.train.Example messages, written and read without TensorFlow.

TensorFlow takes seconds and hundreds of megabytes in every process that imports it, and neither a worker that crops faces nor a
Jetson needs it otherwise. The framing and the wire types of an Example are small; the tests compare them byte for byte with
TensorFlow's. Features are written sorted by name, so that equal records are equal bytes
(TensorFlow's ``SerializeToString(deterministic=True)``).

Sources: tensorflow/core/lib/io/record_writer.h, tensorflow/core/example/{example,feature}.proto, RFC 3720 (CRC-32C).
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Value = bytes | Sequence[bytes] | Sequence[int] | Sequence[float]

_BYTES, _FLOAT, _INT64 = 1, 2, 3


def _slow_crc32c() -> Callable[[bytes], int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)

    def crc(data: bytes) -> int:
        value = 0xFFFFFFFF
        for byte in data:
            value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
        return value ^ 0xFFFFFFFF

    return crc


_crc32c: Callable[[bytes], int] | None = None


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of some bytes, by google-crc32c if installed, otherwise slowly in Python."""
    global _crc32c  # noqa: PLW0603
    if _crc32c is None:
        try:
            from google_crc32c import value

            _crc32c = value
        except ImportError:
            _crc32c = _slow_crc32c()
    return _crc32c(data)


def _masked(data: bytes) -> int:
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def frame(record: bytes) -> bytes:
    """Return one record in the framing of a TFRecord file."""
    length = struct.pack("<Q", len(record))
    return b"".join((length, struct.pack("<I", _masked(length)), record, struct.pack("<I", _masked(record))))


def unframe(data: bytes) -> Iterator[bytes]:
    """Yield the records of a TFRecord file.

    Raises:
        ValueError: It is truncated, or a checksum is wrong.
    """
    place = 0
    while place < len(data):
        if place + 12 > len(data):
            raise ValueError("is truncated")
        length, check = struct.unpack_from("<QI", data, place)
        if _masked(data[place : place + 8]) != check:
            raise ValueError("has a wrong checksum")
        start, end = place + 12, place + 12 + length
        if end + 4 > len(data):
            raise ValueError("is truncated")
        record = data[start:end]
        if _masked(record) != struct.unpack_from("<I", data, end)[0]:
            raise ValueError("has a wrong checksum")
        yield record
        place = end + 4


def encode_example(features: Mapping[str, tuple[str, Value]]) -> bytes:
    """Encode a tf.train.Example.

    Args:
        features: By name, ("bytes", one bytes object), ("int64", ints) or ("float", floats).
    """
    entries = []
    for name in sorted(features):
        kind, value = features[name]
        if kind == "bytes":
            feature = _field(_BYTES, _field(1, value))  # type: ignore[arg-type]
        elif kind == "int64":
            packed = b"".join(_varint(int(number) & 0xFFFFFFFFFFFFFFFF) for number in value)
            feature = _field(_INT64, _field(1, packed))
        else:
            packed = struct.pack(f"<{len(value)}f", *value)
            feature = _field(_FLOAT, _field(1, packed))
        entries.append(_field(1, _field(1, name.encode("utf-8")) + _field(2, feature)))
    return _field(1, b"".join(entries))


def decode_example(record: bytes) -> dict[str, list]:
    """Decode a tf.train.Example into lists of bytes, ints or floats by name.

    Raises:
        ValueError: It is not such a message.
    """
    found: dict[str, list] = {}
    for _, features in _fields(record):
        for _, entry in _fields(features):
            parts = dict(_fields(entry))
            for kind, body in _fields(parts.get(2, b"")):
                found[parts.get(1, b"").decode("utf-8")] = list(_values(kind, body))
    return found


def _values(kind: int, body: bytes) -> Iterable:
    for _, packed in _fields(body):
        if kind == _BYTES:
            yield packed
        elif kind == _FLOAT:
            for (number,) in struct.iter_unpack("<f", packed):
                yield number
        else:
            place = 0
            while place < len(packed):
                number, place = _read_varint(packed, place)
                yield number - (1 << 64) if number >> 63 else number


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if place >= len(data) or shift > 63:
            raise ValueError("is not a tf.train.Example")
        byte = data[place]
        number |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return number, place
        shift += 7


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the (number, body) of the length-delimited fields of a message: an Example of ours has no others."""
    place = 0
    while place < len(data):
        tag, place = _read_varint(data, place)
        if tag & 7 != 2:
            raise ValueError("is not a tf.train.Example")
        length, place = _read_varint(data, place)
        if place + length > len(data):
            raise ValueError("is not a tf.train.Example")
        yield tag >> 3, data[place : place + length]
        place += length
