"""Partial FC: what is drawn, and its gradients and steps against the complete head and against numpy."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from kface.errors import ConfigError
from train import memory
from train.heads import CosineHead
from train.losses import ArcFace, Softmax
from train.losses.base import EPSILON
from train.model import FaceModel
from train.partial import NEVER, SURE, PartialHead, PartialModel, Sampling, mixed

CLASSES, D, BATCH = 48, 6, 8
SHARDS = 4


def partial_head(loss, rate, classes=CLASSES, seed=5, embedding=D, batch=BATCH):
    # At a rate of 1, a training takes the complete head; here the sampling one has to agree with it.
    head = PartialHead(classes, loss, Sampling(rate, SHARDS), batch, seed)
    head.build((None, embedding))
    return head


def rows_of(kernel, head):
    """Give the columns of a complete head (d, classes * centres) to a sampling one, and return them in its rows."""
    centres = head.loss.sub_centres
    by_class = kernel.T.reshape(head.classes, centres * kernel.shape[0])
    rows = np.zeros(head.all_rows.shape, np.float32)
    rows[np.asarray(head.row_of(np.arange(head.classes)))] = by_class
    head.all_rows.assign(rows)
    return rows


@pytest.fixture
def batch():
    random = np.random.default_rng(1)
    return random.normal(size=(BATCH, D)).astype(np.float32) * 3, random.integers(0, CLASSES, BATCH)


def gradients(head, weights, embeddings, labels):
    source = tf.Variable(embeddings)
    with tf.GradientTape() as tape:
        value = head.loss.value(head.batch(source, labels), 0.1)
    return float(value), *(np.asarray(one) for one in tape.gradient(value, [source, weights]))


@pytest.mark.parametrize("loss", [ArcFace(scale=9.0, margin=0.3), ArcFace(scale=9.0, sub_centres=3)])
def test_at_rate_1_gradients_are_those_of_the_complete_head(batch, loss):
    embeddings, labels = batch
    complete = CosineHead(CLASSES, loss)
    complete.build((None, D))
    head = partial_head(loss, 1.0)
    rows_of(complete.kernel.numpy(), head)
    head.drawn.assign(head.draw(labels, 7))
    assert sorted(head.drawn.numpy()) == list(range(CLASSES))
    head.drawn_rows.assign(head.all_rows.numpy()[head.drawn.numpy()])

    value, by_embedding, by_kernel = gradients(complete, complete.kernel.value, embeddings, labels)
    other, by_embedding_too, by_rows = gradients(head, head.drawn_rows.value, embeddings, labels)
    assert other == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(by_embedding_too, by_embedding, atol=1e-6)
    expected = by_kernel.T.reshape(CLASSES, -1)[np.argsort(np.asarray(head.row_of(np.arange(CLASSES))))]
    np.testing.assert_allclose(by_rows, expected, atol=1e-6)
    assert np.abs(by_rows).max() > 1e-3


def numpy_gradients(embeddings, weights, columns, scale):
    """Normalised softmax over some classes: mean cross-entropy and its gradients, by hand; weights (columns, d)."""
    e_norm = np.linalg.norm(embeddings, axis=1, keepdims=True)
    w_norm = np.linalg.norm(weights, axis=1, keepdims=True)
    e, w = embeddings / e_norm, weights / w_norm
    logits = scale * (e @ w.T)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(e))
    value = -np.log(p[rows, columns]).mean()
    p[rows, columns] -= 1
    by_cosine = scale * p / len(e)
    by_e, by_w = by_cosine @ w, by_cosine.T @ e
    # Through x / |x|: the part along x does not count.
    by_e = (by_e - e * (by_e * e).sum(axis=1, keepdims=True)) / e_norm
    by_w = (by_w - w * (by_w * w).sum(axis=1, keepdims=True)) / w_norm
    return value, by_e, by_w


def test_below_rate_1_gradients_are_those_of_the_drawn_classes(batch):
    embeddings, labels = batch
    head = partial_head(Softmax(scale=7.0), 0.25)
    head.drawn.assign(head.draw(labels, 3))
    drawn = head.drawn.numpy()
    weights = head.all_rows.numpy()[drawn]
    head.drawn_rows.assign(weights)
    # The place of a class among the drawn ones, by its definition.
    identity = (drawn % head.rows) * SHARDS + drawn // head.rows
    columns = np.array([int(np.flatnonzero(identity == label)[0]) for label in labels])
    np.testing.assert_array_equal(head.columns_of(labels), columns)

    source = tf.Variable(embeddings)
    with tf.GradientTape() as tape:
        value = head.loss.value(head.batch(source, labels))
    by_e, by_w = tape.gradient(value, [source, head.drawn_rows.value])
    expected = numpy_gradients(embeddings.astype(np.float64), weights.astype(np.float64), columns, 7.0)
    cosines = head.batch(source, labels).cosines.numpy()
    assert np.abs(cosines).max() < 1 - EPSILON
    assert float(value) == pytest.approx(expected[0], rel=1e-5)
    np.testing.assert_allclose(by_e, expected[1], atol=1e-6)
    np.testing.assert_allclose(by_w, expected[2], atol=1e-5)


def test_every_identity_of_the_batch_is_drawn_and_others_evenly():
    classes, seed = 403, 9
    head = partial_head(Softmax(), 0.2, classes, seed)
    random = np.random.default_rng(0)
    counts = np.zeros(classes)
    for step in range(30):
        # All of one shard now and then, and twice the same.
        labels = (
            random.integers(0, classes // SHARDS, BATCH) * SHARDS
            if step % 3 == 0
            else random.integers(0, classes, BATCH)
        )
        labels[1] = labels[0]
        drawn = np.asarray(head.draw(labels, step))
        assert len(set(drawn)) == head.columns == SHARDS * math.ceil(0.2 * 101)
        assert (np.diff(drawn) > 0).all()
        identity = (drawn % head.rows) * SHARDS + drawn // head.rows
        # One row belongs to no identity.
        assert identity.max() < classes
        assert set(labels) <= set(identity)
        counts[identity] += 1
    # 30 draws of a fifth: 6 each, with a deviation of 2.2.
    assert 5.5 < counts.mean() < 7.5
    assert 1.5 < counts.std() < 3.5
    again = np.asarray(partial_head(Softmax(), 0.2, classes, seed).draw(labels, step))
    np.testing.assert_array_equal(again, drawn)
    others = [
        np.asarray(partial_head(Softmax(), 0.2, classes, s).draw(labels, t)) for s, t in ((8, step), (9, step + 1))
    ]
    assert all((other != drawn).any() for other in others)


def test_the_hash_is_lowbias32():
    def by_hand(x):
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
            x = (x ^ (x >> shift)) * factor % 2**32
        return x

    numbers = [0, 1, 2, 12345, 2**31, 2**32 - 1]
    assert [int(value) for value in mixed(tf.constant(numbers, tf.uint32))] == [by_hand(n) for n in numbers]
    assert NEVER < 0 < SURE


def model(optimizer, rate, seed=0, eager=False):
    keras.utils.set_random_seed(seed)
    image = keras.Input((5,))
    backbone = keras.Model(image, keras.layers.Dense(D, use_bias=False)(image))
    loss = ArcFace(scale=8.0, margin=0.2)
    if rate is None:
        made = FaceModel(backbone, CosineHead(CLASSES, loss))
    else:
        made = PartialModel(backbone, PartialHead(CLASSES, loss, Sampling(rate, SHARDS), BATCH, 3))
    made.compile(optimizer=optimizer, run_eagerly=eager)
    return made


def data(steps=4):
    random = np.random.default_rng(0)
    return random.normal(size=(steps * BATCH, 5)).astype(np.float32), random.integers(0, CLASSES, steps * BATCH)


def test_at_rate_1_it_trains_as_the_complete_head_does():
    complete, partial = (model(keras.optimizers.AdamW(0.05), rate) for rate in (None, 1.0))
    partial.backbone.set_weights(complete.backbone.get_weights())
    rows_of(complete.head.kernel.numpy(), partial.head)
    x, y = data()
    for one in (complete, partial):
        one.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
    expected = complete.head.kernel.numpy().T
    rows = partial.head.all_rows.numpy()[np.asarray(partial.head.row_of(np.arange(CLASSES)))]
    np.testing.assert_allclose(rows, expected, atol=2e-5)
    np.testing.assert_allclose(partial.backbone.get_weights()[0], complete.backbone.get_weights()[0], atol=2e-5)


def test_a_step_leaves_the_other_rows_and_their_moments():
    partial = model(keras.optimizers.SGD(0.5, momentum=0.9, weight_decay=0.01), 0.25, eager=True)
    assert len(partial.moments.all) == 1
    # Each weight once, in the order in which the optimizer knows them.
    assert [one.path for one in partial.trainable_variables] == [
        one.path for one in partial.optimizer._trainable_variables
    ]
    assert partial._trainable_variables == partial._non_trainable_variables == []
    x, y = data()
    before = partial.head.all_rows.numpy()
    velocity = np.zeros_like(before)
    for step in range(4):
        part = slice(step * BATCH, (step + 1) * BATCH)
        partial.train_on_batch(x[part], y[part])
        drawn = partial.head.drawn.numpy()
        assert len(drawn) == 32  # as many of each of four shards as the batch has images
        after, moments = partial.head.all_rows.numpy(), partial.moments.all[0].numpy()
        others = np.setdiff1d(np.arange(len(after)), drawn)
        np.testing.assert_array_equal(after[others], before[others])
        np.testing.assert_array_equal(moments[others], velocity[others])
        # Decay, then momentum: v' = 0.9 v - lr g, w' = w (1 - lr * decay) + v'.
        np.testing.assert_allclose(after[drawn], before[drawn] * (1 - 0.5 * 0.01) + moments[drawn], atol=1e-6)
        assert (moments[drawn] != velocity[drawn]).any(axis=1).mean() > 0.9
        before, velocity = after, moments


def test_it_goes_on_after_a_checkpoint_as_without_one(tmp_path):
    x, y = data()
    undisturbed, first = (model(keras.optimizers.AdamW(0.05), 0.25, eager=True) for _ in range(2))
    undisturbed.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
    half = len(x) // 2
    first.fit(x[:half], y[:half], batch_size=BATCH, shuffle=False, verbose=0)
    first.save_weights(tmp_path / "a.weights.h5")
    second = model(keras.optimizers.AdamW(0.05), 0.25, seed=1, eager=True)
    second.load_weights(tmp_path / "a.weights.h5")
    second.fit(x[half:], y[half:], batch_size=BATCH, shuffle=False, verbose=0)
    for one, other in zip(second.weights, undisturbed.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Sampling(0.0), r"head\.sample_rate: must be a number, above 0"),
        (lambda: Sampling(0.5, 0), r"head\.shards: must be a whole number"),
        (lambda: Sampling(0.5, 8).check(1000, 16, 3), r"head\.shards: must be a multiple of 3"),
        (
            lambda: Sampling(0.1, 8).check(100, 64, 1),
            r"head\.sample_rate: leaves nothing out: .* add head\.sample_rate=1",
        ),
    ],
)
def test_wrong_settings(call, words):
    with pytest.raises(ConfigError, match=words):
        call()


def test_the_estimate_of_memory_knows_of_it():
    loss, sampling = ArcFace(), Sampling(0.1, 8)
    network = keras.Sequential([keras.Input((8,)), keras.layers.Dense(512)])
    million = memory.HeadSize(1_000_000, 8 * sampling.drawn(1_000_000, 64))
    # Rows and two moments of 2 GB each, and a tenth as much for each of six copies.
    assert million.drawn == 100_000
    assert million.bytes_fixed(512) == pytest.approx(3 * 2.048e9 + 6 * 0.2048e9, rel=1e-6)
    assert memory.HeadSize(1_000_000, 1_000_000).bytes_fixed(512) == pytest.approx(7 * 2.048e9)
    error = memory.too_large(network, memory.HeadSize(1_000_000, 1_000_000), 64, 8 << 30)
    assert "add head.sample_rate=0.1" in str(error)
    assert memory.HeadSize.of(partial_head(loss, 0.25)).drawn == 32
    assert memory.HeadSize.of(partial_head(ArcFace(sub_centres=2), 0.25)) == (96, 64, 1)
