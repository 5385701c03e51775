"""Epochs of every sampler through the pipeline, in memory and from the shards; parts for hosts; larger data sets."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kface.errors import ConfigError, TrainingError
from train import pipeline, record_index
from train.record_index import RecordIndex
from train.samplers import PK, Balanced, Natural


@pytest.fixture(params=["cached", "streamed"])
def split(request, tiny_manifest, monkeypatch):
    if request.param == "streamed":
        monkeypatch.setattr(pipeline, "CACHE_BYTES", 0)
    return pipeline.TrainingSplit.of(tiny_manifest)


def batches_of(split, **more):
    arguments = {"batch_size": 8, "images_per_epoch": 24, "epochs": 2, "seed": 7, **more}
    return [(x.numpy(), y.numpy()) for x, y in pipeline.batches(split, **arguments)]


def test_both_ways_show_what_the_sampler_draws(split):
    images, labels = pipeline.load(split)
    sampler = Balanced(per_identity_cap=7)
    decks = sampler.decks(split.population, 24, 7, 8)
    drawn = np.concatenate([sampler.order(decks, epoch, 8) for epoch in range(2)])
    shown = batches_of(split, sampler=sampler)
    np.testing.assert_array_equal(np.concatenate([y for _, y in shown]), labels[drawn])
    expected = (images[drawn].astype(np.float32) - 127.5) / 128
    np.testing.assert_array_equal(np.concatenate([x for x, _ in shown]), expected)
    later = batches_of(split, sampler=sampler, first_epoch=1)
    np.testing.assert_array_equal(np.concatenate([x for x, _ in later]), expected[24:])
    for _, y in batches_of(split, sampler=PK(2)):
        assert (y.reshape(4, 2)[:, 0] == y.reshape(4, 2)[:, 1]).all()
        assert len(set(y.tolist())) == 4


def test_the_parts_of_several_hosts_are_the_batch_of_one(split):
    def numbered(image, seed):
        """Stands in for an augmentation, whose graph takes seconds: what it gets decides the image."""
        return image + tf.cast(seed[1] % 64 + seed[0], tf.float32)

    more = {"sampler": Balanced(), "augmentation": numbered, "epochs": 1}
    complete = batches_of(split, **more)
    parts = [batches_of(split, host=(number, 2), **more) for number in range(2)]
    for (x, y), (x0, y0), (x1, y1) in zip(complete, *parts, strict=True):
        np.testing.assert_array_equal(np.concatenate([y0, y1]), y)
        np.testing.assert_array_equal(np.concatenate([x0, x1]), x)
    with pytest.raises(ConfigError, match=r"fit\.batch_size: is 8, not a multiple of the number of hosts, 3"):
        batches_of(split, host=(0, 3))


def test_the_order_of_a_data_set_in_memory_is_that_of_earlier_versions(tiny_manifest):
    split = pipeline.TrainingSplit.of(tiny_manifest)
    images, _ = pipeline.load(split)
    # As it was written before samplers existed.
    draws = tf.random.stateless_uniform((1, 40), tf.constant([7, 1], tf.int64))
    order = tf.reshape(tf.argsort(draws, axis=1), [-1])[:24].numpy()
    shown = np.concatenate([x for x, _ in batches_of(split, first_epoch=1)])
    np.testing.assert_array_equal(shown, (images[order].astype(np.float32) - 127.5) / 128)


def test_short_epochs_of_a_larger_data_set_pass_over_all_of_it(monkeypatch):
    monkeypatch.setattr(pipeline, "SHUFFLE_IMAGES", 100)
    counts = np.array([70, 3, 41, 86, 10] * 5)
    epochs = [pipeline.windowed(counts, 300, 3, epoch) for epoch in range(7)]
    shown = np.concatenate(epochs)
    images = int(counts.sum())
    for start in (0, images):
        assert len(set(shown[start : start + images].tolist())) == images
    assert not np.array_equal(shown[:300], shown[images : images + 300])
    # Neighbours on the disk are shown at about the same time.
    shard = np.repeat(np.arange(len(counts)), counts)
    places = [np.flatnonzero(shard[shown[:images]] == one) for one in range(len(counts))]
    assert max(np.ptp(place) for place in places) < 200
    np.testing.assert_array_equal(pipeline.windowed(counts, 300, 3, 4), epochs[4])


class TestIndex:
    def test_kept_in_a_file(self, tiny_manifest, tmp_path, monkeypatch):
        monkeypatch.setattr(record_index, "KEPT_FROM", 1)
        files = tuple(tiny_manifest.files("train"))
        first = RecordIndex.of(files, (10, 10, 10, 10), tmp_path)
        (kept,) = tmp_path.iterdir()
        monkeypatch.setattr(record_index, "_frames", None)
        again = RecordIndex.of(files, (10, 10, 10, 10), tmp_path)
        rows = np.array([39, 0, 17, 3])
        assert again.read(rows).tolist() == first.read(rows).tolist()
        kept.write_bytes(b"damaged")
        with pytest.raises(TypeError):
            RecordIndex.of(files, (10, 10, 10, 10), tmp_path)
        # Without a place to write, it is found again.
        monkeypatch.undo()
        monkeypatch.setattr(record_index, "KEPT_FROM", 1)
        assert len(RecordIndex.of(files, (10, 10, 10, 10), tmp_path / "absent").offset) == 40

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda data: data[:-7], "is truncated; remove it and build it again"),
            (lambda data: data[:40] + b"\0" + data[41:], "has a wrong checksum; remove it and build it again"),
            (lambda data: data * 2, "holds 20 images, but the manifest counts 10"),
            (lambda data: b"", "holds 0 images"),
        ],
    )
    def test_damage_names_the_shard(self, tiny_manifest, tmp_path, damage, message):
        with open(tiny_manifest.files("train")[0], "rb") as stream:
            (tmp_path / "a.tfrecord").write_bytes(damage(stream.read()))
        with pytest.raises(TrainingError, match=f"a.tfrecord: {message}"):
            RecordIndex.of([str(tmp_path / "a.tfrecord")], [10]).read(np.arange(10))
        with pytest.raises(TrainingError, match="cannot be read"):
            RecordIndex.of([str(tmp_path / "b.tfrecord")], [10])


def test_a_shard_that_is_damaged_meanwhile_is_one_line(tiny_manifest, tmp_path, monkeypatch):
    file = tmp_path / "a.tfrecord"
    data = Path(tiny_manifest.files("train")[0]).read_bytes()
    file.write_bytes(data[:400] + bytes([data[400] ^ 1]) + data[401:])
    split = pipeline.TrainingSplit((str(file),), ("a",), 10, (10,), (0,), (0,))
    with pytest.raises(TrainingError, match=r"a\.tfrecord: has a wrong checksum; remove it and build it again"):
        pipeline.load(split)
    monkeypatch.setattr(pipeline, "CACHE_BYTES", 0)
    with pytest.raises(tf.errors.OpError) as caught:
        batches_of(split, epochs=1, images_per_epoch=8)
    assert str(pipeline.damage_of(caught.value)).startswith(f"{file}: has a wrong checksum; remove it")
    assert pipeline.damage_of(ValueError("TrainingError: x: y")) is None


def test_natural_is_the_default(split):
    for (x, y), (x2, y2) in zip(batches_of(split), batches_of(split, sampler=Natural()), strict=True):
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(y, y2)
