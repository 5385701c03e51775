"""Our ONNX writer against tf2onnx, which shares no code with it: both backbones, two batches in the same session."""

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from export.onnx_export import to_onnx
from train import backbones

tf2onnx = pytest.importorskip("tf2onnx", reason="the independent converter (a development package)")

pytestmark = pytest.mark.slow


def by_tf2onnx(network: keras.Model) -> bytes:
    signature = [tf.TensorSpec((None, *network.input_shape[1:]), tf.float32, name="image")]

    def embed(image):
        embedding = network(image, training=False)
        squares = tf.reduce_sum(tf.square(embedding), axis=-1, keepdims=True)
        return {"embedding": embedding / tf.sqrt(tf.maximum(squares, 1e-12))}

    function = tf.function(embed, autograph=False, input_signature=signature)
    model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=13, inputs_as_nchw=["image"])
    return model.SerializeToString()


@pytest.mark.parametrize(("name", "neck"), [("mobilenetv2", "gdc"), ("mobilenetv2", "gap"), ("resnet50", "flatten")])
def test_two_converters_agree(name, neck):
    # A quarter of the width: tf2onnx takes 11 GB for the whole of ResNet-50.
    network = backbones.build(
        name=name, embedding=32, stem_stride=2, neck=neck, dropout=0.0, bn_momentum=0.9, width=0.25
    )
    random = np.random.default_rng(0)
    for weight in network.weights:
        if "variance" in weight.path or "gamma" in weight.path:
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
    ours, theirs = (onnxruntime.InferenceSession(data) for data in (to_onnx(network), by_tf2onnx(network)))
    for batch in (1, 5):
        images = random.uniform(-1, 1, (batch, 3, 112, 112)).astype(np.float32)
        found, wanted = (session.run(None, {"image": images})[0] for session in (ours, theirs))
        assert np.ptp(wanted, axis=0).max() > 1e-3 or batch == 1
        np.testing.assert_allclose(found.reshape(batch, -1), wanted.reshape(batch, -1), atol=2e-6)
