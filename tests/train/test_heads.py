"""The margin heads: closed-form values, gradients, and what a loss sees of a batch."""

import math
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf

from kface.errors import ConfigError
from train.losses import EPSILON, ArcFace, CosFace, Loss, Softmax, default_scale
from train.model import FaceModel


def made(kind, classes=3, d=4, seed=0, **arguments):
    head = kind(**arguments)(classes)
    head.build((None, d))
    head.kernel.assign(np.random.default_rng(seed).normal(size=(d, classes)).astype(np.float32))
    return head


def angles(head, embeddings):
    kernel = head.kernel.numpy().astype(np.float64)
    e = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.arccos(np.clip(e @ (kernel / np.linalg.norm(kernel, axis=0)), -1 + EPSILON, 1 - EPSILON))


@pytest.fixture
def batch():
    random = np.random.default_rng(1)
    return random.normal(size=(64, 4)) * random.uniform(0.1, 30, (64, 1)), random.integers(0, 3, 64)


@pytest.mark.parametrize(
    ("kind", "margin", "target"),
    [
        (Softmax, 0.0, lambda t, m: np.cos(t)),
        (CosFace, 0.35, lambda t, m: np.cos(t) - m),
        (ArcFace, 0.5, lambda t, m: np.where(t <= math.pi - m, np.cos(t + m), np.cos(t) - 1 + math.cos(m))),
    ],
)
def test_closed_form(batch, kind, margin, target):
    embeddings, labels = batch
    head = made(kind, scale=16.0, margin=margin)
    logits = head(embeddings.astype(np.float32), labels).numpy()
    theta = angles(head, embeddings)
    expected = 16 * np.cos(theta)
    rows = np.arange(len(labels))
    expected[rows, labels] = 16 * target(theta[rows, labels], margin)
    np.testing.assert_allclose(logits, expected, atol=2e-4)
    assert logits.dtype == np.float32


def test_without_a_margin_all_are_equal(batch):
    embeddings, labels = batch[0].astype(np.float32), batch[1]
    values = [made(kind, scale=9.0, margin=0.0)(embeddings, labels).numpy() for kind in (Softmax, CosFace, ArcFace)]
    np.testing.assert_allclose(values[1], values[0], atol=1e-5)
    np.testing.assert_allclose(values[2], values[0], atol=1e-5)


def test_arcface_never_rewards_the_wrong_direction():
    head = made(ArcFace, classes=2, d=2, scale=1.0, margin=0.5)
    head.kernel.assign([[1.0, 0.0], [0.0, 1.0]])
    theta = np.linspace(0.05, math.pi - 0.05, 400)
    embeddings = np.stack([np.cos(theta), np.sin(theta)], 1).astype(np.float32)
    target = head(embeddings, np.zeros(400, int)).numpy()[:, 0]
    assert (np.diff(target) < 1e-6).all()
    assert np.abs(np.diff(target)).max() < 0.02


@pytest.mark.parametrize("kind", [Softmax, CosFace, ArcFace])
def test_gradient_by_finite_differences(kind):
    head = made(kind, scale=8.0)
    random = np.random.default_rng(3)
    embeddings, labels = random.normal(size=(5, 4)), np.array([0, 1, 2, 0, 1])

    def loss(values):
        logits = head(tf.cast(values, tf.float32), labels)
        return tf.reduce_sum(keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True))

    source = tf.Variable(embeddings.astype(np.float32))
    with tf.GradientTape() as tape:
        value = loss(source)
    gradient = tape.gradient(value, source).numpy()
    step = 1e-2
    for row, column in ((0, 0), (2, 3), (4, 1)):
        up, down = embeddings.copy(), embeddings.copy()
        up[row, column] += step
        down[row, column] -= step
        numeric = (float(loss(up)) - float(loss(down))) / (2 * step)
        assert gradient[row, column] == pytest.approx(numeric, rel=0.02, abs=2e-3)


@pytest.mark.parametrize("kind", [Softmax, CosFace, ArcFace])
def test_gradients_stay_finite_at_the_extremes(kind):
    head = made(kind, classes=2, d=2, scale=64.0)
    head.kernel.assign([[1.0, 0.0], [0.0, 1.0]])
    corners = tf.Variable([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0], [1e-30, 0.0], [1e18, 0.0]])
    with tf.GradientTape() as tape:
        logits = head(corners, np.zeros(5, int))
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(np.zeros(5, int), logits, from_logits=True))
    gradients = tape.gradient(loss, [corners, head.kernel])
    assert all(np.isfinite(gradient.numpy()).all() for gradient in gradients)


def test_half_precision_embeddings_give_single_precision_logits(batch):
    head = made(ArcFace)
    assert head(batch[0].astype(np.float16), batch[1]).numpy().dtype == np.float32


def test_the_scale_follows_from_the_number_of_classes():
    assert default_scale(370) == pytest.approx(16.7, abs=0.1)
    assert default_scale(2) == 8
    assert default_scale(10**12) == 64
    assert made(ArcFace, classes=370).scale == default_scale(370)
    assert made(ArcFace, classes=370, scale=30).scale == 30


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [(Softmax, {"margin": 0.2}), (ArcFace, {"margin": 1.7}), (CosFace, {"margin": -0.1}), (ArcFace, {"scale": -1.0})],
)
def test_what_makes_no_sense_is_refused(kind, arguments):
    with pytest.raises(ConfigError, match=r"loss\."):
        kind(**arguments)
    with pytest.raises(ConfigError, match="two identities"):
        kind()(1)


@pytest.mark.parametrize("kind", [Softmax, CosFace, ArcFace])
def test_the_description_has_every_field_of_the_loss(kind):
    @dataclass(frozen=True)
    class Longer(kind):
        hardness: float = 0.3

    head = made(kind, scale=7.0)
    described = head.described()
    assert {key: described[key] for key in ("classes", "scale", "margin")} == {
        "classes": 3,
        "scale": 7.0,
        "margin": head.final_margin,
    }
    assert Longer(hardness=0.5)(3).described()["hardness"] == 0.5


@dataclass(frozen=True)
class NormMargin(Loss):
    """A margin that grows with the norm of the embedding, relative to a running mean of norms, and a term on the norms.

    The parts that AdaFace (margin by norm, running statistics) and MagFace (term on the norms) need.
    """

    margin: float = 0.2
    momentum: float = 0.5
    weight: float = 0.1

    def state(self):
        return {"mean_norm": 20.0}

    def update(self, batch):
        mean = batch.state["mean_norm"]
        mean.assign(self.momentum * mean + (1 - self.momentum) * keras.ops.mean(batch.norms))

    def target(self, batch):
        return batch.own - batch.margin * batch.norms / batch.state["mean_norm"]

    def penalty(self, batch):
        return self.weight * keras.ops.mean(1 / batch.norms)


def test_a_loss_sees_norms_and_keeps_state(batch):
    embeddings, labels = batch[0].astype(np.float16), batch[1]
    head = made(NormMargin, scale=10.0)
    seen = head.batch(tf.constant(embeddings), labels)
    assert (seen.norms.shape, seen.norms.dtype, seen.cosines.dtype) == ((64, 1), tf.float32, tf.float32)
    norms = np.linalg.norm(embeddings.astype(np.float64), axis=1)
    np.testing.assert_allclose(seen.norms.numpy()[:, 0], norms, rtol=1e-5)
    assert (np.asarray(seen.labels) == labels).all()

    head.loss.update(seen)
    logits = head(tf.constant(embeddings), labels).numpy()
    mean = 0.5 * 20 + 0.5 * norms.mean()
    expected = 10 * np.cos(angles(head, embeddings.astype(np.float64)))
    expected[np.arange(64), labels] -= 10 * 0.2 * norms / mean
    np.testing.assert_allclose(logits, expected, atol=5e-3)
    assert float(head.loss_state["mean_norm"]) == pytest.approx(mean, rel=1e-5)
    assert [weight.name for weight in head.non_trainable_weights] == ["margin", "mean_norm"]


def test_the_norm_of_a_zero_embedding_has_a_finite_gradient():
    head = made(NormMargin)
    zero = tf.Variable(np.zeros((1, 4), np.float32))
    with tf.GradientTape() as tape:
        norms = head.batch(zero, np.zeros(1, int)).norms
    assert np.isfinite(tape.gradient(norms, zero).numpy()).all()


def test_the_penalty_is_part_of_the_loss_that_is_minimised():
    def model(weight):
        keras.utils.set_random_seed(0)
        image = keras.Input((4,))
        backbone = keras.Model(image, keras.layers.Dense(4, use_bias=False)(image))
        made_model = FaceModel(backbone, NormMargin(scale=8.0, weight=weight)(3))
        made_model.compile(optimizer=keras.optimizers.SGD(0.5))
        return made_model

    random = np.random.default_rng(0)
    x, y = random.normal(size=(12, 4)).astype(np.float32), random.integers(0, 3, 12)
    without, with_penalty = model(0.0), model(100.0)
    norms = np.linalg.norm(np.asarray(without(x)), axis=1)
    losses = [float(one.compute_loss(x, y, one(x))) for one in (without, with_penalty)]
    assert losses[1] - losses[0] == pytest.approx(100 * (1 / norms).mean(), rel=1e-3)
    for one in (without, with_penalty):
        one.fit(x, y, epochs=3, batch_size=12, verbose=0)
    # The term falls with the norms, so its gradient raises them.
    grown = [np.linalg.norm(np.asarray(one(x)), axis=1).mean() for one in (without, with_penalty)]
    assert grown[1] > 2 * grown[0]
    assert float(with_penalty.head.loss_state["mean_norm"]) != 20.0


def test_the_state_of_a_loss_is_in_the_checkpoint(tmp_path):
    def model():
        image = keras.Input((4,))
        made_model = FaceModel(keras.Model(image, keras.layers.Dense(4)(image)), NormMargin()(3))
        made_model.compile(optimizer=keras.optimizers.SGD(0.1))
        return made_model

    first, second = model(), model()
    first.head.loss_state["mean_norm"].assign(7.0)
    first.save_weights(tmp_path / "a.weights.h5")
    second.load_weights(tmp_path / "a.weights.h5")
    assert float(second.head.loss_state["mean_norm"]) == 7.0
