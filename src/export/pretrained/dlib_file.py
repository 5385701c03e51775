"""Reads the tensors out of a network that dlib serialised (``.dat``), without dlib.

The format has no index. An integer is packed: a byte whose low nibble is the number of bytes that follow, least significant
first, and whose bit 7 is the sign. A tensor is the integer 2 (its version), four dimensions, then its values as
little-endian float32. Whatever lies between the tensors (layer names, solver state) is passed over.
"""

import math

import numpy as np

#: The version of a tensor, packed.
_VERSION = b"\x01\x02"
#: Tensors with fewer values are running statistics and the like.
SMALLEST = 32
#: Larger than any dimension or tensor of a face network; it bounds the search.
_LARGEST = 1 << 24
#: Larger than any weight: other bytes read as float32 are mostly far beyond.
_LARGEST_VALUE = 1e4


def tensors(data: bytes) -> list[np.ndarray]:
    """Return the tensors of a serialised network in the order of its layers, flat, float32.

    Args:
        data: The file's bytes.

    Raises:
        Nothing: a file without tensors gives an empty list.
    """
    found = []
    place = data.find(_VERSION)
    while place >= 0:
        tensor, end = _tensor(data, place + len(_VERSION))
        if tensor is not None:
            found.append(tensor)
        place = data.find(_VERSION, end)
    return found


def _tensor(data: bytes, start: int) -> tuple[np.ndarray | None, int]:
    """Return the tensor whose dimensions start here, and its end; None if there is no tensor."""
    place, dimensions = start, []
    for _ in range(4):
        value, place = _integer(data, place)
        if value is None or not 0 < value <= _LARGEST:
            return None, start
        dimensions.append(value)
    count = math.prod(dimensions)
    end = place + 4 * count
    # A layer keeps its parameters as a column or as a matrix: the last two dimensions are 1.
    if dimensions[2:] != [1, 1] or not SMALLEST <= count <= _LARGEST or end > len(data):
        return None, start
    values = np.frombuffer(data, "<f4", count, place).astype(np.float32)
    # The comparison is also false for NaN.
    return (values, end) if bool((np.abs(values) < _LARGEST_VALUE).all()) else (None, start)


def _integer(data: bytes, place: int) -> tuple[int | None, int]:
    if place >= len(data):
        return None, place
    size = data[place] & 0x0F
    # Dimensions are positive and at most eight bytes long.
    if data[place] & 0xF0 or not 1 <= size <= 8 or place + 1 + size > len(data):
        return None, place
    return int.from_bytes(data[place + 1 : place + 1 + size], "little"), place + 1 + size
