"""Writes protobuf messages by hand, so that files can hold what no exporter writes."""

import struct


def field(number, value):
    """Return a field: a varint, or bytes (or a text) with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode("utf-8") if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value):
    made = b""
    while value > 127:
        made, value = made + struct.pack("B", value & 127 | 128), value >> 7
    return made + struct.pack("B", value)


def onnx_node(operation, *attributes, **more):
    """Return a NodeProto; attributes are (field, message) of AttributeProto, `domain` the node's."""
    made = field(1, "x") + field(2, "y") + field(4, operation)
    made += field(7, more["domain"]) if "domain" in more else b""
    for number, message in attributes:
        made += field(5, field(1, "a") + field(number, message))
    return made


def onnx_graph(*nodes):
    """Return a GraphProto."""
    return b"".join(field(1, node) for node in nodes) + field(2, "g")


def onnx_model(graph, extra=b""):
    """Return a ModelProto."""
    return field(1, 7) + field(7, graph) + field(8, field(2, 13)) + extra


def onnx_tensor(external=False, location=None):
    """Return a TensorProto of one number, or one whose number lies in another file."""
    made = field(1, 1) + field(2, 1) + field(8, "w")
    if location is not None:
        made += field(14, location)
    if external:
        return made + field(13, field(1, "location") + field(2, "outside.bin"))
    return made + field(9, b"\0" * 4)


def tf_node(name, operation, *attributes):
    """Return a NodeDef; attributes are (key, AttrValue)."""
    made = field(1, name) + field(2, operation)
    for key, value in attributes:
        made += field(5, field(1, key) + field(2, value))
    return made


def tf_graph(nodes, functions=()):
    """Return a GraphDef; functions are lists of nodes."""
    made = b"".join(field(1, node) for node in nodes)
    library = b""
    for number, body in enumerate(functions):
        signature = field(1, field(1, "f{}".format(number)))
        library += field(1, signature + b"".join(field(3, node) for node in body))
    return made + (field(2, library) if functions else b"")


def tf_shape(*sizes):
    """Return an AttrValue that holds a TensorShapeProto; None for what may vary."""
    dims = b"".join(field(2, field(1, (1 << 64) - 1 if size is None else size)) for size in sizes)
    return field(7, dims)
