"""The heads against closed-form values and by gradient."""

import math
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf

from kface.errors import ConfigError
from train.heads import EPSILON, ArcFace, CosFace, Softmax, default_scale


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
    described = head.get_config()
    assert {key: described[key] for key in ("classes", "scale", "margin")} == {
        "classes": 3,
        "scale": 7.0,
        "margin": head.final_margin,
    }
    assert Longer(hardness=0.5)(3).get_config()["hardness"] == 0.5
