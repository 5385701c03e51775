"""Counts a network's operations: multiply-accumulates, and the numbers that go to memory and come from it."""

import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Union

from kface.errors import ConfigError, ModelError

PathLike = Union[str, "os.PathLike[str]"]


class Layer(NamedTuple):
    """A layer on one image.

    Attributes:
        kind: ONNX's name of the operation.
        macs: Multiply-accumulates; none of what is no convolution or product.
        weights: Numbers of weights, biases included.
        moved: Numbers read and written, weights apart.
    """

    kind: str
    macs: int
    weights: int
    moved: int


class Count(NamedTuple):
    """A network on one image.

    Attributes:
        macs: Multiply-accumulates.
        weights: Numbers of weights.
        moved: Numbers that its convolutions, products and pools read and write: what is left to move where activations
            and additions are computed along with them.
        moved_all: Numbers that all its layers read and write: nothing is computed along.
        layers: Convolutions, products and pools.
        layers_all: Layers.
    """

    macs: int
    weights: int
    moved: int
    moved_all: int
    layers: int
    layers_all: int

    def as_dict(self) -> dict[str, int]:
        """Return it for the report."""
        return dict(self._asdict())


#: Layers that TensorRT runs as kernels of their own; the rest is computed along with them.
HEAVY = ("Conv", "Gemm", "MatMul", "MaxPool", "AveragePool", "GlobalAveragePool")
#: What :func:`onnx_count` says about this project's embedders with 256 numbers, for machines without onnx; 512 numbers add
#: less than one part in a hundred to the operations.
STORED: dict[str, Count] = {
    "mobilenetv2": Count(81251968, 2565186, 3701824, 11493062, 54, 160),
    "resnet50": Count(1084239872, 31874690, 5807872, 15566854, 55, 132),
}


def total(layers: Iterable[Layer]) -> Count:
    """Add layers up."""
    every = list(layers)
    heavy = [layer for layer in every if layer.kind in HEAVY]
    return Count(
        sum(layer.macs for layer in every),
        sum(layer.weights for layer in every),
        sum(layer.moved for layer in heavy),
        sum(layer.moved for layer in every),
        len(heavy),
        len(every),
    )


class _Sheet:
    """Writes layers down one after the other, keeping the shape (channels, height, width) of what comes out."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        self.shape = (channels, height, width)
        self.layers: list[Layer] = []

    def _add(self, kind: str, macs: int, weights: int, shape: tuple[int, int, int], inputs: int = 1) -> None:
        self.layers.append(Layer(kind, macs, weights, inputs * _size(self.shape) + _size(shape)))
        self.shape = shape

    def convolution(self, channels: int, kernel: int, bias: bool = True) -> "_Sheet":
        """Add a valid convolution with stride 1."""
        before, height, width = self.shape
        shape = (channels, height - kernel + 1, width - kernel + 1)
        weights = channels * before * kernel * kernel
        self._add("Conv", weights * shape[1] * shape[2], weights + (channels if bias else 0), shape)
        return self

    def prelu(self) -> "_Sheet":
        self._add("PRelu", 0, self.shape[0], self.shape)
        return self

    def pool(self, kernel: int, pad: int) -> "_Sheet":
        """Add a pool with stride 2 and that much padding at the end."""
        channels, height, width = self.shape
        self._add("MaxPool", 0, 0, (channels, (height + pad - kernel) // 2 + 1, (width + pad - kernel) // 2 + 1))
        return self

    def flatten(self) -> "_Sheet":
        self._add("Flatten", 0, 0, (_size(self.shape), 1, 1))
        return self

    def dense(self, numbers: int) -> "_Sheet":
        weights = self.shape[0] * numbers
        self._add("Gemm", weights, weights + numbers, (numbers, 1, 1))
        return self

    def heads(self, kind: str, numbers: Sequence[int]) -> "_Sheet":
        """Add layers that all read the same."""
        source = self.shape
        for count in numbers:
            self.shape = source
            if kind == "Conv":
                self.convolution(count, 1)
            else:
                self.dense(count)
        return self


def _size(shape: tuple[int, int, int]) -> int:
    return shape[0] * shape[1] * shape[2]


def pnet(height: int, width: int) -> Count:
    """Count P-Net's canvas form (:func:`kface.mtcnn.canvas.network`) on a canvas."""
    sheet = _Sheet(4, height, width).convolution(10, 3).prelu()
    mask = _Sheet(4, height, width).convolution(1, 3, bias=False)
    rest = _Sheet(*sheet.shape)
    # The mask is added to every channel.
    mask.layers.append(Layer("Add", 0, 0, 2 * _size(sheet.shape) + _size(mask.shape)))
    rest.pool(2, 1).convolution(16, 3).prelu().convolution(32, 3).prelu().heads("Conv", (4, 1))
    return total(sheet.layers + mask.layers + rest.layers)


def rnet() -> Count:
    """Count R-Net on one candidate."""
    sheet = _Sheet(3, 24, 24).convolution(28, 3).prelu().pool(3, 1).convolution(48, 3).prelu().pool(3, 0)
    sheet.convolution(64, 2).prelu().flatten().dense(128).prelu().heads("Gemm", (4, 1))
    return total(sheet.layers)


def onet() -> Count:
    """Count O-Net on one candidate."""
    sheet = _Sheet(3, 48, 48).convolution(32, 3).prelu().pool(3, 1).convolution(64, 3).prelu().pool(3, 0)
    sheet.convolution(64, 3).prelu().pool(2, 0).convolution(128, 2).prelu().flatten().dense(256).prelu()
    return total(sheet.heads("Gemm", (4, 10, 1)).layers)


def onnx_count(path: PathLike, shape: Sequence[int]) -> Count:
    """Count an ONNX file's graph on an input of one shape, batch included; needs onnx.

    Raises:
        ModelError: It is no ONNX file, or has a shape that depends on more than the input's.
    """
    import onnx
    from onnx import shape_inference

    try:
        model = onnx.load(os.fspath(path))
    except Exception as error:
        raise ModelError(f"is not an ONNX file ({str(error)[:100]})", path)
    for dimension, size in zip(model.graph.input[0].type.tensor_type.shape.dim, shape, strict=False):
        dimension.dim_value = size
    del model.graph.value_info[:]
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in list(graph.input) + list(graph.output) + list(graph.value_info)
    }
    weights = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    # What only computes shapes, or hands constants on, moves nothing.
    nodes = [node for node in graph.node if node.op_type not in _BOOKKEEPING]
    try:
        return total(_layer(node, shapes, weights) for node in nodes)
    except KeyError as error:
        raise ModelError(f"has a shape that is not known before ({error})", path, "count the form of batch 1")


#: Nodes whose work is on shapes and constants.
_BOOKKEEPING = ("Shape", "Gather", "Slice", "Concat", "Cast", "Constant", "Identity", "Unsqueeze")
#: Nodes whose constants are no weights.
_SHAPED = ("Pad", "Reshape", "Clip")


def _layer(node: Any, shapes: dict[str, list[int]], weights: dict[str, list[int]]) -> Layer:
    """Return a node as a layer; raises KeyError where a shape is not known."""
    names = [name for name in node.input if name and name not in weights]
    for name in [*names, node.output[0]]:
        if not _product(shapes[name]):
            raise KeyError(name)
    out = shapes[node.output[0]]
    constants = [weights[name] for name in node.input if name in weights]
    held = 0 if node.op_type in _SHAPED else sum(_product(dims) for dims in constants)
    macs = 0
    if node.op_type == "Conv":
        macs = _product(out) * _product(constants[0][1:])
    elif node.op_type in ("Gemm", "MatMul"):
        macs = _product(out) * shapes[names[0]][-1]
    return Layer(node.op_type, macs, held, sum(_product(shapes[name]) for name in names) + _product(out))


def _product(dims: Sequence[int]) -> int:
    value = 1
    for size in dims:
        value *= size
    return value


def embedder_count(name: str, path: PathLike, shape: Sequence[int]) -> Count:
    """Count a bundle's embedder: its graph where onnx is installed, else what is stored about its backbone.

    Args:
        name: The bundle's, such as "resnet50-arcface".
        path: Its ONNX file for a batch of one.
        shape: Of the input, (1, 3, 112, 112).

    Raises:
        ConfigError: onnx is not installed, and nothing is stored about such a backbone.
    """
    try:
        return onnx_count(path, shape)
    except ImportError:
        stored = STORED.get(name.split("-")[0])
        if stored is None:
            raise ConfigError("its operations are not known", name, "install onnx to count them")
        return stored
