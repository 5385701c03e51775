"""From a frozen TensorFlow graph to a UFF file.

The graph is written channels first (``NC+``), although TensorFlow's is channels last. UFF can declare either, and NVIDIA's
converter keeps TensorFlow's; but what TensorRT's parser then does around a Flatten is not documented, and NVIDIA's own guide
for Keras networks (sampleUffMaskRCNN) says to build them channels first, because Reshape, Flatten and Dense do not survive
the change of order. Here nothing is left to the parser: feature maps are in TensorRT's own order from the input on, a Flatten
unrolls (c, h, w), and the rows of the Dense kernel behind it are permuted to match. Kernels stay (h, w, in, out), declared
``+CK``, as NVIDIA's converter writes them for either order.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from export.uff import schema
from export.uff.graph import NORM_REMEDY, Affine, FrozenGraph, attribute, refuse
from export.uff.metagraph import MetaGraph
from kface.errors import ModelError

#: The operations of an L2 norm; a network with one is refused with specific advice.
NORM_OPERATIONS = ("Square", "Sum", "Sqrt", "Rsqrt", "Maximum", "RealDiv", "L2Loss", "Norm")


def write_uff(graph_def: Any, output: str, input: str = "image") -> bytes:
    """Write a frozen network as UFF.

    Args:
        graph_def: A ``GraphDef`` from ``convert_variables_to_constants_v2``, without grappler: float32 (n, h, w, 3) ->
            (n, d), channels last, without an L2 norm; of operations that :mod:`train.backbones` is made of.
        output: Name of its last node; it has the same name in the file, and is marked as ``MarkOutput_0``.
        input: Name of its placeholder.

    Returns:
        The file, equal for equal graphs. A parser registers the input as (3, h, w) in the order NCHW, and feeds it float32
        (n, 3, h, w) with the colours and the scaling that the network was trained with.

    Raises:
        ModelError: The graph has an unknown operation, an L2 norm, or no such input or output; the message
            names the node.

    Example:
        >>> data = write_uff(freeze(network, normalise=False), "embedding")  # doctest: +SKIP
    """
    return _Writer(FrozenGraph(graph_def, output), output, input).write()


class _Tensor(NamedTuple):
    """A node that is written: its id, its shape (c, h, w) or (k,), and the (c, h, w) it was flattened from."""

    id: str
    shape: tuple[int, ...]
    unrolled: tuple[int, ...] = ()


class _Writer:
    def __init__(self, graph: FrozenGraph, output: str, input: str) -> None:
        self.graph = graph
        self.output = output
        self.input = input
        self.file = MetaGraph()
        self.tensors: dict[str, _Tensor] = {}
        self.convert: dict[str, Callable[[Any], _Tensor]] = {
            "Placeholder": self._placeholder,
            "Conv2D": self._convolution,
            "DepthwiseConv2dNative": self._convolution,
            "MaxPool": self._pool,
            "Mean": self._mean,
            "Reshape": self._flatten,
            "MatMul": self._dense,
            "FusedBatchNormV3": self._batch_norm,
            "Relu": lambda node: self._activation(node, "relu"),
            "Relu6": lambda node: self._activation(node, "relu6"),
            "Neg": lambda node: self._same(node, "Unary", "neg"),
            "Add": self._add,
            "AddV2": self._add,
            "BiasAdd": lambda node: self._binary(node, "add"),
            "Sub": lambda node: self._binary(node, "sub"),
            "Mul": lambda node: self._binary(node, "mul"),
        }

    def write(self) -> bytes:
        """Convert the nodes in order and return the file."""
        affines = {name: self.graph.affine(self.graph.node(name)) for name in self.graph.order}
        # Nodes that are merged into a BatchNormalization or a window are written with it.
        absorbed = {affine.product for affine in affines.values() if affine}
        absorbed |= {affine.source for affine in affines.values() if affine and self._scales_dense(affine)}
        for name in self.graph.order:
            node = self.graph.node(name)
            if node.op == "Pad" or name in absorbed:
                continue
            affine = affines[name]
            if affine:
                self.tensors[name] = self._affine(node, affine)
            elif node.op in self.convert:
                self.tensors[name] = self.convert[node.op](node)
            elif node.op in NORM_OPERATIONS:
                refuse(node, "(an L2 norm ends in one)", NORM_REMEDY)
            else:
                refuse(node)
        self._mark_output()
        return self.file.join()

    def _mark_output(self) -> None:
        last = self.tensors.get(self.graph.last)
        if last is None:
            refuse(self.graph.node(self.graph.last), "as the last one")
        if len(last.shape) != 1 or int(np.prod(last.unrolled[1:])) != 1:
            raise ModelError("is not an embedding but a feature map", self.output, "name the embedding as the output")
        self.file.add("MarkOutput_0", "MarkOutput", [last.id])

    def _id(self, node: Any) -> str:
        """Return a node's name in the file: the last one has the output's name."""
        return self.output if node.name == self.graph.last else str(node.name)

    def _tensor(self, name: str, reader: Any) -> _Tensor:
        """Return a node that has already been written."""
        name = self.graph.resolve(name)
        if name not in self.tensors:
            node = self.graph.node(name)
            if not self.graph.varies(name):
                refuse(reader, f"with a constant input, {name}")
            refuse(node, f"in front of a {reader.op}")
        return self.tensors[name]

    def _map(self, name: str, reader: Any) -> _Tensor:
        tensor = self._tensor(name, reader)
        if len(tensor.shape) != 3:
            refuse(reader, "on anything but a feature map")
        return tensor

    def _placeholder(self, node: Any) -> _Tensor:
        if node.name != self.input:
            raise ModelError("is not the named input", node.name, f"the network must have exactly one, {self.input!r}")
        shape = [dimension.size for dimension in attribute(node, "shape").shape.dim]
        if len(shape) != 4 or min(shape[1:]) < 1:
            raise ModelError(
                f"must be (n, h, w, c), not {tuple(shape)}", node.name, "freeze it with a fixed image size"
            )
        _, height, width, channels = shape
        fields = {"dtype": schema.dtype(schema.FLOAT32), "shape": schema.integers([-1, channels, height, width])}
        return _Tensor(self.file.add(self._id(node), "Input", (), **fields), (channels, height, width))

    def _window(self, node: Any, size: tuple[int, int]) -> tuple[_Tensor, dict[str, Any], tuple[int, int]]:
        """Return what a window slides over, its fields, and the height and width that come out.

        A symmetric Pad in front becomes the window's padding, as NVIDIA's converter does it; TensorRT knows no other.
        """
        if attribute(node, "data_format").s not in (b"", b"NHWC"):
            refuse(node, "with channels first")
        mode = attribute(node, "padding").s
        if mode not in (b"VALID", b"SAME"):
            refuse(node, f"with the padding {mode.decode()}")
        strides = list(attribute(node, "strides").list.i)[1:3]
        dilations = list(attribute(node, "dilations").list.i)[1:3] or [1, 1]
        fields = {"strides": schema.integers(strides)}
        before = self.graph.node(node.input[0])
        padding = [0, 0]
        if before.op == "Pad":
            amounts = self.graph.constant(before.input[1]).tolist()
            symmetric = all(first == second for first, second in amounts)
            if mode != b"VALID" or not symmetric or amounts[0] != [0, 0] or amounts[3] != [0, 0]:
                refuse(before, "other than the same number of pixels on either side of a VALID window")
            padding = [amounts[1][0], amounts[2][0]]
            fields["padding"] = schema.integers(padding)
        if mode == b"SAME":
            fields["implicit_padding"] = schema.text("same")
        source = self._map(before.input[0] if before.op == "Pad" else node.input[0], node)
        sides = []
        for side, window, stride, dilation, pad in zip(
            source.shape[1:], size, strides, dilations, padding, strict=True
        ):
            last = side - 1 if mode == b"SAME" else side + 2 * pad - dilation * (window - 1) - 1
            sides.append(last // stride + 1)
        return source, fields, (sides[0], sides[1])

    def _convolution(self, node: Any) -> _Tensor:
        kernel = self.graph.constant(node.input[1])
        source, fields, sides = self._window(node, kernel.shape[:2])
        if kernel.shape[2] != source.shape[0]:
            refuse(node, "in groups")
        fields["dilation"] = schema.integers(list(attribute(node, "dilations").list.i)[1:3] or [1, 1])
        channels = kernel.shape[3]
        if node.op == "DepthwiseConv2dNative":
            if channels != 1:
                refuse(node, f"with a depth multiplier of {channels}")
            channels = kernel.shape[2]
            fields["number_groups"] = schema.integer(channels)
        fields["inputs_orders"] = self.file.orders("NC+", "+CK")
        weights = self.file.constant(f"{self._id(node)}/kernel", kernel)
        return _Tensor(self.file.add(self._id(node), "Conv", [source.id, weights], **fields), (channels, *sides))

    def _pool(self, node: Any) -> _Tensor:
        size = list(attribute(node, "ksize").list.i)
        strides = list(attribute(node, "strides").list.i)
        if size[0] != 1 or size[3] != 1 or strides[0] != 1 or strides[3] != 1:
            refuse(node, "over channels or images")
        before = self.graph.node(node.input[0])
        # TensorRT pads a maximum with nothing, TensorFlow's Pad with zeros: the same above values that are not negative.
        if before.op == "Pad" and self.graph.node(before.input[0]).op not in ("Relu", "Relu6"):
            refuse(before, "in front of a MaxPool but for one behind a Relu")
        source, fields, sides = self._window(node, (size[1], size[2]))
        fields["func"] = schema.text("max")
        fields["kernel"] = schema.integers(size[1:3])
        fields["inputs_orders"] = self.file.orders("NC+")
        return _Tensor(self.file.add(self._id(node), "Pool", [source.id], **fields), (source.shape[0], *sides))

    def _mean(self, node: Any) -> _Tensor:
        source = self._map(node.input[0], node)
        axes = sorted(int(axis) % 4 for axis in np.ravel(self.graph.constant(node.input[1])))
        if axes != [1, 2]:
            refuse(node, f"over the axes {axes}")
        # TensorRT's parser ignores a Reduce's keepdims: a pool over the whole map is unambiguous.
        keep = attribute(node, "keep_dims").b
        pooled = self.file.add(
            self._id(node) if keep else f"{self._id(node)}/pool",
            "Pool",
            [source.id],
            func=schema.text("avg"),
            kernel=schema.integers(source.shape[1:]),
            strides=schema.integers([1, 1]),
            inputs_orders=self.file.orders("NC+"),
        )
        channels = source.shape[0]
        if keep:
            return _Tensor(pooled, (channels, 1, 1))
        return _Tensor(self.file.add(self._id(node), "Flatten", [pooled]), (channels,), (channels, 1, 1))

    def _flatten(self, node: Any) -> _Tensor:
        """Write a Reshape to (n, h * w * c), without the nodes that compute n."""
        source = self._map(node.input[0], node)
        count = int(np.prod(source.shape))
        if self.graph.row_length(node) not in (count, -1):
            refuse(node, "to anything but one row an image")
        return _Tensor(self.file.add(self._id(node), "Flatten", [source.id]), (count,), source.shape)

    def _dense(self, node: Any, scale: np.ndarray | None = None) -> _Tensor:
        if attribute(node, "transpose_a").b:
            refuse(node, "with its first operand transposed")
        source = self._tensor(node.input[0], node)
        kernel = self.graph.constant(node.input[1])
        kernel = kernel.T if attribute(node, "transpose_b").b else kernel
        if len(source.shape) != 1 or kernel.shape[0] != source.shape[0]:
            refuse(node, "on anything but vectors")
        if scale is not None:
            kernel = kernel * scale.reshape(1, -1)
        weights = self.file.constant(f"{self._id(node)}/kernel", _channels_first(kernel, source))
        orders = self.file.orders("NC", "CK")
        node_id = self.file.add(self._id(node), "FullyConnected", [source.id, weights], inputs_orders=orders)
        return _Tensor(node_id, (kernel.shape[1],))

    def _batch_norm(self, node: Any) -> _Tensor:
        if attribute(node, "is_training").b or attribute(node, "data_format").s not in (b"", b"NHWC"):
            refuse(node, "unless it is for inference, with channels last")
        parameters = [self.graph.constant(name) for name in list(node.input)[1:5]]
        return self._normalise(node, self._map(node.input[0], node), parameters, attribute(node, "epsilon").f)

    def _normalise(self, node: Any, source: _Tensor, parameters: list[np.ndarray], epsilon: float) -> _Tensor:
        names = ("gamma", "beta", "mean", "variance")
        weights = [
            self.file.constant(f"{self._id(node)}/{name}", value.reshape(-1))
            for name, value in zip(names, parameters, strict=True)
        ]
        fields = {"epsilon": schema.double(epsilon), "inputs_orders": self.file.orders("NC+")}
        return source._replace(id=self.file.add(self._id(node), "BatchNorm", [source.id, *weights], **fields))

    def _scales_dense(self, affine: Affine) -> bool:
        """Return whether a scale can go into the columns of the MatMul that it follows."""
        node = self.graph.node(affine.source)
        if node.op != "MatMul" or not self.graph.used_once(affine.source):
            return False
        columns = 0 if attribute(node, "transpose_b").b else 1
        return affine.scale.size == self.graph.constant(node.input[1]).shape[columns]

    def _affine(self, node: Any, affine: Affine) -> _Tensor:
        """Write a BatchNormalization of Keras.

        On a feature map it is one again (without a mean, a variance of one); TensorRT knows none on vectors, where its
        scale goes into the Dense kernel in front of it, and its shift behind it.
        """
        if self._scales_dense(affine):
            dense = self._dense(self.graph.node(affine.source), affine.scale)
            return self._with_constant(node, "add", dense, affine.shift)
        source = self._tensor(affine.source, node)
        channels = source.shape[0]
        if len(source.shape) == 3 and _per_channel(affine.scale, channels) and _per_channel(affine.shift, channels):
            blank = [np.zeros(channels, np.float32), np.ones(channels, np.float32)]
            return self._normalise(node, source, [affine.scale, affine.shift, *blank], 0.0)
        product = self._with_constant(self.graph.node(affine.product), "mul", source, affine.scale)
        return self._with_constant(node, "add", product, affine.shift)

    def _activation(self, node: Any, function: str) -> _Tensor:
        return self._same(node, "Activation", function)

    def _same(self, node: Any, operation: str, function: str) -> _Tensor:
        source = self._tensor(node.input[0], node)
        return source._replace(id=self.file.add(self._id(node), operation, [source.id], func=schema.text(function)))

    def _add(self, node: Any) -> _Tensor:
        return self._binary(node, "add")

    def _binary(self, node: Any, function: str) -> _Tensor:
        first, second = self.graph.sources(node)
        if not self.graph.varies(second):
            return self._with_constant(node, function, self._tensor(first, node), self.graph.constant(second))
        if not self.graph.varies(first):
            value = self.graph.constant(first)
            return self._with_constant(node, function, self._tensor(second, node), value, reverse=True)
        left, right = self._tensor(first, node), self._tensor(second, node)
        if left.shape != right.shape or left.unrolled != right.unrolled:
            refuse(node, f"between the shapes {left.shape} and {right.shape}")
        operands = [left.id, right.id]
        return left._replace(id=self.file.add(self._id(node), "Binary", operands, func=schema.text(function)))

    def _with_constant(
        self, node: Any, function: str, source: _Tensor, value: np.ndarray, reverse: bool = False
    ) -> _Tensor:
        """Write an operation between a tensor and a constant, which gets the tensor's order and number of dimensions."""
        rank = len(source.shape)
        # Broadcasting aligns the last dimensions; the file has no batch, nor may a constant add one.
        aligned = value.reshape((1,) * max(0, rank + 1 - value.ndim) + value.shape)
        last = (*source.shape[1:], source.shape[0])
        if aligned.ndim != rank + 1 or any(
            size not in (1, full) for size, full in zip(aligned.shape, (1, *last), strict=True)
        ):
            refuse(node, f"with a constant of the shape {value.shape}")
        aligned = aligned[0]
        if rank == 3:
            aligned = aligned.transpose(2, 0, 1)
        elif aligned.size > 1:
            aligned = _channels_first(aligned, source)
        operands = [source.id, self.file.constant(f"{self._id(node)}/constant", aligned)]
        operands = operands[::-1] if reverse else operands
        return source._replace(id=self.file.add(self._id(node), "Binary", operands, func=schema.text(function)))


def _per_channel(value: np.ndarray, channels: int) -> bool:
    return value.size == channels and value.shape[-1] == channels


def _channels_first(value: np.ndarray, source: _Tensor) -> np.ndarray:
    """Permute the rows of an array that goes with a vector, (k, ...), where the vector is a flattened feature map."""
    if not source.unrolled:
        return value
    channels, height, width = source.unrolled
    rows = value.reshape(height, width, channels, *value.shape[1:])
    return np.moveaxis(rows, 2, 0).reshape(value.shape)
