"""The backbones: sizes, what the exporter needs of them, and wrong arguments."""

import keras
import numpy as np
import pytest

from kface.errors import ConfigError
from train import backbones


@pytest.mark.parametrize(("name", "millions"), [("resnet50", (23, 42)), ("mobilenetv2", (2.2, 3.6))])
def test_the_networks_are_of_the_papers_size(name, millions):
    network = backbones.build(name)
    assert millions[0] < network.count_params() / 1e6 < millions[1]
    assert network.input_shape == (None, 112, 112, 3)
    assert network.output_shape == (None, 512)
    assert sum(isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)) for layer in network.layers) >= 50


@pytest.mark.parametrize("name", ["resnet50", "mobilenetv2", "resnet12"])
@pytest.mark.parametrize(("neck", "stride"), [("flatten", 2), ("gdc", 1), ("gap", 2)])
def test_necks_and_strides(name, neck, stride):
    network = backbones.build(name, neck=neck, stem_stride=stride, width=0.125, embedding=16, size=64, dropout=0.1)
    assert network.output_shape == (None, 16)
    out = network(np.zeros((2, 64, 64, 3), np.float32), training=True)
    assert np.isfinite(np.asarray(out)).all()


@pytest.mark.parametrize("name", ["resnet50", "mobilenetv2", "resnet12"])
def test_what_the_exporter_needs(name):
    for layer in backbones.build(name, width=0.125, embedding=8).layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            assert layer.axis in (-1, 3, [3], [-1]) or layer.axis == len(layer.output.shape) - 1
            assert layer.momentum == pytest.approx(0.9)
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            assert not layer.use_bias
            assert layer.padding == "valid"


def test_wrong_arguments_are_one_line():
    with pytest.raises(ConfigError, match="choose one of: mobilenetv2, resnet12, resnet50"):
        backbones.build("resnet51")
    with pytest.raises(ConfigError, match="depth"):
        backbones.build("resnet50", depth=3)
    for wrong in ({"embedding": 0}, {"stem_stride": 3}, {"dropout": 1.0}, {"bn_momentum": 1.0}, {"neck": "none"}):
        with pytest.raises(ConfigError, match="backbone"):
            backbones.build("mobilenetv2", width=0.125, **wrong)


def test_gdc_is_that_of_mobilefacenet():
    # Chen et al., 2018, table 1: linear GDConv 7x7 over the complete map, then linear conv 1x1; no activation.
    settings = backbones.MobileNetV2(embedding=5, stem_stride=1, width=0.125)
    image = keras.Input((7, 7, 6))
    network = keras.Model(image, settings.embed(image))
    random = np.random.default_rng(0)
    for variable in network.variables:
        variable.assign(random.uniform(0.5, 1.5, variable.shape))
    maps = random.normal(size=(4, 7, 7, 6)).astype(np.float32)

    def normalised(x, layer):
        gamma, beta, mean, variance = (
            value.numpy() for value in (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
        )
        return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta

    filters = network.get_layer("neck_gdc").kernel.numpy()
    assert filters.shape == (7, 7, 6, 1)
    x = np.einsum("nijc,ijc->nc", maps, filters[..., 0])
    x = normalised(x, network.get_layer("neck_gdc_bn"))
    x = normalised(x @ network.get_layer("neck_dense").kernel.numpy(), network.get_layer("embedding"))
    np.testing.assert_allclose(np.asarray(network(maps, training=False)), x, rtol=1e-3, atol=1e-3)
    # With a stride of 1 in the stem, the map of a face is the paper's 7x7; with 2 the filter is as large as the map, 4x4.
    for stride, side in ((1, 7), (2, 4)):
        made = backbones.build("mobilenetv2", stem_stride=stride, width=0.125, embedding=5)
        assert made.get_layer("neck_gdc").kernel.shape[:2] == (side, side)
        assert made.get_layer("last_relu").output.shape[1:3] == (side, side)
