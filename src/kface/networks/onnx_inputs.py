"""Reads the inputs' names and shapes out of an ONNX file's bytes, without the onnx package.

ONNX files are protobuf messages; the few fields involved are ModelProto.graph (7), GraphProto.initializer (5) and input
(11), ValueInfoProto.name (1) and type (2), TypeProto.tensor_type (1), Tensor.shape (2), TensorShapeProto.dim (1) and
Dimension.dim_value (1).
"""

from typing import Dict

from kface.networks.base import Shape
from kface.networks.protobuf import Fields, Value


def inputs_of(data: bytes) -> Dict[str, Shape]:
    """Return the shape of each input by its name, in the file's order; None for a dimension that may vary.

    Raises:
        ValueError: The bytes are not an ONNX file.
    """
    fields = Fields()
    found: Dict[str, Shape] = {}
    constants = set()
    for graph in fields.all(memoryview(data), 7):
        for number, value in fields.of(graph):
            if number == 5:
                constants.add(fields.text(value, 8))
            elif number == 11:
                found[fields.text(value, 1)] = _shape(fields, value)
    if not found:
        raise ValueError("no graph with an input")
    # Old files list their weights among the inputs.
    return {name: shape for name, shape in found.items() if name not in constants}


def _shape(fields: Fields, value: Value) -> Shape:
    sizes = []
    for kind in fields.all(value, 2):
        for tensor in fields.all(kind, 1):
            for shape in fields.all(tensor, 2):
                for dimension in fields.all(shape, 1):
                    size = next((number for field, number in fields.of(dimension) if field == 1), None)
                    sizes.append(size if isinstance(size, int) and 0 < size < 1 << 63 else None)
    return tuple(sizes)
