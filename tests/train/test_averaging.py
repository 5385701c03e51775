"""Averaged weights: the statistics that belong to them against numpy, and runs that are resumed."""

import dataclasses
import shutil

import keras
import numpy as np
import pytest
import tiny_training
from tiny_training import HEAD, SMALL_ADAMW, TINY, run

from kface.data.dataset import read_arrays
from train import averaging, checkpoints, pipeline
from train.model import FaceModel
from train.trained import KerasEmbedder, load_backbone

AVERAGED = dataclasses.replace(SMALL_ADAMW, average=0.9)


@pytest.fixture
def network():
    """A normalisation, a product, and another normalisation."""
    keras.utils.set_random_seed(1)
    image = keras.Input((2, 2, 3))
    x = keras.layers.BatchNormalization(momentum=0.99, epsilon=1e-3)(image)
    x = keras.layers.Dense(4, use_bias=False)(keras.layers.Flatten()(x))
    return keras.Model(image, keras.layers.BatchNormalization(momentum=0.99)(x))


def test_statistics_against_numpy(network):
    batches = np.random.default_rng(0).normal(3, 2, (5, 8, 2, 2, 3)).astype(np.float32)
    averaging.measure_statistics(network, iter(batches))
    first, second = (layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization))
    np.testing.assert_allclose(first.moving_mean.numpy(), batches.mean(axis=(0, 1, 2, 3)), rtol=1e-4)
    variances = batches.var(axis=(1, 2, 3))
    np.testing.assert_allclose(first.moving_variance.numpy(), variances.mean(axis=0), rtol=1e-4)
    # What the second sees was normalised by each batch's own statistics.
    means = batches.mean(axis=(1, 2, 3), keepdims=True)
    normal = (batches - means) / np.sqrt(variances[:, None, None, None] + 1e-3)
    product = normal.reshape(5, 8, 12) @ network.layers[3].kernel.numpy()
    np.testing.assert_allclose(second.moving_mean.numpy(), product.mean(axis=(0, 1)), atol=1e-4)
    np.testing.assert_allclose(second.moving_variance.numpy(), product.var(axis=1).mean(axis=0), rtol=1e-3)
    assert first.momentum == second.momentum == 0.99


def test_the_weights_are_no_variables_of_the_optimizer(network):
    # Checkpoints would hold them twice, and JAX, which gives buffers away, would fail.
    optimizer = AVERAGED(4, 3, 8)
    optimizer.build(network.trainable_variables)
    assert len(optimizer.averages) == len(optimizer.averaged_weights) == len(network.trainable_variables)
    assert not {id(one) for one in optimizer.variables} & {id(one) for one in network.trainable_variables}
    assert len({id(one) for one in optimizer.variables}) == len(optimizer.variables)


def test_for_a_while(network):
    model = FaceModel(network, HEAD(3))
    model.compile(optimizer=AVERAGED(4, 3, 8), run_eagerly=True)
    assert not averaging.is_averaged(model)
    random = np.random.default_rng(0)
    images, labels = random.normal(size=(8, 2, 2, 3)).astype(np.float32), random.integers(0, 3, 8)
    model.fit(images, labels, batch_size=4, epochs=2, verbose=0)
    assert averaging.is_averaged(model)
    before = [value.copy() for value in network.get_weights()]
    with averaging.averaged(model, network, [images]):
        inside = network.get_weights()
        (kernel,) = (one for one in model.optimizer.averages if one.shape == (12, 4))
        np.testing.assert_array_equal(network.layers[3].kernel.numpy(), kernel.numpy())
        np.testing.assert_allclose(network.layers[1].moving_mean.numpy(), images.mean(axis=(0, 1, 2)), rtol=1e-4)
    assert not any(np.array_equal(one, other) for one, other in zip(before, inside, strict=True))
    for one, other in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    plain = FaceModel(TINY(), HEAD(3))
    plain.compile(optimizer=SMALL_ADAMW(4, 3, 8))
    with averaging.averaged(plain, plain.backbone, None):
        pass


def test_a_run_saves_the_averages(tiny_manifest, tmp_path, monkeypatch):
    save, last = checkpoints.save, {}

    def then_look(place, model, *more):
        save(place, model, *more)
        last["averages"] = [one.numpy() for one in model.optimizer.averages if len(one.shape) == 4]
        last["raw"] = [
            layer.kernel.numpy() for layer in model.backbone.layers if isinstance(layer, keras.layers.Conv2D)
        ]

    monkeypatch.setattr(checkpoints, "save", then_look)
    monkeypatch.setattr(tiny_training, "SMALL_ADAMW", AVERAGED)
    result = run(tiny_manifest, tmp_path, epochs=1, augmentation=None)
    saved = load_backbone(tmp_path)
    (kernel,) = (layer.kernel.numpy() for layer in saved.layers if isinstance(layer, keras.layers.Conv2D))
    np.testing.assert_array_equal(kernel, last["averages"][0])
    assert not np.array_equal(kernel, last["raw"][0])
    # The statistics are those of the last epoch's batches.
    split = pipeline.TrainingSplit.of(tiny_manifest)
    averaging.measure_statistics(saved, [x for x, _ in pipeline.batches(split, 8, 40, 1, 0)])
    images, _ = read_arrays(tiny_manifest, "test")
    np.testing.assert_allclose(KerasEmbedder(saved)(images), KerasEmbedder(result.backbone)(images), atol=1e-4)


@pytest.mark.slow
def test_a_killed_run_goes_on_with_its_averages(tiny_manifest, tmp_path, monkeypatch):
    save = checkpoints.save

    def then_copy(place, model, position, *more):
        save(place, model, position, *more)
        if position.epoch == 1:
            shutil.copytree(place.parent, tmp_path / "killed")

    monkeypatch.setattr(checkpoints, "save", then_copy)
    monkeypatch.setattr(tiny_training, "SMALL_ADAMW", AVERAGED)
    (tmp_path / "run").mkdir()
    images, _ = read_arrays(tiny_manifest, "test")
    wanted = KerasEmbedder(run(tiny_manifest, tmp_path / "run", epochs=2).backbone)(images)
    run(tiny_manifest, tmp_path / "killed", epochs=2, resume=True)
    resumed = KerasEmbedder(load_backbone(tmp_path / "killed"))(images)
    assert (resumed * wanted).sum(axis=1).min() > 0.999
