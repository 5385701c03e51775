"""The pretrained network as a frozen graph computes what its ONNX file computes, with operations that old readers know."""

import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import numpy_helper
from pretrained_fakes import DOWNS, SIZE, WIDTHS, made_up_weights

from export import files, folding
from export.pretrained import network
from export.pretrained.frozen_form import to_frozen
from kface.errors import ModelError
from kface.networks import open_network, runtimes
from kface.networks.onnxruntime_adapter import load

#: Operations whose meaning is the same in TensorFlow 1.15, OpenCV 4.1 and whatever came after.
KNOWN_OF_OLD = {
    "Placeholder", "Const", "Slice", "ConcatV2", "ResizeNearestNeighbor", "DepthwiseConv2dNative", "Conv2D", "BiasAdd",
    "Relu", "MaxPool", "Add", "Pad", "Mean", "MatMul",
}  # fmt: skip


@pytest.fixture(scope="module")
def made():
    return network.build(made_up_weights(), WIDTHS, DOWNS, SIZE)


@pytest.fixture(scope="module")
def faces():
    return np.random.default_rng(4).uniform(-1, 1, (8, 3, 112, 112)).astype(np.float32)


def test_every_reader_computes_what_the_onnx_file_does(made, faces, tmp_path):
    (wanted,) = load(made, "made.onnx", None).run(faces).values()
    path = tmp_path / "embedder.pb"
    path.write_bytes(to_frozen(made))
    rows, failed = files.prove(path, files.Proof(faces, wanted), "dynamic")
    assert failed == {}
    assert {row.reader for row in rows} == set(runtimes(".pb"))
    assert "opencv" in runtimes(".pb")
    assert max(row.difference for row in rows) < 1e-5
    (found,) = open_network(path, "opencv").run(faces[:3]).values()
    # Not normalised, like the ONNX file's: the same numbers, not the same direction alone.
    np.testing.assert_allclose(found, wanted[:3], rtol=1e-4, atol=1e-5 * np.abs(wanted).max())


def test_the_front_is_a_linear_enlargement_by_one_and_a_half(made):
    """A network of the front alone, on pixels that are all different."""
    model = onnx.load_from_string(made)
    front = model.graph.node[:4]
    assert [node.op_type for node in front] == ["Slice", "Slice", "Concat", "Resize"]
    image = np.random.default_rng(0).uniform(-1, 1, (2, 112, 112, 3)).astype(np.float32)
    padded = np.concatenate([image] + [image[:, -1:]] * 9, axis=1)
    wanted = tf.image.resize(padded[:, 21:121, 7:107], (150, 150)).numpy()
    graph = tf.compat.v1.GraphDef.FromString(to_frozen(made))
    wrapped = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(graph, name=""), [])
    enlarged = next(node.name for node in graph.node if node.op == "DepthwiseConv2dNative")
    run = wrapped.prune("image:0", f"{enlarged}:0")
    np.testing.assert_allclose(run(tf.constant(image)).numpy(), wanted, atol=5e-5)


def test_old_readers_know_all_of_it(made):
    data = to_frozen(made)
    assert to_frozen(made) == data
    graph = tf.compat.v1.GraphDef.FromString(data)
    assert {node.op for node in graph.node} <= KNOWN_OF_OLD
    assert graph.versions.producer == folding.PRODUCER
    assert (graph.node[0].name, graph.node[-1].name) == ("image", "embedding")
    # OpenCV 4.1 reads in the file's order.
    seen = set()
    for node in graph.node:
        assert set(node.input) <= seen
        seen.add(node.name)
    # TensorFlow 1.15 refuses attributes that it does not know.
    known = {"T", "strides", "padding", "data_format", "dilations", "use_cudnn_on_gpu"}
    assert {key for node in graph.node if node.op == "Conv2D" for key in node.attr} <= known


def changed(data, change):
    model = onnx.load_from_string(data)
    change(model.graph)
    return model.SerializeToString()


def first(graph, kind):
    return next(node for node in graph.node if node.op_type == kind)


def attribute(graph, kind, name):
    return next(one for one in first(graph, kind).attribute if one.name == name)


def set_scale(graph):
    scales = next(one for one in graph.initializer if one.name == "scales")
    scales.CopyFrom(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda graph: setattr(first(graph, "Relu"), "op_type", "Tanh"),
            "Tanh does not occur in the pretrained network",
        ),
        (set_scale, "Resize is not a linear enlargement by 1.5"),
        (lambda graph: setattr(attribute(graph, "Resize", "mode"), "s", b"cubic"), "Resize is not a linear"),
        (lambda graph: attribute(graph, "Conv", "pads").ints.__setitem__(0, 1), "Conv has another padding"),
        (lambda graph: setattr(attribute(graph, "Concat", "axis"), "i", 1), "Concat joins along another axis"),
    ],
)
def test_what_it_is_not_is_refused(made, change, says):
    with pytest.raises(ModelError, match=f"the operation {says}"):
        to_frozen(changed(made, change))
