"""The input pipeline: every operation eagerly and inside tf.data, the order, the seeds."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from kface.data.dataset import read_arrays
from kface.errors import ConfigError, TrainingError
from train import augment, pipeline
from train.augment import Augmentation


@pytest.fixture(scope="module")
def picture():
    ramp = np.linspace(0, 255, 32, dtype=np.float32)
    return np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], np.float32(90)), axis=-1).astype(np.float32)


CHANGES = [
    augment.flip,
    augment.low_resolution,
    augment.random_crop,
    augment.colour_jitter,
    Augmentation(True, 1, 1, 1),
]


@pytest.mark.parametrize("change", CHANGES)
def test_eagerly_and_inside_tf_data(change, picture):
    seeds = tf.constant([[1, number] for number in range(6)], tf.int64)
    eager = np.stack([change(tf.constant(picture), seed).numpy() for seed in seeds])
    inside = tf.data.Dataset.from_tensor_slices(seeds).map(lambda seed: change(tf.constant(picture), seed)).batch(6)
    np.testing.assert_allclose(next(iter(inside)).numpy(), eager, atol=1e-3)
    assert eager.shape == (6, *picture.shape)
    assert eager.min() >= -1e-3
    assert eager.max() <= 255 + 1e-3
    assert len({value.tobytes() for value in eager}) > 1


def test_each_change_does_what_it_says(picture):
    seed = tf.constant([0, 1], tf.int64)
    flipped = [augment.flip(picture, tf.constant([0, n], tf.int64)).numpy() for n in range(20)]
    mirrored = sum(np.array_equal(value, picture[:, ::-1]) for value in flipped)
    assert 0 < mirrored < 20
    assert sum(np.array_equal(value, picture) for value in flipped) == 20 - mirrored
    noise = np.random.default_rng(0).uniform(0, 255, (32, 32, 3)).astype(np.float32)
    assert augment.low_resolution(noise, seed, 0.25).numpy().std() < noise.std()
    cut = augment.random_crop(picture, seed, 0.5).numpy()
    assert np.ptp(cut[..., 0]) < np.ptp(picture[..., 0])
    assert cut[..., 2] == pytest.approx(90)
    jittered = augment.colour_jitter(picture, seed).numpy()
    assert abs(jittered.mean() - picture.mean()) > 1


def test_probabilities(picture):
    none = Augmentation(False, 0, 0, 0)
    np.testing.assert_array_equal(none(tf.constant(picture), tf.constant([0, 1], tf.int64)).numpy(), picture)
    rare = Augmentation(False, 0.2, 0, 0)
    changed = sum(
        not np.array_equal(rare(tf.constant(picture), tf.constant([5, n], tf.int64)).numpy(), picture)
        for n in range(200)
    )
    assert 20 < changed < 65
    with pytest.raises(ConfigError, match=r"augmentation\.low_resolution"):
        Augmentation(low_resolution=1.5)


def epochs_of(split, **more):
    arguments = {"batch_size": 8, "images_per_epoch": 40, "epochs": 3, "seed": 7, **more}
    return [(x.numpy(), y.numpy()) for x, y in pipeline.batches(split, **arguments)]


@pytest.fixture(params=["cached", "streamed"])
def split(request, tiny_manifest, monkeypatch):
    if request.param == "streamed":
        monkeypatch.setattr(pipeline, "CACHE_BYTES", 0)
    return pipeline.TrainingSplit.of(tiny_manifest)


def test_batches(split, tiny_manifest):
    batches = epochs_of(split)
    assert len(batches) == 15
    assert {x.shape for x, _ in batches} == {(8, 112, 112, 3)}
    assert batches[0][0].dtype == np.float32
    assert -1 <= batches[0][0].min() < batches[0][0].max() <= 1
    for epoch in range(3):
        labels = np.concatenate([y for _, y in batches[5 * epoch : 5 * epoch + 5]])
        assert np.bincount(labels).tolist() == [10, 10, 10, 10]
    images, captures = read_arrays(tiny_manifest, "train")
    means = {}
    for image, capture in zip(images, captures, strict=True):
        means.setdefault(split.subjects.index(capture.subject), []).append(image.mean(axis=(0, 1)))
    for image, label in zip(*batches[0], strict=True):
        seen = image.mean(axis=(0, 1)) * 128 + 127.5
        assert min(np.abs(seen - mean).max() for mean in means[label]) < 1


def test_the_order_follows_from_the_seed_and_the_epoch(split):
    augmentation = Augmentation()
    complete = epochs_of(split, augmentation=augmentation)
    resumed = epochs_of(split, augmentation=augmentation, first_epoch=1)
    for (x, y), (x2, y2) in zip(complete[5:], resumed, strict=True):
        np.testing.assert_array_equal(y, y2)
        np.testing.assert_allclose(x, x2, atol=1e-6)
    within = epochs_of(split, augmentation=augmentation, first_epoch=1, first_step=3)
    assert len(within) == 7
    for (x, y), (x2, y2) in zip(complete[8:], within, strict=True):
        np.testing.assert_array_equal(y, y2)
        np.testing.assert_array_equal(x, x2)
    assert not np.array_equal(complete[0][0], complete[5][0])
    assert not np.array_equal(complete[0][0], epochs_of(split, augmentation=augmentation, seed=8, epochs=1)[0][0])


def test_epochs_shorter_and_longer_than_the_data_set(split):
    assert len(epochs_of(split, images_per_epoch=16, epochs=2)) == 4
    longer = epochs_of(split, images_per_epoch=100, epochs=1)
    assert len(longer) == 12
    assert set(np.concatenate([y for _, y in longer])) == {0, 1, 2, 3}


def test_a_wrong_count_is_noticed(tiny_manifest):
    split = pipeline.TrainingSplit.of(tiny_manifest)
    with pytest.raises(TrainingError, match="manifest counts 41"):
        pipeline.load(dataclasses.replace(split, images=41))
    with pytest.raises(TrainingError, match="hold 40 images, but the manifest counts 39"):
        pipeline.load(dataclasses.replace(split, images=39))
