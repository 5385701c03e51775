"""Mixed precision: trained in 16 bits, saved, loaded and verified in 32."""

import keras
import numpy as np
import pytest
from tiny_training import HEAD, TINY, run

from kface.data.dataset import read_arrays
from kface.errors import ConfigError
from train import precision
from train.fit import FitSettings
from train.history import read_history
from train.model import FaceModel
from train.trained import KerasEmbedder, load_backbone


@pytest.mark.parametrize("mixed", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)])
def test_a_mixed_run_leaves_a_network_of_full_precision(mixed, tiny_manifest, tmp_path, monkeypatch):
    trained = []
    monkeypatch.setattr(FaceModel, "call", spy(trained, FaceModel.call))
    result = run(tiny_manifest, tmp_path, epochs=1, images_per_epoch=16, precision=mixed)
    network = trained[0]
    conv = next(layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D))
    assert (conv.compute_dtype, conv.variable_dtype) == (mixed[len("mixed_") :], "float32")
    assert np.isfinite(float(read_history(tmp_path / "history.csv")[-1]["loss"]))
    assert keras.config.dtype_policy().name == "float32"

    loaded = load_backbone(tmp_path)
    for some in (loaded, result.backbone):
        assert {layer.compute_dtype for layer in some.layers} == {"float32"}
    images, _ = read_arrays(tiny_manifest, "test")
    found = KerasEmbedder(loaded)(images)
    np.testing.assert_allclose(found, KerasEmbedder(result.backbone)(images), atol=1e-6)
    rounded = np.asarray(network((images.astype(np.float32) - 127.5) / 128, training=False), np.float32)
    rounded /= np.linalg.norm(rounded, axis=1, keepdims=True)
    assert (rounded * found).sum(axis=1).min() > 0.99
    assert not np.array_equal(rounded, found)
    if mixed == "mixed_bfloat16":
        return
    # A checkpoint has the optimizer's state too, with the factor of the loss.
    assert run(tiny_manifest, tmp_path, epochs=2, images_per_epoch=16, precision=mixed, resume=True).epochs == 2


def spy(trained, call):
    def wrapped(self, inputs, training=None):
        trained.append(self.backbone)
        return call(self, inputs, training=training)

    return wrapped


def test_the_loss_has_full_precision():
    with precision.policy("mixed_bfloat16"):
        network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6)])
    embeddings = network(np.ones((3, 4), np.float32))
    assert keras.backend.standardize_dtype(embeddings.dtype) == "bfloat16"
    model = FaceModel(network, HEAD(5))
    loss = model.compute_loss(None, np.array([0, 1, 2]), embeddings)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert keras.backend.standardize_dtype(model.head(embeddings, np.array([0, 1, 2])).dtype) == "float32"


@pytest.mark.parametrize(
    ("gpus", "capability", "wanted"),
    [
        ([], None, "float32"),
        (["gpu"], (8, 0), "mixed_bfloat16"),
        (["gpu"], (7, 5), "mixed_float16"),
        (["gpu"], None, "mixed_bfloat16"),
    ],
)
def test_auto(gpus, capability, wanted, monkeypatch):
    monkeypatch.setattr(precision.tf.config, "list_physical_devices", lambda kind: gpus)
    details = {} if capability is None else {"compute_capability": capability}
    monkeypatch.setattr(precision.tf.config.experimental, "get_device_details", lambda device: details)
    assert precision.resolved("auto") == wanted
    assert precision.resolved("mixed_float16") == "mixed_float16"
    with pytest.raises(ConfigError, match=r"fit\.precision: unknown precision 'half'; choose one of: auto, float32"):
        FitSettings(precision="half")


@pytest.mark.parametrize(("names", "wanted"), [(["cpu:0"], "float32"), (["gpu:0", "gpu:1"], "mixed_bfloat16")])
def test_auto_with_jax(names, wanted, monkeypatch):
    def devices(kind=None):
        # As JAX does: a kind of which there is none is an error.
        if kind is not None and not names[0].startswith(kind):
            raise RuntimeError(f"Unknown backend: {kind!r} requested")
        return names

    monkeypatch.setattr(precision.tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(precision.keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(precision.keras.distribution, "list_devices", devices)
    assert precision.resolved("auto") == wanted


def test_the_embedding_has_full_precision():
    from train.backbones import MobileNetV2

    with precision.policy("mixed_bfloat16"):
        network = MobileNetV2(width=0.125, embedding=8, size=32)()
    assert network.output.dtype == "float32"
    assert network.get_layer("neck_dense").compute_dtype == "bfloat16"
    assert TINY().output.dtype == "float32"
