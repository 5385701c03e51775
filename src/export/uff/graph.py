"""A frozen TensorFlow graph prepared for the writer: sorted, without Identity nodes, and with its constants computed."""

from collections import Counter
from typing import Any, NamedTuple, NoReturn

import numpy as np

from kface.errors import ModelError

NORM_REMEDY = "freeze the network without its L2 norm (normalise=False) and divide by the norm in the consumer"


def refuse(node: Any, why: str = "", remedy: str = "") -> NoReturn:
    """Raise a ModelError that names a node and its operation."""
    raise ModelError(
        f"the operation {node.op} cannot be written as UFF{' ' if why else ''}{why}",
        node.name,
        remedy or "export this network to ONNX instead",
    )


def attribute(node: Any, key: str) -> Any:
    """Return a node's attribute, or an empty one; a look-up in the map itself would add it to the graph."""
    return node.attr[key] if key in node.attr else type(node).AttrEntry().value


class Affine(NamedTuple):
    """``source * scale + shift`` with constants: a BatchNormalization of Keras at inference."""

    source: str
    product: str
    scale: np.ndarray
    shift: np.ndarray


class FrozenGraph:
    """The part of a graph that leads to an output.

    Args:
        graph_def: A ``GraphDef`` without variables.
        output: Name of its last node.

    Raises:
        ModelError: There is no such node, or a node is part of a cycle or of a norm.
    """

    def __init__(self, graph_def: Any, output: str) -> None:
        self._nodes = {node.name: node for node in graph_def.node}
        self._constants: dict[str, np.ndarray] = {}
        if output not in self._nodes:
            raise ModelError("is not a node of the frozen graph", output, "name the output it was frozen with")
        self.last = self.resolve(output)
        #: Names of the nodes that lead from the placeholders to the output, each after those it reads.
        self.order: list[str] = []
        self._varying: set[str] = set()
        self._sort()
        self._uses = Counter(source for name in self.order for source in self.sources(self._nodes[name]))
        self._uses[self.last] += 1
        self._refuse_norm()

    def node(self, name: str) -> Any:
        """Return the ``NodeDef`` that an input refers to."""
        return self._nodes[self.resolve(name)]

    def sources(self, node: Any) -> list[str]:
        """Return the names of the nodes whose values a node uses, without a Reshape's shape."""
        names = [name for name in node.input if not name.startswith("^")]
        return [self.resolve(name, node) for name in (names[:1] if node.op == "Reshape" else names)]

    def resolve(self, name: str, reader: Any = None) -> str:
        """Return the name of the node that an input refers to, through Identity nodes."""
        while True:
            name, _, port = name.partition(":")
            if name not in self._nodes:
                raise ModelError("the frozen graph refers to a node that it lacks", name, "freeze the network again")
            node = self._nodes[name]
            # A function with a custom gradient (swish) leaves this around its values.
            if node.op == "IdentityN":
                name = node.input[int(port or 0)]
                continue
            if port not in ("", "0"):
                refuse(reader or node, f"because it reads {name}:{port}, not a first output")
            if node.op != "Identity":
                return name
            name = node.input[0]

    def varies(self, name: str) -> bool:
        """Return whether a node depends on the image."""
        return self.resolve(name) in self._varying

    def used_once(self, name: str) -> bool:
        """Return whether just one node reads a node."""
        return self._uses[self.resolve(name)] == 1

    def constant(self, name: str) -> np.ndarray:
        """Return the value of a node that does not depend on the image, computed in its own precision.

        Raises:
            ModelError: It does depend on it, or takes an operation that is not known here.
        """
        name = self.resolve(name)
        if name not in self._constants:
            self._constants[name] = self._compute(self._nodes[name])
        return self._constants[name]

    def affine(self, node: Any) -> Affine | None:
        """Return the scale and shift that an addition completes, or None if it is another addition."""
        if node.op not in ("Add", "AddV2"):
            return None
        for product, shift in (self.sources(node), self.sources(node)[::-1]):
            factor = self._nodes[product]
            if self.varies(shift) or factor.op != "Mul" or not self.used_once(product):
                continue
            for source, scale in (self.sources(factor), self.sources(factor)[::-1]):
                if self.varies(source) and not self.varies(scale):
                    return Affine(source, product, self.constant(scale), self.constant(shift))
        return None

    def row_length(self, node: Any) -> int | None:
        """Return the row length of a Reshape that makes one row of each image (-1 if left open), or None.

        Of an unknown number of images, Keras writes the plumbing ``pack(shape(x)[0], length)``.
        """
        shape = self.node(node.input[1])
        if shape.op == "Const":
            sizes = self.constant(shape.name).tolist()
            return sizes[1] if len(sizes) == 2 and sizes[0] == -1 else None
        if shape.op != "Pack" or attribute(shape, "N").i != 2:
            return None
        batch, row = (self.node(name) for name in shape.input[:2])
        if batch.op != "StridedSlice" or row.op != "Const":
            return None
        measured = self.node(batch.input[0])
        begin = self.constant(batch.input[1]).tolist()
        whole = self.resolve(node.input[0])
        if measured.op != "Shape" or self.resolve(measured.input[0]) != whole or begin != [0]:
            return None
        return int(self.constant(row.name))

    def _compute(self, node: Any) -> np.ndarray:
        import tensorflow as tf

        if node.op == "Const":
            return tf.make_ndarray(attribute(node, "value").tensor)
        # The bias of a convolution is reshaped to its own shape in this way.
        if node.op == "Reshape":
            return self.constant(node.input[0]).reshape(self.constant(node.input[1]))
        if node.op == "Squeeze":
            return np.squeeze(self.constant(node.input[0]), tuple(attribute(node, "squeeze_dims").list.i) or None)
        if node.op not in FOLDED or self.varies(node.name):
            refuse(node, "as a constant")
        value = FOLDED[node.op](*(self.constant(name) for name in self.sources(node)))
        return np.asarray(value)

    def _sort(self) -> None:
        """Order the nodes that lead to the output, and find those that depend on the image."""
        done: set[str] = set()
        open_: set[str] = set()
        stack = [self.last]
        while stack:
            name = stack[-1]
            node = self._nodes[name]
            todo = [source for source in self.sources(node) if source not in done]
            if name in done:
                stack.pop()
            elif not todo:
                stack.pop()
                done.add(name)
                if node.op == "Placeholder" or any(source in self._varying for source in self.sources(node)):
                    self._varying.add(name)
                    self.order.append(name)
            elif name in open_:
                refuse(node, "in a loop")
            else:
                open_.add(name)
                stack += reversed(todo)

    def _refuse_norm(self) -> None:
        for name in self.order:
            node = self._nodes[name]
            if node.op != "Rsqrt":
                continue
            below = self._nodes[self.sources(node)[0]]
            operands = [below, *(self._nodes[source] for source in self.sources(below))]
            if any(operand.op in ("Sum", "Maximum") for operand in operands):
                refuse(node, "in an L2 norm, whose maximum with a constant TensorRT rejects", NORM_REMEDY)


def _rsqrt(value: np.ndarray) -> np.ndarray:
    return np.reciprocal(np.sqrt(value))


#: Operations on constants: those of a BatchNormalization's parameters and of a PReLU's slopes.
FOLDED: dict[str, Any] = {
    "Add": np.add,
    "AddV2": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Rsqrt": _rsqrt,
}
