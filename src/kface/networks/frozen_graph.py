"""Reads the inputs' names and shapes out of a frozen TensorFlow graph's bytes, without TensorFlow.

The fields involved are GraphDef.node (1), NodeDef.name (1), op (2) and attr (5, a map: key 1, value 2), AttrValue.shape
(7), TensorShapeProto.dim (2) and unknown_rank (3), and Dim.size (1).
"""

from typing import Dict, List, Optional

from kface.networks.base import Shape
from kface.networks.protobuf import Fields, Value, text_of

#: Numbers of channels that identify an input's layout.
CHANNELS = (1, 3)


def frozen_inputs(data: bytes) -> Dict[str, Shape]:
    """Return the shape of each placeholder by its name, in the file's order, in this package's layout: NCHW.

    Returns:
        None for a dimension that may vary; placeholders of unknown rank are omitted.

    Raises:
        ValueError: The bytes are not a frozen graph.
    """
    fields = Fields()
    found: Dict[str, Shape] = {}
    for node in fields.all(memoryview(data), 1):
        name, operation, sizes = "", "", None
        for number, value in fields.of(node):
            if number == 1:
                name = text_of(value)
            elif number == 2:
                operation = text_of(value)
            elif number == 5 and fields.text(value, 1) == "shape":
                sizes = _sizes(fields, value)
        if operation == "Placeholder" and sizes is not None:
            last = len(sizes) == 4 and sizes[3] in CHANNELS
            found[name] = (sizes[0], sizes[3], sizes[1], sizes[2]) if last else tuple(sizes)
    return found


def _sizes(fields: Fields, entry: Value) -> Optional[List[Optional[int]]]:
    sizes: List[Optional[int]] = []
    for attribute in fields.all(entry, 2):
        for shape in fields.all(attribute, 7):
            for number, value in fields.of(shape):
                if number == 3 and value:
                    return None
                if number == 2:
                    size = next((size for field, size in fields.of(value) if field == 1), 0)
                    # -1 is written as 2^64 - 1.
                    sizes.append(size if isinstance(size, int) and 0 < size < 1 << 63 else None)
    return sizes
