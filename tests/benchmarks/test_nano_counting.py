"""Operations against sums made by hand, and against the very graphs where onnx is installed."""

import builtins

import numpy as np
import pytest
from tiny_bundle import models_or_skip

from benchmarks.nano import counting
from benchmarks.nano.counting import Count, Layer
from kface.errors import ConfigError, ModelError
from kface.mtcnn import weights


def test_p_net_by_hand():
    # A canvas of 14x16: 12x14 after the first kernel, 6x7 after the pool (it rounds up), 4x5, 2x3.
    count = counting.pnet(14, 16)
    first, mask = 12 * 14 * 10 * (3 * 3 * 4), 12 * 14 * 1 * (3 * 3 * 4)
    second, third, heads = 4 * 5 * 16 * (9 * 10), 2 * 3 * 32 * (9 * 16), 2 * 3 * 32 * (4 + 1)
    assert count.macs == first + mask + second + third + heads
    assert count.weights == (360 + 10) + 36 + 10 + (1440 + 16) + 16 + (4608 + 32) + 32 + (128 + 4) + (32 + 1)
    planes = [4 * 14 * 16, 10 * 12 * 14, 10 * 6 * 7, 16 * 4 * 5, 32 * 2 * 3]
    convolutions = sum(planes[n] + planes[n + 1] for n in (0, 2, 3)) + (planes[0] + 12 * 14) + 2 * planes[4] + 5 * 6
    pool = planes[1] + planes[2]
    assert count.moved == convolutions + pool
    prelus = 2 * (planes[1] + planes[3] + planes[4])
    assert count.moved_all == count.moved + prelus + (2 * planes[1] + 12 * 14)
    assert (count.layers, count.layers_all) == (7, 11)


def test_r_net_and_o_net_by_hand():
    assert counting.rnet().macs == sum(
        [22 * 22 * 28 * 27, 9 * 9 * 48 * 9 * 28, 3 * 3 * 64 * 4 * 48, 576 * 128, 128 * 4, 128 * 1]
    )
    assert counting.onet().macs == sum(
        (
            *(46 * 46 * 32 * 27, 21 * 21 * 64 * 9 * 32, 8 * 8 * 64 * 9 * 64, 3 * 3 * 128 * 4 * 64),
            *(1152 * 256, 256 * 4, 256 * 10, 256 * 1),
        )
    )
    # Weights and PReLU slopes of the published networks: 100,178 and 389,040 parameters with two logits instead of one.
    assert counting.rnet().weights == 100178 - 129
    assert counting.onet().weights == 389040 - 257


def test_totals():
    layers = [Layer("Conv", 100, 10, 30), Layer("PRelu", 0, 2, 20), Layer("MaxPool", 0, 0, 5)]
    assert counting.total(layers) == Count(100, 12, 35, 55, 2, 3)
    assert counting.total([]) == Count(0, 0, 0, 0, 0, 0)


def test_the_cascade_is_counted_as_its_graphs_are():
    pytest.importorskip("onnx")
    models = models_or_skip()
    assert counting.onnx_count(models / "rnet.onnx", (1, 3, 24, 24)) == counting.rnet()
    assert counting.onnx_count(models / "onet.onnx", (1, 3, 48, 48)) == counting.onet()
    for height, width in ((108, 428), (31, 57)):
        assert counting.onnx_count(models / weights.CANVAS, (1, 4, height, width)) == counting.pnet(height, width)


def graph_file(path, batch=1):
    """Write a depthwise convolution, an activation and a product: what is counted otherwise than in the cascade."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    kernel = numpy_helper.from_array(np.zeros((6, 1, 3, 3), np.float32), "kernel")
    table = numpy_helper.from_array(np.zeros((6, 5), np.float32), "table")
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["mapped"], group=6, pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["mapped"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "table"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 6, 8, 10])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [batch, 5])],
        [kernel, table],
    )
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]).SerializeToString())
    onnx.checker.check_model(str(path))
    return path


def test_a_graph_by_hand(tmp_path):
    count = counting.onnx_count(graph_file(tmp_path / "g.onnx", "n"), (1, 6, 8, 10))
    # Each of the six channels has a kernel of its own; the map is 4x5.
    assert count.macs == 6 * 4 * 5 * 9 + 6 * 5
    assert count.weights == 54 + 30
    assert count.moved == (6 * 8 * 10 + 6 * 4 * 5) + (6 * 4 * 5 + 6) + (6 + 5)
    assert count.moved_all == count.moved + 2 * 6 * 4 * 5 + 2 * 6
    assert (count.layers, count.layers_all) == (3, 5)


def test_what_is_no_graph_or_has_no_shapes_is_refused(tmp_path):
    pytest.importorskip("onnx")
    path = tmp_path / "x.onnx"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ModelError, match=r"x\.onnx: is not an ONNX file"):
        counting.onnx_count(path, (1, 6, 8, 10))
    with pytest.raises(ModelError, match="shape that is not known"):
        counting.onnx_count(graph_file(tmp_path / "g.onnx", "n"), ())


def test_without_onnx_the_stored_counts_stand(tmp_path, monkeypatch):
    imported = builtins.__import__

    def refuse(name, *others, **more):
        if name == "onnx" or name.startswith("onnx."):
            raise ImportError(name)
        return imported(name, *others, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    found = counting.embedder_count("resnet50-arcface", tmp_path / "embedder.onnx", (1, 3, 112, 112))
    assert found == counting.STORED["resnet50"]
    with pytest.raises(ConfigError, match="vgg-arcface: its operations are not known; install onnx"):
        counting.embedder_count("vgg-arcface", tmp_path / "embedder.onnx", (1, 3, 112, 112))


def test_with_onnx_the_graph_is_counted(tmp_path):
    path = graph_file(tmp_path / "g.onnx")
    assert counting.embedder_count("resnet50-arcface", path, (1, 6, 8, 10)) == counting.onnx_count(path, (1, 6, 8, 10))
