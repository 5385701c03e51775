"""From a folded TensorFlow graph to ONNX, channels first.

Our own writer rather than a converter: a network of ours is a dozen kinds of operations; a general converter takes 11 GB and
minutes for them, and names what it makes by counters. Scales and shifts go into the convolution or the matrix product
in front of them, symmetric or not a padding goes into the window behind it, and a Dense kernel behind a Flatten gets its rows
permuted, as (c, h, w) is unrolled here where TensorFlow unrolls (h, w, c).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from export.uff.graph import Affine, FrozenGraph, attribute
from kface.errors import ModelError

#: Below it an embedding has no direction.
TINY = 1e-6
#: Of the file format; ONNX Runtime 1.10 and TensorRT 8.2 read it.
IR = 7
#: Operations of one tensor that ONNX has under the same meaning.
UNARY = {"Relu": "Relu", "Neg": "Neg", "Sigmoid": "Sigmoid", "Tanh": "Tanh", "Exp": "Exp", "Softplus": "Softplus"}
#: Operations of two tensors, or a tensor and a constant.
BINARY = {"Add": "Add", "AddV2": "Add", "BiasAdd": "Add", "Sub": "Sub", "Mul": "Mul", "RealDiv": "Div"}


class _Tensor(NamedTuple):
    """What a node makes: a name, its shape (c, h, w) or (k,), and the (c, h, w) it was flattened from."""

    name: str
    shape: tuple[int, ...]
    unrolled: tuple[int, ...] = ()


class _Node:
    """A node that is still open to what can be folded into it."""

    def __init__(self, op: str, inputs: list[str], output: str, weights: dict[str, np.ndarray], **attributes: Any):
        self.op, self.inputs, self.output, self.weights, self.attributes = op, inputs, output, weights, attributes


def write_onnx(
    graph_def: Any, output: str, input: str, opset: int, batch: int | None = None, normalise: bool = True
) -> Any:
    """Return a folded graph as an ONNX model.

    Args:
        graph_def: Of :func:`export.folding.fold`: float32 (n, h, w, 3) -> (n, d), without an L2 norm.
        output: Name of the node it ends in, and of the model's output, float32 (n, d).
        input: Name of its placeholder, and of the model's input, float32 (n, 3, h, w).
        opset: 13 to 17: what is written here means the same in all of them.
        batch: A fixed batch, or None for any.
        normalise: Whether the embedding leaves it L2-normalised.

    Returns:
        An ``onnx.ModelProto``, equal for equal graphs.

    Raises:
        ModelError: The graph has an operation that is not known here; the message names it.
    """
    return _Writer(FrozenGraph(graph_def, output), output, input).write(opset, batch, normalise)


class _Writer:
    def __init__(self, graph: FrozenGraph, output: str, input: str) -> None:
        self.graph, self.output, self.input = graph, output, input
        self.nodes: list[_Node] = []
        self.tensors: dict[str, _Tensor] = {}
        self.makers: dict[str, _Node] = {}
        self.convert: dict[str, Callable[[Any], _Tensor]] = {
            "Placeholder": self._placeholder,
            "Conv2D": self._convolution,
            "DepthwiseConv2dNative": self._convolution,
            "MaxPool": lambda node: self._pool(node, "MaxPool"),
            "AvgPool": lambda node: self._pool(node, "AveragePool"),
            "Pad": self._pad,
            "Mean": self._mean,
            "Reshape": self._flatten,
            "MatMul": self._dense,
            "Relu6": self._relu6,
            "LeakyRelu": lambda node: self._same(node, "LeakyRelu", alpha=float(attribute(node, "alpha").f)),
            "FusedBatchNorm": self._batch_norm,
            "FusedBatchNormV3": self._batch_norm,
            **{op: lambda node, name=name: self._same(node, name) for op, name in UNARY.items()},  # type: ignore[misc]
            **{op: lambda node, name=name: self._binary(node, name) for op, name in BINARY.items()},  # type: ignore[misc]
        }

    def write(self, opset: int, batch: int | None, normalise: bool) -> Any:
        """Convert the nodes in order and return the model."""
        affines = {name: self.graph.affine(self.graph.node(name)) for name in self.graph.order}
        absorbed = {affine.product for affine in affines.values() if affine}
        for name in self.graph.order:
            node = self.graph.node(name)
            # A padding is written where something needs it that has none of its own.
            if name in absorbed or node.op == "Pad":
                continue
            affine = affines[name]
            if affine:
                self.tensors[name] = self._affine(affine)
            elif node.op in self.convert:
                self.tensors[name] = self.convert[node.op](node)
            else:
                raise _refusal(node)
        last = self._tensor(self.graph.last)
        if len(last.shape) != 1 or int(np.prod(last.unrolled[1:])) != 1:
            raise ModelError("is not an embedding but a feature map", self.output, "name the embedding as the output")
        return self._model(last, opset, batch, normalise)

    def _model(self, last: _Tensor, opset: int, batch: int | None, normalise: bool) -> Any:
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        nodes = list(self.nodes)
        if normalise:
            nodes.append(_Node("ReduceL2", [last.name], "norm", {}, axes=[1], keepdims=1))
            nodes.append(_Node("Max", ["norm"], "norm_clipped", {"tiny": np.array([TINY], np.float32)}))
            nodes.append(_Node("Div", [last.name, "norm_clipped"], self.output, {}))
        else:
            _rename(nodes, last.name, self.output)
        model = onnx.ModelProto(ir_version=IR, producer_name="kface")
        model.opset_import.add(domain="", version=opset)
        graph = model.graph
        graph.name = "embedder"
        shape = self.tensors[self._placeholder_name].shape
        count: int | str = "batch" if batch is None else batch
        graph.input.append(helper.make_tensor_value_info(self.input, TensorProto.FLOAT, [count, *shape]))
        graph.output.append(helper.make_tensor_value_info(self.output, TensorProto.FLOAT, [count, *last.shape]))
        for node in nodes:
            names = [f"{node.output}.{key}" for key in node.weights]
            graph.node.append(
                helper.make_node(node.op, [*node.inputs, *names], [node.output], node.output, **node.attributes)
            )
            for name, value in zip(names, node.weights.values(), strict=True):
                graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return model

    @property
    def _placeholder_name(self) -> str:
        return next(name for name in self.graph.order if self.graph.node(name).op == "Placeholder")

    def _add(
        self, op: str, sources: list[_Tensor], weights: dict[str, np.ndarray] | None = None, **attributes: Any
    ) -> str:
        """Add a node and return the name of what it makes."""
        number = 1 + sum(node.op == op for node in self.nodes)
        made = _Node(op, [source.name for source in sources], f"{op.lower()}_{number}", weights or {}, **attributes)
        self.nodes.append(made)
        self.makers[made.output] = made
        return made.output

    def _tensor(self, name: str) -> _Tensor:
        name = self.graph.resolve(name)
        if name not in self.tensors:
            node = self.graph.node(name)
            if node.op != "Pad" or not self.graph.varies(name):
                raise _refusal(node)
            self.tensors[name] = self._pad(node)
        return self.tensors[name]

    def _map(self, name: str, reader: Any) -> _Tensor:
        tensor = self._tensor(name)
        if len(tensor.shape) != 3:
            raise _refusal(reader, "on anything but a feature map")
        return tensor

    def _placeholder(self, node: Any) -> _Tensor:
        shape = [dimension.size for dimension in attribute(node, "shape").shape.dim]
        if node.name != self.input or len(shape) != 4 or min(shape[1:]) < 1:
            raise ModelError(f"must be an input {self.input!r} of (n, h, w, c)", node.name)
        return _Tensor(self.input, (shape[3], shape[1], shape[2]))

    def _pad(self, node: Any) -> _Tensor:
        source = self._map(node.input[0], node)
        amounts = self._amounts(node)
        pads = np.array([0, 0, amounts[0][0], amounts[1][0], 0, 0, amounts[0][1], amounts[1][1]], np.int64)
        sides = [side + sum(amount) for side, amount in zip(source.shape[1:], amounts, strict=True)]
        made = self._add("Pad", [source], {"pads": pads, "value": np.array(0, np.float32)})
        return _Tensor(made, (source.shape[0], *sides))

    def _amounts(self, pad: Any) -> list[tuple[int, int]]:
        """Return what a Pad adds before and after the height and the width."""
        amounts = self.graph.constant(pad.input[1]).tolist()
        if amounts[0] != [0, 0] or amounts[3] != [0, 0]:
            raise _refusal(pad, "of images or channels")
        return [(int(low), int(high)) for low, high in amounts[1:3]]

    def _window(
        self, node: Any, size: tuple[int, int], absorb: bool
    ) -> tuple[_Tensor, dict[str, Any], tuple[int, int]]:
        """Return what a window slides over, its attributes, and the height and width that come out."""
        if attribute(node, "data_format").s not in (b"", b"NHWC"):
            raise _refusal(node, "with channels first")
        mode = attribute(node, "padding").s
        if mode not in (b"VALID", b"SAME"):
            raise _refusal(node, f"with the padding {mode.decode()}")
        strides = list(attribute(node, "strides").list.i)[1:3]
        dilations = list(attribute(node, "dilations").list.i)[1:3] or [1, 1]
        before = self.graph.node(node.input[0])
        padding = [(0, 0), (0, 0)]
        if before.op == "Pad" and mode == b"VALID" and absorb:
            padding = self._amounts(before)
            source = self._map(before.input[0], node)
        else:
            source = self._map(node.input[0], node)
        extent = [dilation * (window - 1) + 1 for dilation, window in zip(dilations, size, strict=True)]
        if mode == b"SAME":
            for axis, (side, stride, window) in enumerate(zip(source.shape[1:], strides, extent, strict=True)):
                total = max((-(-side // stride) - 1) * stride + window - side, 0)
                padding[axis] = (total // 2, total - total // 2)
        sides = [
            (side + sum(pad) - window) // stride + 1
            for side, pad, window, stride in zip(source.shape[1:], padding, extent, strides, strict=True)
        ]
        attributes: dict[str, Any] = {
            "kernel_shape": list(size),
            "strides": strides,
            "pads": [padding[0][0], padding[1][0], padding[0][1], padding[1][1]],
        }
        if dilations != [1, 1]:
            attributes["dilations"] = dilations
        return source, attributes, (sides[0], sides[1])

    def _convolution(self, node: Any) -> _Tensor:
        kernel = self.graph.constant(node.input[1])
        source, attributes, sides = self._window(node, (kernel.shape[0], kernel.shape[1]), True)
        if node.op == "DepthwiseConv2dNative":
            attributes["group"] = kernel.shape[2]
            kernel = kernel.reshape(*kernel.shape[:2], 1, -1)
        elif kernel.shape[2] != source.shape[0]:
            attributes["group"] = source.shape[0] // kernel.shape[2]
        weights = {"weight": np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))}
        return _Tensor(self._add("Conv", [source], weights, **attributes), (kernel.shape[3], *sides))

    def _pool(self, node: Any, op: str) -> _Tensor:
        size = list(attribute(node, "ksize").list.i)
        if size[0] != 1 or size[3] != 1:
            raise _refusal(node, "over channels or images")
        # A maximum is padded with nothing and TensorFlow's Pad is zeros: the same above values that are not negative.
        before = self.graph.node(node.input[0])
        absorb = op == "MaxPool" and before.op == "Pad" and self.graph.node(before.input[0]).op in ("Relu", "Relu6")
        source, attributes, sides = self._window(node, (size[1], size[2]), absorb)
        return _Tensor(self._add(op, [source], **attributes), (source.shape[0], *sides))

    def _mean(self, node: Any) -> _Tensor:
        source = self._map(node.input[0], node)
        axes = sorted(int(axis) % 4 for axis in np.ravel(self.graph.constant(node.input[1])))
        if axes != [1, 2]:
            raise _refusal(node, f"over the axes {axes}")
        channels = source.shape[0]
        pooled = _Tensor(self._add("GlobalAveragePool", [source]), (channels, 1, 1))
        if attribute(node, "keep_dims").b:
            return pooled
        return _Tensor(self._add("Flatten", [pooled], axis=1), (channels,), (channels, 1, 1))

    def _flatten(self, node: Any) -> _Tensor:
        source = self._map(node.input[0], node)
        count = int(np.prod(source.shape))
        if self.graph.row_length(node) not in (count, -1):
            raise _refusal(node, "to anything but one row an image")
        return _Tensor(self._add("Flatten", [source], axis=1), (count,), source.shape)

    def _dense(self, node: Any) -> _Tensor:
        if attribute(node, "transpose_a").b:
            raise _refusal(node, "with its first operand transposed")
        source = self._tensor(node.input[0])
        kernel = self.graph.constant(node.input[1])
        kernel = kernel.T if attribute(node, "transpose_b").b else kernel
        if len(source.shape) != 1 or kernel.shape[0] != source.shape[0]:
            raise _refusal(node, "on anything but vectors")
        weights = {"weight": channels_first(kernel, source.unrolled).T}
        return _Tensor(self._add("Gemm", [source], weights, transB=1), (kernel.shape[1],))

    def _batch_norm(self, node: Any) -> _Tensor:
        if attribute(node, "is_training").b or attribute(node, "data_format").s not in (b"", b"NHWC"):
            raise _refusal(node, "unless it is for inference, with channels last")
        gamma, beta, mean, variance = (self.graph.constant(name) for name in list(node.input)[1:5])
        scale = gamma / np.sqrt(variance + np.float32(attribute(node, "epsilon").f))
        return self._scaled(self._map(node.input[0], node), scale, beta - mean * scale, node.input[0])

    def _affine(self, affine: Affine) -> _Tensor:
        return self._scaled(self._tensor(affine.source), affine.scale, affine.shift, affine.source)

    def _scaled(self, source: _Tensor, scale: np.ndarray | None, shift: np.ndarray, name: str) -> _Tensor:
        """Write ``source * scale + shift``: into the node that makes the source, where that is possible."""
        maker = self.makers.get(source.name)
        channels = source.shape[0]
        values = [value for value in (scale, shift) if value is not None]
        fits = all(value.size in (1, channels) and value.shape[-1:] in ((), (1,), (channels,)) for value in values)
        foldable = maker is not None and maker.op in ("Conv", "Gemm") and self.graph.used_once(name)
        if fits and foldable and maker is not None:
            weights = maker.weights
            bias = weights.get("bias", np.zeros(channels, np.float32))
            if scale is not None:
                column = np.broadcast_to(scale.reshape(-1), (channels,))
                weights["weight"] = weights["weight"] * column.reshape(-1, *(1,) * (weights["weight"].ndim - 1))
                bias = bias * column
            weights["bias"] = (bias + shift.reshape(-1)).astype(np.float32)
            return source
        if scale is not None:
            source = source._replace(name=self._add("Mul", [source], {"scale": self._aligned(source, scale)}))
        return source._replace(name=self._add("Add", [source], {"shift": self._aligned(source, shift)}))

    def _relu6(self, node: Any) -> _Tensor:
        source = self._tensor(node.input[0])
        bounds = {"low": np.array(0, np.float32), "high": np.array(6, np.float32)}
        return source._replace(name=self._add("Clip", [source], bounds))

    def _same(self, node: Any, op: str, **attributes: Any) -> _Tensor:
        source = self._tensor(node.input[0])
        return source._replace(name=self._add(op, [source], **attributes))

    def _binary(self, node: Any, op: str) -> _Tensor:
        first, second = self.graph.sources(node)
        if not self.graph.varies(second):
            source, value = self._tensor(first), self.graph.constant(second)
            if op == "Add":
                return self._scaled(source, None, value, first)
            return source._replace(name=self._add(op, [source], {"constant": self._aligned(source, value)}))
        if not self.graph.varies(first):
            source, value = self._tensor(second), self.graph.constant(first)
            if op == "Add":
                return self._scaled(source, None, value, second)
            if op != "Mul":
                raise _refusal(node, "of a constant and a tensor")
            return source._replace(name=self._add(op, [source], {"constant": self._aligned(source, value)}))
        left, right = self._tensor(first), self._tensor(second)
        if len(left.shape) != len(right.shape) or left.unrolled != right.unrolled:
            raise _refusal(node, f"between the shapes {left.shape} and {right.shape}")
        shape = tuple(np.broadcast_shapes(left.shape, right.shape))
        return left._replace(name=self._add(op, [left, right]), shape=shape)

    def _aligned(self, source: _Tensor, value: np.ndarray) -> np.ndarray:
        """Return a constant, broadcast against (n, h, w, c) or (n, k), in the order of a tensor."""
        rank = len(source.shape)
        value = value.reshape((1,) * max(0, rank + 1 - value.ndim) + value.shape)[0]
        if rank == 3:
            return np.ascontiguousarray(value.transpose(2, 0, 1))
        return channels_first(value, source.unrolled) if value.size > 1 else value


def channels_first(value: np.ndarray, unrolled: tuple[int, ...]) -> np.ndarray:
    """Permute the rows of an array (k, ...) that goes with a flattened (c, h, w) map."""
    if not unrolled:
        return value
    channels, height, width = unrolled
    rows = value.reshape(height, width, channels, *value.shape[1:])
    return np.ascontiguousarray(np.moveaxis(rows, 2, 0).reshape(value.shape))


def _rename(nodes: list[_Node], before: str, after: str) -> None:
    for node in nodes:
        node.inputs = [after if name == before else name for name in node.inputs]
        node.output = after if node.output == before else node.output


def _refusal(node: Any, why: str = "") -> ModelError:
    return ModelError(
        f"the operation {node.op} cannot be written as ONNX{' ' if why else ''}{why}",
        node.name,
        "build the backbone of other layers, or teach export.onnx_writer this one",
    )
