"""Some versions of OpenCV are wrong once a net's input shape changes: no net is ever given a second shape."""

import cv2
import numpy as np
import pytest
from protobuf_fakes import field, tf_graph, tf_node, tf_shape

from kface.errors import ModelError
from kface.networks import opencv_adapter

SIDE = 32


def residual(batch="n", width=8, seed=0):
    """Return a small residual network with batch normalisation: OpenCV 4.8 to 4.14 compute it wrongly at a second batch."""
    onnx = pytest.importorskip("onnx", reason="makes the network")
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.RandomState(seed)
    nodes, constants = [], []

    def constant(*shape, **scale):
        value = random.normal(size=shape) * scale.get("by", 1.0) + scale.get("around", 0.0)
        constants.append(numpy_helper.from_array(value.astype(np.float32), "c{}".format(len(constants))))
        return constants[-1].name

    def add(kind, inputs, **attributes):
        nodes.append(helper.make_node(kind, inputs, ["t{}".format(len(nodes))], **attributes))
        return nodes[-1].output[0]

    def normalised(value, channels):
        scale, shift, mean = (constant(channels, by=0.2, around=around) for around in (1, 0, 0))
        constants.append(numpy_helper.from_array(random.uniform(0.5, 1.5, channels).astype(np.float32), "v" + shift))
        return add("BatchNormalization", [value, scale, shift, mean, constants[-1].name])

    def convolved(value, inside, outside, side, stride=1):
        kernel = constant(outside, inside, side, side, by=1.2 / np.sqrt(inside * side * side))
        value = add("Conv", [value, kernel], kernel_shape=[side] * 2, strides=[stride] * 2, pads=[side // 2] * 4)
        return normalised(value, outside)

    value, channels = add("Relu", [convolved("image", 3, width, 3, 2)]), width
    for stage in range(2):
        inside, stride = width << stage, 1 + stage
        short = convolved(value, channels, 4 * inside, 1, stride)
        inner = add("Relu", [convolved(value, channels, inside, 1)])
        inner = add("Relu", [convolved(inner, inside, inside, 3, stride)])
        value, channels = add("Relu", [add("Add", [convolved(inner, inside, 4 * inside, 1), short])]), 4 * inside
    value = add("Flatten", [value])
    size = channels * (SIDE // 4) ** 2
    nodes.append(helper.make_node("MatMul", [value, constant(size, 16, by=size**-0.5)], ["embedding"]))
    shapes = [("image", [batch, 3, SIDE, SIDE]), ("embedding", [batch, 16])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes]
    graph = helper.make_graph(nodes, "residual", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture(scope="module")
def data():
    return residual()


@pytest.fixture
def seen(monkeypatch):
    """The shapes that each net has seen, in the order in which the nets were made."""
    shapes = []
    read = cv2.dnn.readNetFromONNX

    class Spy(object):
        def __init__(self, net):
            self._net = net
            self._shapes = []
            shapes.append(self._shapes)

        def setInput(self, batch):
            self._shapes.append(batch.shape)
            self._net.setInput(batch)

        def __getattr__(self, name):
            return getattr(self._net, name)

    monkeypatch.setattr(cv2.dnn, "readNetFromONNX", lambda *given, **more: Spy(read(*given, **more)))
    return shapes


def images(count, side=SIDE, seed=0):
    return np.random.RandomState(seed).uniform(-1, 1, (count, 3, side, side)).astype(np.float32)


def one_by_one(data, batch):
    """Return what a fresh net gives each image: right in every version."""
    found = []
    for image in batch:
        net = cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
        net.setInput(image[None])
        found.append(net.forward().reshape(-1))
    return np.stack(found)


@pytest.mark.parametrize("small", [True, False])
def test_batches_may_change_and_no_net_sees_it(data, seen, monkeypatch, small):
    if not small:
        monkeypatch.setattr(opencv_adapter, "SMALL", len(data) - 1)
    batch = images(13)
    wanted = one_by_one(data, batch)
    del seen[:]
    network = opencv_adapter.load(data, "x.onnx", None)
    for count in (1, 8, 3, 13, 1, 5, 2):
        found = network.run(batch[:count])["embedding"]
        np.testing.assert_allclose(found, wanted[:count], atol=1e-4)
    for shapes in seen:
        assert len(set(shapes)) == 1
    assert len(seen) == (4 if small else 1)


def test_what_was_handed_out_stays_as_it_was(data):
    network = opencv_adapter.load(data, "x.onnx", None)
    first = network.run(images(2))["embedding"]
    kept = first.copy()
    network.run(images(2, seed=1))
    np.testing.assert_array_equal(first, kept)


def test_only_so_many_nets_are_kept(data, seen, monkeypatch):
    monkeypatch.setattr(opencv_adapter, "MEMORY", 2 * len(data))
    network = opencv_adapter.load(data, "x.onnx", None)
    wanted = network.run(images(7))["embedding"]
    assert len(seen) == 3
    assert len(network._nets) == 2
    # The one that was used last is still there, the first is made anew.
    network.run(images(1))
    assert len(seen) == 3
    np.testing.assert_array_equal(network.run(images(7))["embedding"], wanted)
    monkeypatch.setattr(opencv_adapter, "MEMORY", 0)
    large = opencv_adapter.load(data, "x.onnx", None)
    for count in (4, 1, 2):
        large.run(images(count))
    assert len(large._nets) == 1


def test_a_fixed_batch_is_neither_taken_apart_nor_changed(seen):
    fixed = residual(batch=3)
    network = opencv_adapter.load(fixed, "x.onnx", None)
    batch = images(3)
    np.testing.assert_allclose(network.run(batch)["embedding"], one_by_one(residual(), batch), atol=1e-4)
    assert seen[0] == [(3, 3, SIDE, SIDE)]
    for count in (1, 2, 4, 8):
        with pytest.raises(ModelError, match=r"x.onnx: cannot run on a batch of shape .* \(expected \[3, 3"):
            network.run(images(count))


def test_a_frozen_graph_of_a_fixed_batch_takes_no_other():
    placeholder = tf_node("image", "Placeholder", ("shape", tf_shape(1, SIDE, SIDE, 3)), ("dtype", field(6, 1)))
    relu = tf_node("embedding", "Relu", ("T", field(6, 1))) + field(3, "image")
    network = opencv_adapter.load(tf_graph([placeholder, relu]), "x.pb", None)
    assert network.inputs == {"image": (1, 3, SIDE, SIDE)}
    batch = images(1)
    (found,) = network.run(batch).values()
    np.testing.assert_array_equal(found, np.maximum(batch, 0))
    with pytest.raises(ModelError, match="x.pb: cannot run on a batch of shape"):
        network.run(images(2))


def test_a_closed_network_is_one_line(data):
    network = opencv_adapter.load(data, "x.onnx", None)
    network.close()
    with pytest.raises(ModelError, match="x.onnx: has been closed"):
        network.run(images(1))


def test_a_batch_of_none_is_one_line(data):
    with pytest.raises(ModelError, match="x.onnx: cannot run on a batch of shape"):
        opencv_adapter.load(data, "x.onnx", None).run(images(0))
