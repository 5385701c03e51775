"""A UFF graph under construction: nodes, their fields, and the data they refer to."""

from collections.abc import Sequence

import numpy as np

from export.uff import schema
from export.uff.schema import Message

#: Dimension orders as NVIDIA's ``create_orders_ref`` writes them: where each dimension of an array goes in TensorRT's own
#: order (NC+ for tensors, KC+ for kernels; + is all spatial dimensions, from the index before INCREMENT on).
ORDERS: dict[str, Sequence[int]] = {
    "NC+": (0, 1, 2, schema.INCREMENT),
    "+CK": (2, schema.INCREMENT, 1, 0),
    "NC": (0, 1),
    "CK": (1, 0),
}


class MetaGraph:
    """A file with one graph, called ``main`` as NVIDIA's converter calls it."""

    def __init__(self) -> None:
        self._nodes: dict[str, Message] = {}
        self._referenced: dict[str, Message] = {}

    def add(self, node: str, operation: str, inputs: Sequence[str], **fields: Message) -> str:
        """Add a node and return its id.

        Args:
            node: Its id; one that is taken gets a number.
            operation: A core operation of UFF, such as ``Conv``.
            inputs: Ids of the nodes it reads.
            fields: ``Data`` messages of :mod:`export.uff.schema`.
        """
        node = self._free(node)
        message = Message().text(1, node)
        for source in inputs:
            message.text(2, source)
        message.text(3, operation)
        for name in sorted(fields):
            message.entry(4, name, fields[name])
        self._nodes[node] = message
        return node

    def constant(self, node: str, value: np.ndarray) -> str:
        """Add a ``Const`` of float32, any shape without a batch; its values are a little-endian blob, referred to."""
        node = self._free(node)
        key = f"weights_{node}"
        array = np.ascontiguousarray(value, "<f4")
        self._referenced[key] = schema.blob(array.reshape(-1).view(np.uint8).data)
        return self.add(
            node,
            "Const",
            (),
            dtype=schema.dtype(schema.FLOAT32),
            shape=schema.integers(value.shape),
            values=schema.ref(key),
        )

    def orders(self, *names: str) -> Message:
        """Return the ``inputs_orders`` of a node: a reference to one order, a key of :data:`ORDERS`, an input."""
        key = "orders_" + "_".join(names)
        self._referenced[key] = schema.orders([ORDERS[name] for name in names])
        return schema.ref(key)

    def join(self) -> bytes:
        """Return the file's bytes; equal graphs make equal bytes."""
        name, version = schema.EXTENSION
        graph = Message().text(1, "main")
        for node in self._nodes.values():
            graph.message(2, node)
        file = Message().integer(1, schema.VERSION).integer(2, schema.CORE_VERSION)
        file.message(3, Message().text(1, name).integer(2, version)).message(4, graph)
        for key in sorted(self._referenced):
            file.entry(5, key, self._referenced[key])
        return file.join()

    def _free(self, node: str) -> str:
        free, number = node, 0
        while free in self._nodes:
            number += 1
            free = f"{node}_{number}"
        return free
