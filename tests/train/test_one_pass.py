"""What TensorFlow computes in one operation on a CPU: the same as Keras, up to rounding."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from train import backbones, one_pass
from train.backbones.normalisation import BatchNormalization
from train.hosts import devices

SHAPES = [(4, 5, 6, 3), (1, 7, 7, 8), (1, 1, 1, 2), (6, 16)]


def layers_of(shape):
    """Return Keras's layer and ours, with the same weights."""
    made = [kind(momentum=0.9, epsilon=1e-5) for kind in (keras.layers.BatchNormalization, BatchNormalization)]
    random = np.random.default_rng(1)
    values = [random.uniform(0.5, 2, shape[-1:]) for _ in range(4)]
    for layer in made:
        layer.build(shape)
        layer.set_weights(values)
    return made


def trained(layer, inputs, direction):
    """Return outputs, gradients and moving averages."""
    inputs = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=True)
        loss = tf.reduce_sum(outputs * direction)
    gradients = tape.gradient(loss, [inputs, layer.gamma.value, layer.beta.value])
    return [value.numpy() for value in (outputs, *gradients, layer.moving_mean, layer.moving_variance)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_normalisation_is_that_of_keras(shape):
    random = np.random.default_rng(0)
    theirs, ours = layers_of(shape)
    inputs = random.normal(3, 2, shape).astype(np.float32)
    np.testing.assert_array_equal(ours(inputs, training=False), theirs(inputs, training=False))
    for _ in range(2):
        inputs, direction = random.normal(3, 2, shape).astype(np.float32), random.normal(size=shape).astype(np.float32)
        for found, wanted in zip(trained(ours, inputs, direction), trained(theirs, inputs, direction), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-4)


def operations(function, *arguments):
    return [one.type for one in tf.function(function).get_concrete_function(*arguments).graph.get_operations()]


def test_one_operation_and_none_for_inference(monkeypatch):
    _, ours = layers_of(SHAPES[0])
    maps = tf.zeros(SHAPES[0])
    assert "FusedBatchNormV3" in operations(lambda x: ours(x, training=True), maps)
    assert "FusedBatchNormV3" not in operations(lambda x: ours(x, training=False), maps)
    ours.trainable = False
    assert "FusedBatchNormV3" not in operations(lambda x: ours(x, training=True), maps)
    half = BatchNormalization(dtype="mixed_bfloat16")
    assert "FusedBatchNormV3" not in operations(lambda x: half(x, training=True), maps)
    ours.trainable = True
    monkeypatch.setattr(devices, "on_cpu", lambda: False)
    assert "FusedBatchNormV3" not in operations(lambda x: ours(x, training=True), maps)


@pytest.mark.parametrize("name", sorted(backbones.BACKBONES.members))
def test_all_normalisations_of_the_backbones(name):
    network = backbones.build(name, width=0.125, embedding=8)
    found = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(found) > 5
    assert {type(layer) for layer in found} == {BatchNormalization}


def test_weights_of_keras_layers_are_loaded(tmp_path):
    def network(kind):
        image = keras.Input((4, 4, 3))
        return keras.Model(image, kind()(keras.layers.Conv2D(2, 1)(kind()(image))))

    theirs, ours = (network(kind) for kind in (keras.layers.BatchNormalization, BatchNormalization))
    theirs.set_weights([np.full(one.shape, number + 1.0) for number, one in enumerate(theirs.get_weights())])
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


OPTIMIZERS = {
    "adamw": (keras.optimizers.AdamW, one_pass.AdamW, {}),
    "sgd": (keras.optimizers.SGD, one_pass.SGD, {"momentum": 0.9}),
    "sgd without momentum": (keras.optimizers.SGD, one_pass.SGD, {}),
}


@pytest.mark.parametrize("clip", [None, 0.5, 1e3])
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_an_optimizer_is_that_of_keras(name, clip):
    *kinds, more = OPTIMIZERS[name]
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 6)
    results = []
    for kind in kinds:
        random = np.random.default_rng(0)
        weights = [
            keras.Variable(random.normal(size=shape).astype(np.float32), name=part)
            for part, shape in (("kernel", (30, 7)), ("bias", (7,)))
        ]
        optimizer = kind(schedule, weight_decay=0.1, global_clipnorm=clip, **more)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        optimizer.build(weights)
        for _ in range(5):
            gradients = [tf.constant(random.normal(size=one.shape).astype(np.float32)) for one in weights]
            optimizer.apply(gradients)
        results.append([(re.sub(r"_\d+/", "/", one.path), one.numpy()) for one in [*optimizer.variables, *weights]])
    for (path, value), (own_path, own) in zip(*results, strict=True):
        assert own_path == path
        np.testing.assert_allclose(own, value, rtol=1e-4, atol=1e-6)


def test_one_operation_for_each_weight(monkeypatch):
    weights = [keras.Variable(np.ones((3, 2), np.float32), name="kernel")]
    for kind, operation in ((one_pass.AdamW, "ResourceApplyAdam"), (one_pass.SGD, "ResourceApplyKerasMomentum")):
        more = {"momentum": 0.9} if kind is one_pass.SGD else {}
        for on_cpu in (True, False):
            monkeypatch.setattr(devices, "on_cpu", lambda on_cpu=on_cpu: on_cpu)
            optimizer = kind(keras.optimizers.schedules.CosineDecay(0.1, 6), weight_decay=0.1, **more)
            optimizer.build(weights)
            found = operations(lambda grad, optimizer=optimizer: optimizer.apply([grad]), tf.ones((3, 2)))
            assert found.count(operation) == on_cpu
