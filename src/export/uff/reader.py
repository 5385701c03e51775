"""Reads UFF files without sharing code with the writer, so that an error of one of them shows.

A file is checked on the way: the wire format byte by byte, the fields of every operation against UFF's core descriptor, and
that every node and every reference exists.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from kface.errors import ModelError

INCREMENT = 2**31 - 1
FLOAT32 = 131104

#: Of each operation: how many inputs it has, the fields it must have and those it may have, by their member of the oneof.
OPERATIONS: dict[str, tuple[int, dict[str, str], dict[str, str]]] = {
    "Input": (0, {"dtype": "dtype", "shape": "i_list"}, {}),
    "Const": (0, {"dtype": "dtype", "shape": "i_list", "values": "blob"}, {}),
    "Conv": (
        2,
        {"inputs_orders": "dim_orders_list", "strides": "i_list"},
        {"dilation": "i_list", "padding": "i_list", "number_groups": "i", "implicit_padding": "s"},
    ),
    "Pool": (
        1,
        {"inputs_orders": "dim_orders_list", "func": "s", "kernel": "i_list", "strides": "i_list"},
        {"padding": "i_list", "implicit_padding": "s"},
    ),
    "FullyConnected": (2, {"inputs_orders": "dim_orders_list"}, {}),
    "Binary": (2, {"func": "s"}, {}),
    "Unary": (1, {"func": "s"}, {}),
    "Activation": (1, {"func": "s"}, {}),
    "BatchNorm": (5, {"inputs_orders": "dim_orders_list", "epsilon": "d"}, {}),
    "Flatten": (1, {}, {}),
    "MarkOutput": (1, {}, {}),
}
#: Fields that the descriptor wants as references into ``referenced_data``.
REFERRED = ("inputs_orders", "values")
#: Members of ``Data``, with the wire type each must have.
DATA = {
    1: ("s", 2), 3: ("d", 1), 5: ("b", 0), 7: ("i", 0), 8: ("i_list", 2), 9: ("blob", 2), 100: ("ref", 2),
    101: ("dtype", 0), 104: ("dim_orders_list", 2),
}  # fmt: skip


def damaged(what: str) -> NoReturn:
    """Raise a ModelError about a file."""
    raise ModelError(f"is not UFF as written by kface: {what}", "the UFF file", "export it again")


def fields_of(data: memoryview) -> list[tuple[int, int, Any]]:
    """Split a message into its fields: (number, wire type, value), lengths as views.

    Raises:
        ModelError: It ends within a field, or has a wire type that UFF does not use.
    """
    if not isinstance(data, memoryview):
        damaged("a message is a number")
    found: list[tuple[int, int, Any]] = []
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        wire = tag & 7
        value: Any
        if wire == 0:
            value, position = _varint(data, position)
        elif wire in (1, 2):
            length, position = (8, position) if wire == 1 else _varint(data, position)
            value, position = data[position : position + length], position + length
        else:
            damaged(f"it has a field of wire type {wire}")
        if position > len(data):
            damaged("it is truncated")
        found.append((tag >> 3, wire, value))
    return found


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if position >= len(data):
            damaged("it is truncated")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, position
    damaged("it has a number of more than ten bytes")


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _text(value: Any) -> str:
    # bytes() of a number would return that many zeros.
    if not isinstance(value, memoryview):
        damaged("a text is a number")
    try:
        return bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        damaged("it has a name that is not UTF-8")


def _split(message: Any, numbers: Iterable[int]) -> dict[int, list[Any]]:
    """Return a message's fields by number; unknown fields are refused."""
    found: dict[int, list[Any]] = {number: [] for number in numbers}
    for number, _, value in fields_of(message):
        if number not in found:
            damaged(f"it has an unknown field {number}")
        found[number].append(value)
    return found


def _only(values: Sequence[Any], what: str) -> Any:
    if len(values) != 1:
        damaged(f"it has {len(values)} values of {what}")
    return values[0]


def _integers(message: memoryview) -> list[int]:
    values = []
    for packed in _split(message, (1,))[1]:
        if not isinstance(packed, memoryview):
            damaged("a list is a number")
        position = 0
        while position < len(packed):
            value, position = _varint(packed, position)
            values.append(_signed(value))
    return values


def _order(message: memoryview) -> list[int]:
    entry = _split(_only(_split(message, (1,))[1], "an order"), (1, 2))
    key = _only(entry[1], "an order's key")
    if not isinstance(key, int) or _signed(key) != -1:
        damaged("it has an order that is not under OE_SPECIAL")
    return _integers(_only(entry[2], "an order"))


def _data(message: memoryview) -> tuple[str, Any]:
    """Decode a ``Data``: the member of its oneof, and its value."""
    number, wire, value = _only(fields_of(message), "a oneof")
    kind, expected = DATA.get(number, ("", -1))
    if wire != expected:
        damaged(f"it has data of field {number} and wire type {wire}")
    if kind in ("s", "ref"):
        return kind, _text(value)
    if kind == "d":
        return kind, struct.unpack("<d", value)[0]
    if kind == "i_list":
        return kind, _integers(value)
    if kind == "dim_orders_list":
        return kind, [_order(order) for order in _split(value, (1,))[1]]
    return kind, value if kind == "blob" else _signed(value)


def _mapping(entries: Iterable[memoryview]) -> dict[str, tuple[str, Any]]:
    decoded: dict[str, tuple[str, Any]] = {}
    for message in entries:
        entry = _split(message, (1, 2))
        key = _text(_only(entry[1], "a key"))
        if key in decoded:
            damaged(f"it has two entries {key}")
        decoded[key] = _data(_only(entry[2], key))
    return decoded


class UffNode:
    """A node: ``id``, ``operation``, ``inputs``, ``raw`` fields (member, value) and ``fields`` with references resolved."""

    def __init__(self, message: memoryview, referenced: dict[str, tuple[str, Any]]) -> None:
        parts = _split(message, range(1, 5))
        self.id = _text(_only(parts[1], "a node's id"))
        self.operation = _text(_only(parts[3], f"the operation of {self.id}"))
        self.inputs = [_text(value) for value in parts[2]]
        self.raw = _mapping(parts[4])
        if self.operation not in OPERATIONS:
            damaged(f"the node {self.id} has the operation {self.operation}")
        count, needed, allowed = OPERATIONS[self.operation]
        if len(self.inputs) != count:
            damaged(f"the node {self.id} has {len(self.inputs)} inputs instead of {count}")
        self.fields: dict[str, Any] = {}
        for key, (kind, value) in self.raw.items():
            referred = kind == "ref"
            if referred and value not in referenced:
                damaged(f"the node {self.id} refers to {value}, which does not exist")
            kind, value = referenced[value] if referred else (kind, value)
            if referred != (key in REFERRED) or kind != {**needed, **allowed}.get(key):
                damaged(f"the node {self.id} has a field {key} of {kind}")
            self.fields[key] = value
        if set(needed) - set(self.fields):
            damaged(f"the node {self.id} lacks {', '.join(sorted(set(needed) - set(self.fields)))}")

    def ordered(self, array: np.ndarray, index: int) -> np.ndarray:
        """Bring an input into TensorRT's own order, NC+ or KC+, by the order that is declared for it."""
        order = self.fields["inputs_orders"][index]
        places: list[int] = []
        for value in order:
            if value == INCREMENT and places:
                # "And those after it": all dimensions that the order does not name.
                places += range(places[-1] + 1, places[-1] + 2 + array.ndim - len(order))
            else:
                places.append(value)
        if sorted(places) != list(range(array.ndim)):
            damaged(f"the node {self.id} declares the order {order} of {array.ndim} dimensions")
        return array.transpose([places.index(axis) for axis in range(array.ndim)])


class UffFile:
    """A decoded file.

    Args:
        data: Its bytes.

    Raises:
        ModelError: It is truncated, or not what :func:`export.uff.write_uff` writes.

    Attributes:
        version: Of the format.
        core: Version of the core operations.
        descriptors: The extensions it declares, (name, version).
        graph: Name of its graph.
        nodes: By their ids, in the file's order.
        referenced: What the nodes refer to, (member of the oneof, value) by its key.
    """

    def __init__(self, data: bytes) -> None:
        top = _split(memoryview(data), range(1, 6))
        self.version: int = _only(top[1], "version")
        self.core: int = _only(top[2], "descriptor_core_version")
        self.descriptors: list[tuple[str, int]] = []
        for message in top[3]:
            descriptor = _split(message, (1, 2, 3))
            self.descriptors.append((_text(_only(descriptor[1], "id")), _only(descriptor[2], "version")))
        self.referenced = _mapping(top[5])
        graph = _split(_only(top[4], "graphs"), (1, 2))
        self.graph = _text(_only(graph[1], "a graph's id"))
        self.nodes: dict[str, UffNode] = {}
        for message in graph[2]:
            node = UffNode(message, self.referenced)
            missing = [source for source in node.inputs if source not in self.nodes]
            if missing or node.id in self.nodes:
                damaged(f"the node {node.id} reads {missing} before they are defined, or is defined twice")
            self.nodes[node.id] = node

    def operations(self) -> list[str]:
        """Return the operations in the nodes' order, without the constants."""
        return [node.operation for node in self.nodes.values() if node.operation != "Const"]
