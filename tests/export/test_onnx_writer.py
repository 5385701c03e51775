"""The ONNX writer on layers that our backbones do not have, alone and together, against Keras."""

import functools

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from keras import layers

from export import folding, frozen, onnx_export
from kface.errors import ModelError


def excite(x):
    """Squeeze and excitation: a map times a vector of it."""
    squeezed = layers.GlobalAveragePooling2D(keepdims=True)(x)
    return layers.Multiply()([x, layers.Conv2D(6, 1, activation="sigmoid")(squeezed)])


PARTS = {
    "prelu": functools.partial(layers.PReLU, shared_axes=[1, 2]),
    "leaky relu": functools.partial(layers.LeakyReLU, 0.2),
    "same padding": functools.partial(layers.Conv2D, 6, 3, strides=2, padding="same"),
    "depth multiplier": functools.partial(layers.DepthwiseConv2D, 3, depth_multiplier=2),
    "one-sided padding": lambda x: layers.Conv2D(6, 3)(layers.ZeroPadding2D(((0, 1), (2, 0)))(x)),
    "padding that two read": lambda x: (lambda p: layers.Conv2D(6, 3)(p) + layers.MaxPooling2D(3, 1)(p))(
        layers.ZeroPadding2D(1)(x)
    ),
    "maximum of negative values": lambda x: layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x)),
    "maximum, same": functools.partial(layers.MaxPooling2D, 3, 2, padding="same"),
    "average, same": functools.partial(layers.AveragePooling2D, 3, 2, padding="same"),
    "bias and normalisation": lambda x: layers.BatchNormalization()(layers.Conv2D(6, 1)(x)),
    "normalisation first": lambda x: layers.Conv2D(6, 1)(layers.BatchNormalization()(x)),
    "convolution that two read": lambda x: (lambda c: layers.BatchNormalization()(c) + c)(layers.Conv2D(6, 1)(x)),
    "excitation": excite,
    "swish": functools.partial(layers.Activation, "silu"),
    "tanh": functools.partial(layers.Activation, "tanh"),
}
ENDS = {
    "flatten": lambda x: layers.Dense(8)(layers.Flatten()(x)),
    "normalised flatten": lambda x: layers.Dense(8)(layers.BatchNormalization()(layers.Flatten()(x))),
    "mean": lambda x: layers.Dense(8, use_bias=False)(layers.GlobalAveragePooling2D()(x)),
}


def _applied(part, x):
    return part()(x) if isinstance(part, functools.partial) else part(x)


def built(part, end):
    image = keras.Input((14, 12, 3))
    x = layers.Conv2D(6, 3, name="first")(image)
    network = keras.Model(image, layers.BatchNormalization()(ENDS[end](_applied(PARTS[part], x))))
    random = np.random.default_rng(0)
    for weight in network.weights:
        positive = "variance" in weight.path or "gamma" in weight.path
        weight.assign(random.uniform(0.5, 1.5, weight.shape) if positive else random.normal(0, 0.4, weight.shape))
    return network


@pytest.mark.parametrize(("part", "end"), [*((part, "flatten") for part in PARTS), *(("prelu", end) for end in ENDS)])
def test_it_computes_what_keras_does(part, end):
    network = built(part, end)
    images = np.random.default_rng(1).normal(0, 1, (5, 14, 12, 3)).astype(np.float32)
    wanted = np.asarray(network(images, training=False))
    assert np.ptp(wanted, axis=0).max() > 0.1
    graph = folding.fold(frozen.freeze(network, normalise=False))
    before = folding.serialised(graph)
    for opset in (13, 17):
        for normalise in (False, True):
            data = onnx_export.from_graph(graph, opset, normalise=normalise)
            session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
            fed = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
            found = session.run(None, {"image": fed})[0]
            expected = wanted / np.linalg.norm(wanted, axis=1, keepdims=True) if normalise else wanted
            np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max()))
    # Reading a graph must not change it: an attribute that is asked for by name appears in a protobuf map.
    assert folding.serialised(graph) == before


def test_normalisation_goes_into_the_convolution():
    graph = folding.fold(frozen.freeze(built("bias and normalisation", "flatten"), normalise=False))
    model = onnx.load_model_from_string(onnx_export.from_graph(graph, normalise=False))
    assert [node.op_type for node in model.graph.node] == ["Conv", "Conv", "Flatten", "Gemm"]


def test_the_pb_has_nothing_that_old_readers_do_not_know():
    graph = folding.normalised(folding.fold(frozen.freeze(built("excitation", "flatten"), normalise=False)))
    assert not {"AddV2", "FusedBatchNormV3", "Identity", "Pack", "StridedSlice"} & {node.op for node in graph.node}
    assert not {key for node in graph.node for key in node.attr} & {"explicit_paddings", "grad_a", "grad_b"}
    assert graph.versions.producer == 134
    # OpenCV 4.1 reads in the file's order.
    seen = set()
    for node in graph.node:
        assert set(node.input) <= seen
        seen.add(node.name)
    assert graph.node[-1].name == "embedding"


@pytest.mark.parametrize(
    ("layer", "operation"),
    [
        (lambda: layers.UpSampling2D(2, interpolation="bilinear"), "ResizeBilinear"),
        (lambda: layers.Conv2D(6, 3, dilation_rate=2), "SpaceToBatchND"),
    ],
)
def test_what_is_not_known_is_named(layer, operation):
    image = keras.Input((14, 12, 3))
    x = layer()(layers.Conv2D(4, 3)(image))
    network = keras.Model(image, layers.Dense(8)(layers.Flatten()(x)))
    with pytest.raises(ModelError, match=f"the operation {operation} cannot be written as ONNX"):
        onnx_export.to_onnx(network)
