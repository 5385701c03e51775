"""A small network with non-trivial weights, and images that it distinguishes."""

import cv2
import numpy as np
import pytest
from export_fakes import stir


@pytest.fixture(scope="session")
def smooth():
    """float32 (16, 3, 112, 112): smooth coloured fields, preprocessed like faces."""
    random = np.random.default_rng(1)
    fields = [
        cv2.resize(random.uniform(-1, 1, (6, 6, 3)).astype(np.float32), (112, 112), interpolation=cv2.INTER_CUBIC)
        for _ in range(16)
    ]
    return np.ascontiguousarray(np.clip(np.stack(fields), -1, 1).transpose(0, 3, 1, 2))


@pytest.fixture(scope="session")
def small_network(smooth):
    """MobileNetV2, a quarter as wide, 32 numbers an embedding."""
    import keras

    from train import backbones

    keras.utils.set_random_seed(0)
    return stir(backbones.build("mobilenetv2", width=0.25, embedding=32), smooth.transpose(0, 2, 3, 1))


@pytest.fixture(scope="session")
def wanted(small_network, smooth):
    """float32 (16, 32), the Keras model's embeddings of the images."""
    found = np.asarray(small_network(smooth.transpose(0, 2, 3, 1), training=False))
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    # Else a comparison says nothing.
    assert (unit @ unit.T - np.eye(len(unit))).max() < 0.98
    return found


@pytest.fixture(scope="session")
def small_onnx(small_network):
    """The network as ONNX with any batch, opset 13."""
    from export.onnx_export import to_onnx

    return to_onnx(small_network)


@pytest.fixture(scope="session")
def shallow(smooth):
    """A few layers of the kinds that ours have: deep random networks magnify whatever precision takes away."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    x = image = keras.Input((112, 112, 3))
    for filters in (16, 32, 48):
        x = layers.Conv2D(filters, 3, strides=2, use_bias=False)(layers.ZeroPadding2D(1)(x))
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.Dense(32, use_bias=False)(layers.Flatten()(layers.MaxPooling2D(2)(x)))
    return stir(keras.Model(image, layers.BatchNormalization(momentum=0.9)(x)), smooth.transpose(0, 2, 3, 1))


@pytest.fixture(scope="session")
def shallow_onnx(shallow):
    """The shallow network as ONNX."""
    from export.onnx_export import to_onnx

    return to_onnx(shallow)


@pytest.fixture(scope="session")
def shallow_wanted(shallow, smooth):
    """float32 (16, 32), the shallow network's embeddings of the images."""
    return np.asarray(shallow(smooth.transpose(0, 2, 3, 1), training=False))
