"""Reads the inputs' names and shapes out of an ONNX file's bytes, without the onnx package.

ONNX files are protobuf messages; the few fields on the way are ModelProto.graph (7), GraphProto.initializer (5) and input
(11), ValueInfoProto.name (1) and type (2), TypeProto.tensor_type (1), Tensor.shape (2), TensorShapeProto.dim (1) and
Dimension.dim_value (1).
"""

from typing import Dict, Iterator, Optional, Tuple, Union

from kface.networks.base import Shape

Value = Union[int, memoryview]


def inputs_of(data: bytes) -> Dict[str, Shape]:
    """Return the shape of each input by its name, in the file's order; None for a dimension that may vary.

    Raises:
        ValueError: The bytes are no ONNX file.
    """
    found: Dict[str, Shape] = {}
    constants = set()
    for graph in _all(memoryview(data), 7):
        for number, value in _fields(graph):
            if number == 5:
                constants.add(_text(value, 8))
            elif number == 11:
                found[_text(value, 1)] = _shape(value)
    if not found:
        raise ValueError("no graph with an input")
    # Old files list their weights among the inputs.
    return {name: shape for name, shape in found.items() if name not in constants}


def _shape(value: Value) -> Shape:
    sizes = []
    for kind in _all(value, 2):
        for tensor in _all(kind, 1):
            for shape in _all(tensor, 2):
                for dimension in _all(shape, 1):
                    size = next((number for field, number in _fields(dimension) if field == 1), None)
                    sizes.append(size if isinstance(size, int) and size > 0 else None)
    return tuple(sizes)


def _text(message: Value, field: int) -> str:
    for value in _all(message, field):
        if not isinstance(value, int):
            return bytes(value).decode("utf-8", "replace")
    return ""


def _all(message: Value, field: int) -> Iterator[Value]:
    for number, value in _fields(message):
        if number == field:
            yield value


def _fields(message: Value) -> Iterator[Tuple[int, Value]]:
    """Yield the fields of a message: numbers as int, everything with a length as bytes."""
    if isinstance(message, int):
        raise ValueError("a number where a message should be")
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        length: Optional[int] = {1: 8, 5: 4}.get(tag & 7)
        if tag & 7 == 0:
            number, place = _varint(message, place)
            yield tag >> 3, number
            continue
        if tag & 7 == 2:
            length, place = _varint(message, place)
        if length is None or place + length > len(message):
            raise ValueError("the message is cut off or damaged")
        yield tag >> 3, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> Tuple[int, int]:
    value = shift = 0
    while place < len(message) and shift < 64:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if not byte & 128:
            return value, place
    raise ValueError("the message is cut off or damaged")
