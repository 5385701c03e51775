"""Builds dlib's face recognition ResNet as ONNX, with an input stage for kface's aligned 112x112 faces.

King, 2017: 29 convolutions, 128 numbers. Only operators that every runtime of the house reads are used:

- The affine layers, the mean and the scale are folded into the convolutions (exactly: the first has no padding).
- A shortcut that shrinks (average pool 2x2, channels padded with zeros) is one 2x2 convolution with fixed weights.
- Three nodes turn ArcFace's crop into dlib's chip: nine more rows like the last, a window of 100x100, 1.5 times as large.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from kface.errors import ModelError

INPUT, OUTPUT = "image", "embedding"
OPSET = 13
#: dlib's mean, RGB, and divisor.
MEAN = (122.782, 117.001, 104.298)
DIVISOR = 256.0
#: kface's mean and divisor, with which the input was preprocessed.
HOUSE_MEAN, HOUSE_DIVISOR = 127.5, 128.0
#: Side of a crop, the window that is the chip: top, left, side; and how many times larger the chip is.
SIZE, TOP, LEFT, WINDOW, SCALE = 112, 21, 7, 100, 1.5


def build(tensors: Sequence[np.ndarray], widths: Sequence[int], downs: Sequence[bool], size: int) -> bytes:
    """Return the network as an ONNX file's bytes.

    Args:
        tensors: float32, flat: by convolution its weights (OIHW, then biases) and its affine layer (gamma, then beta); last
            the matrix of the embedding.
        widths: Channels of each residual block.
        downs: Whether each block halves the map.
        size: Length of the embedding.

    Returns:
        Input :data:`INPUT`, float32 (n, 3, 112, 112), RGB, (x - 127.5) / 128; output :data:`OUTPUT`, float32 (n, size), not
        normalised.

    Raises:
        ModelError: A tensor is missing, left over or of another size.
    """
    graph = _Graph(tensors)
    value = graph.front(INPUT)
    value, side = graph.convolution(value, 3, widths[0], 7, 2, 0, first=True), (round(WINDOW * SCALE) - 7) // 2 + 1
    value = graph.node("Relu", [value])
    value, side = graph.node("MaxPool", [value], kernel_shape=[3, 3], strides=[2, 2]), (side - 3) // 2 + 1
    channels = widths[0]
    for width, down in zip(widths, downs, strict=True):
        value, side = graph.block(value, channels, width, down, side)
        channels = width
    value = graph.node("GlobalAveragePool", [value])
    value = graph.node("Flatten", [value], axis=1)
    matrix = graph.take(channels * size, "embedding").reshape(channels, size)
    graph.node("MatMul", [value, graph.constant("embedding.weight", matrix)], output=OUTPUT)
    graph.end()
    return graph.serialise(size)


#: The published network's blocks: channels, and whether the map is halved.
WIDTHS = (32, 32, 32, 64, 64, 64, 64, 128, 128, 128, 256, 256, 256, 256)
DOWNS = (False, False, False, True, False, False, False, True, False, False, True, False, False, True)
EMBEDDING = 128


class _Graph:
    def __init__(self, tensors: Sequence[np.ndarray]) -> None:
        self._left: Iterator[np.ndarray] = iter(tensors)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._number = 0

    def take(self, count: int, what: str) -> np.ndarray:
        tensor = next(self._left, None)
        if tensor is None or tensor.size != count:
            has = "is missing" if tensor is None else f"has {tensor.size} values"
            raise ModelError(
                f"the weights of {what} should have {count} values, but the tensor {has}", "pretrained network"
            )
        return tensor

    def end(self) -> None:
        if next(self._left, None) is not None:
            raise ModelError("has more tensors than the network", "pretrained network")

    def constant(self, name: str, values: np.ndarray) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str | None = None, **attributes: object) -> str:
        name = output or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def front(self, value: str) -> str:
        """Cut dlib's chip out of ArcFace's crop; rows below the crop repeat its last row."""

        def window(name: str, top: int, bottom: int) -> str:
            numbers = {"starts": [top, LEFT], "ends": [bottom, LEFT + WINDOW], "axes": [2, 3]}
            inputs = [self.constant(f"{name}.{key}", np.array(numbers[key], np.int64)) for key in numbers]
            return self.node("Slice", [value, *inputs], name)

        inside, last = window("inside", TOP, SIZE), window("last_row", SIZE - 1, SIZE)
        chip = self.node("Concat", [inside] + [last] * (TOP + WINDOW - SIZE), "chip", axis=2)
        scales = self.constant("scales", np.array([1, 1, SCALE, SCALE], np.float32))
        return self.node(
            "Resize", [chip, "", scales], "enlarged", mode="linear", coordinate_transformation_mode="half_pixel"
        )

    def convolution(
        self, value: str, channels: int, width: int, side: int, stride: int, padding: int, first: bool = False
    ) -> str:
        """Add a convolution with its affine layer folded in."""
        self._number += 1
        name = f"convolution_{self._number}"
        flat = self.take(width * channels * side * side + width, name).astype(np.float64)
        weights, bias = flat[:-width].reshape(width, channels, side, side), flat[-width:]
        affine = self.take(2 * width, f"affine_{self._number}").astype(np.float64)
        gamma, beta = affine[:width], affine[width:]
        if first:
            offsets = (HOUSE_MEAN - np.array(MEAN)) / DIVISOR
            bias = bias + (weights * offsets[None, :, None, None]).sum(axis=(1, 2, 3))
            weights = weights * (HOUSE_DIVISOR / DIVISOR)
        weights, bias = weights * gamma[:, None, None, None], bias * gamma + beta
        inputs = [value, self.constant(f"{name}.weight", weights.astype(np.float32))]
        inputs.append(self.constant(f"{name}.bias", bias.astype(np.float32)))
        return self.node(
            "Conv",
            inputs,
            name,
            kernel_shape=[side] * 2,
            strides=[stride] * 2,
            pads=[padding] * 4,
            dilations=[1, 1],
            group=1,
        )

    def block(self, value: str, channels: int, width: int, down: bool, side: int) -> tuple[str, int]:
        """Add a residual block and return its output and the side of its map."""
        inner = self.node("Relu", [self.convolution(value, channels, width, 3, 2 if down else 1, 0 if down else 1)])
        inner = self.convolution(inner, width, width, 3, 1, 1)
        if down:
            small, side = (side - 3) // 2 + 1, side // 2
            if small < side:
                pads = self.constant(
                    f"{inner}.pads", np.array([0, 0, 0, 0, 0, 0, side - small, side - small], np.int64)
                )
                inner = self.node("Pad", [inner, pads], mode="constant")
            value = self._shrunk(value, channels, width, f"{inner}.shortcut")
        return self.node("Relu", [self.node("Add", [inner, value])]), side

    def _shrunk(self, value: str, channels: int, width: int, name: str) -> str:
        weights = np.zeros((width, channels, 2, 2), np.float32)
        weights[range(channels), range(channels)] = 0.25
        inputs = [value, self.constant(f"{name}.weight", weights)]
        return self.node(
            "Conv", inputs, name, kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4, dilations=[1, 1], group=1
        )

    def serialise(self, size: int) -> bytes:
        shape = ["batch", 3, SIZE, SIZE]
        graph = helper.make_graph(
            self._nodes,
            "dlib face recognition ResNet",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", size])],
            self._constants,
        )
        # The oldest file version with the operator set: a Nano's runtimes read no newer one.
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=7, producer_name="kface"
        )
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))
