"""Converts the pretrained network's ONNX file to a frozen TensorFlow graph, for runtimes that cannot read that ONNX.

OpenCV 4.1 (JetPack 4.6) reads neither a Slice nor a Resize of ONNX's opset 13, and TensorFlow 1.15's bilinear resize takes
other corners in OpenCV than in TensorFlow. So the front, which enlarges by 1.5, is written with what all of them compute
alike: each pixel three times (nearest, a whole factor), then one fixed filter, 4x4 with stride 2, a channel. That is linear
interpolation exactly: between pixel centres ``(i + 0.5) / 1.5 - 0.5`` the weights are 1/6 and 5/6, 1/2 and 1/2, 5/6 and 1/6
in turn, which are the sums of (1, 2, 2, 1) / 6 over three pixels that are equal.

OpenCV 4.1 keeps the batch that a net saw first in every Slice: there a net of its own for each shape, as
:mod:`kface.networks` has it, is not a precaution but needed.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from onnx import helper, numpy_helper

from export.files import INPUT, OUTPUT
from export.folding import PRODUCER, serialised
from kface.errors import ModelError

#: What stands for a linear enlargement by 1.5: how often each pixel is repeated, and the filter's stride.
REPEATS, STRIDE = 3, 2
#: The filter, and how many of the edge's repeated pixels stand out beyond what it covers.
TAPS, BEYOND = np.array([1, 2, 2, 1], np.float64) / 6, 2
#: A node's value: its name in the graph and its shape (h, w, c) or (k,).
_Value = tuple[str, tuple[int, ...]]


def to_frozen(data: bytes) -> bytes:
    """Return the network as a frozen graph's bytes, equal for equal networks.

    Args:
        data: The ONNX file's bytes, of :func:`export.pretrained.network.build`; float32 (n, 3, h, w) -> (n, d).

    Returns:
        A ``GraphDef`` with the placeholder :data:`~export.files.INPUT`, float32 (None, h, w, 3), and the last node
        :data:`~export.files.OUTPUT`, float32 (n, d), not normalised; of operations that TensorFlow 1.15 and OpenCV 4.1 know.

    Raises:
        ModelError: It has a node that the pretrained network does not have.
    """
    model = onnx.load_model_from_string(data)
    return serialised(_Writer(model.graph).write())


class _Writer:
    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._made = tf.compat.v1.GraphDef()
        # Of TensorFlow 1.15, as for the trained networks.
        self._made.versions.producer = PRODUCER
        self._numbers = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._values: dict[str, _Value] = {}
        self._counted: dict[str, int] = {}
        self._convert: dict[str, Callable[[Any, dict[str, Any]], _Value]] = {
            "Slice": self._slice,
            "Concat": self._concatenation,
            "Resize": self._resize,
            "Conv": self._convolution,
            "Relu": lambda node, _: self._same("Relu", node),
            "Add": lambda node, _: self._same("Add", node),
            "MaxPool": self._max_pool,
            "Pad": self._pad,
            "GlobalAveragePool": self._average,
            "Flatten": self._flatten,
            "MatMul": self._product,
        }

    def write(self) -> Any:
        """Convert the nodes in order and return the graph."""
        (image,), (embedding,) = self._graph.input, self._graph.output
        _, channels, height, width = (size.dim_value for size in image.type.tensor_type.shape.dim)
        node = self._made.node.add(op="Placeholder", name=INPUT)
        node.attr["dtype"].type = tf.float32.as_datatype_enum
        node.attr["shape"].shape.CopyFrom(tf.TensorShape((None, height, width, channels)).as_proto())
        self._values[image.name] = INPUT, (height, width, channels)
        for node in self._graph.node:
            if node.op_type not in self._convert:
                raise _refusal(node, "does not occur in the pretrained network")
            attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
            self._values[node.output[0]] = self._convert[node.op_type](node, attributes)
        last, _ = self._values[embedding.name]
        if self._made.node[-1].name != last:
            raise _refusal(self._graph.node[-1], "is not the embedding")
        self._made.node[-1].name = OUTPUT
        return self._made

    def _node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node after its constants and return its name; a tuple of numbers becomes a list of integers."""
        self._counted[op] = self._counted.get(op, 0) + 1
        node = self._made.node.add(op=op, name=f"{op}_{self._counted[op]}", input=inputs)
        node.attr["T"].type = tf.float32.as_datatype_enum
        for key, value in attributes.items():
            if isinstance(value, tuple):
                node.attr[key].list.i.extend(value)
            elif isinstance(value, tf.DType):
                node.attr[key].type = value.as_datatype_enum
            elif isinstance(value, bool):
                node.attr[key].b = value
            elif isinstance(value, int):
                node.attr[key].i = value
            else:
                node.attr[key].s = value.encode()
        return str(node.name)

    def _constant(self, value: np.ndarray) -> str:
        self._counted["Const"] = self._counted.get("Const", 0) + 1
        value = np.ascontiguousarray(value) if value.ndim else value
        node = self._made.node.add(op="Const", name=f"Const_{self._counted['Const']}")
        node.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
        return str(node.name)

    def _whole(self, *values: int) -> str:
        return self._constant(np.array(values, np.int32))

    def _same(self, op: str, node: Any) -> _Value:
        values = [self._values[name] for name in node.input]
        if len({shape for _, shape in values}) != 1:
            raise _refusal(node, "takes maps of different shapes")
        return self._node(op, [name for name, _ in values]), values[0][1]

    def _slice(self, node: Any, _: dict[str, Any]) -> _Value:
        name, (height, width, channels) = self._values[node.input[0]]
        starts, ends, axes = (self._numbers[one].tolist() for one in node.input[1:4])
        if len(node.input) > 4 or not set(axes) <= {2, 3}:
            raise _refusal(node, "cuts along other axes than rows and columns")
        window = {2: [0, height], 3: [0, width]} | {a: [s, e] for a, s, e in zip(axes, starts, ends, strict=True)}
        (top, bottom), (left, right) = window[2], window[3]
        return self._window(name, (height, width, channels), top, left, min(bottom, height) - top, right - left)

    def _window(self, name: str, shape: tuple[int, ...], top: int, left: int, height: int, width: int) -> _Value:
        begin, size = self._whole(0, top, left, 0), self._whole(-1, height, width, shape[2])
        return self._node("Slice", [name, begin, size], Index=tf.int32), (height, width, shape[2])

    def _concatenation(self, node: Any, attributes: dict[str, Any]) -> _Value:
        if attributes["axis"] != 2:
            raise _refusal(node, "joins along another axis than rows")
        return self._joined([self._values[name] for name in node.input], 0)

    def _joined(self, values: Sequence[_Value], axis: int) -> _Value:
        shape = list(values[0][1])
        shape[axis] = sum(one[axis] for _, one in values)
        inputs = [name for name, _ in values] + [self._constant(np.array(1 + axis, np.int32))]
        return self._node("ConcatV2", inputs, N=len(values), Tidx=tf.int32), tuple(shape)

    def _resize(self, node: Any, attributes: dict[str, Any]) -> _Value:
        scales = self._numbers[node.input[2]].tolist()
        mode = attributes["mode"], attributes["coordinate_transformation_mode"]
        if scales != [1, 1, REPEATS / STRIDE, REPEATS / STRIDE] or mode != (b"linear", b"half_pixel"):
            raise _refusal(node, "is not a linear enlargement by 1.5")
        value = self._values[node.input[0]]
        for axis in (0, 1):
            value = self._edged(value, axis)
        name, (height, width, channels) = value
        size = self._whole(REPEATS * height, REPEATS * width)
        repeated = self._node("ResizeNearestNeighbor", [name, size], align_corners=False)
        height, width = (REPEATS * side - 2 * BEYOND for side in (height, width))
        repeated, _ = self._window(repeated, (height, width, channels), BEYOND, BEYOND, height, width)
        taps = np.repeat(np.outer(TAPS, TAPS)[:, :, None, None], channels, axis=2).astype(np.float32)
        stride = (1, STRIDE, STRIDE, 1)
        made = self._node(
            "DepthwiseConv2dNative",
            [repeated, self._constant(taps)],
            strides=stride,
            padding="VALID",
            data_format="NHWC",
            dilations=(1, 1, 1, 1),
        )
        sides = tuple((side - len(TAPS)) // STRIDE + 1 for side in (height, width))
        return made, (*sides, channels)

    def _edged(self, value: _Value, axis: int) -> _Value:
        """Repeat the first and the last row (axis 0) or column, as an interpolation does outside the image."""
        name, (height, width, _channels) = value
        sides = (1, width) if axis == 0 else (height, 1)
        end = (height - 1, 0) if axis == 0 else (0, width - 1)
        first, last = (self._window(name, value[1], *place, *sides) for place in ((0, 0), end))
        return self._joined([first, value, last], axis)

    def _convolution(self, node: Any, attributes: dict[str, Any]) -> _Value:
        name, (height, width, _) = self._values[node.input[0]]
        weights = self._numbers[node.input[1]]
        side, (stride, other), pads = weights.shape[2], attributes["strides"], set(attributes["pads"])
        same = pads == {(side - 1) // 2} and side % 2 == 1 and stride == 1
        if (
            stride != other
            or not (pads == {0} or same)
            or attributes["group"] != 1
            or set(attributes["dilations"]) != {1}
        ):
            raise _refusal(node, "has another padding or stride than in the pretrained network")
        made = self._node(
            "Conv2D",
            [name, self._constant(weights.transpose(2, 3, 1, 0))],
            strides=(1, stride, stride, 1),
            padding="SAME" if same and side > 1 else "VALID",
            data_format="NHWC",
            dilations=(1, 1, 1, 1),
            use_cudnn_on_gpu=True,
        )
        if len(node.input) > 2:
            made = self._node("BiasAdd", [made, self._constant(self._numbers[node.input[2]])], data_format="NHWC")
        sides = (height, width) if same else tuple((size - side) // stride + 1 for size in (height, width))
        return made, (*sides, weights.shape[0])

    def _max_pool(self, node: Any, attributes: dict[str, Any]) -> _Value:
        if set(attributes.get("pads", [0])) != {0} or attributes.get("ceil_mode", 0):
            raise _refusal(node, "has a padding")
        return self._pooled("MaxPool", node, tuple(attributes["kernel_shape"]), tuple(attributes["strides"]))

    def _pooled(self, op: str, node: Any, window: tuple[int, ...], stride: tuple[int, ...]) -> _Value:
        name, (*sides, channels) = self._values[node.input[0]]
        made = self._node(
            op, [name], ksize=(1, *window, 1), strides=(1, *stride, 1), padding="VALID", data_format="NHWC"
        )
        return made, (*((a - b) // c + 1 for a, b, c in zip(sides, window, stride, strict=True)), channels)

    def _pad(self, node: Any, attributes: dict[str, Any]) -> _Value:
        name, (height, width, channels) = self._values[node.input[0]]
        pads = self._numbers[node.input[1]].tolist()
        if attributes.get("mode", b"constant") != b"constant" or len(node.input) > 2 or any(pads[:6]):
            raise _refusal(node, "does not pad with zeros at the bottom and the right")
        paddings = np.array([[0, 0], [0, pads[6]], [0, pads[7]], [0, 0]], np.int32)
        made = self._node("Pad", [name, self._constant(paddings)], Tpaddings=tf.int32)
        return made, (height + pads[6], width + pads[7], channels)

    def _average(self, node: Any, _: dict[str, Any]) -> _Value:
        name, (_height, _width, channels) = self._values[node.input[0]]
        made = self._node("Mean", [name, self._whole(1, 2)], keep_dims=False, Tidx=tf.int32)
        return made, (1, 1, channels)

    def _flatten(self, node: Any, _: dict[str, Any]) -> _Value:
        name, shape = self._values[node.input[0]]
        if shape[:2] != (1, 1):
            raise _refusal(node, "unrolls a map")
        return name, shape[2:]

    def _product(self, node: Any, _: dict[str, Any]) -> _Value:
        name, _shape = self._values[node.input[0]]
        matrix = self._numbers[node.input[1]]
        made = self._node("MatMul", [name, self._constant(matrix)], transpose_a=False, transpose_b=False)
        return made, (matrix.shape[1],)


def _refusal(node: Any, why: str) -> ModelError:
    return ModelError(f"the operation {node.op_type} {why}", node.name or "pretrained network", "it has no frozen form")
