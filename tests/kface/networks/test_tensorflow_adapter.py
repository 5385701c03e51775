"""Frozen graphs in TensorFlow, in both layouts, against the same arithmetic in numpy."""

import os
import subprocess
import sys

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow.python.framework.convert_to_constants")

from kface.errors import ModelError  # noqa: E402
from kface.networks import tensorflow_adapter  # noqa: E402

KERNEL = np.random.RandomState(0).normal(size=(3, 3, 3, 8)).astype(np.float32)


def freeze(function, shape):
    """Return a frozen graph's bytes, as the exporter writes them: variables became constants, nothing else was changed."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    concrete = tf.function(function).get_concrete_function(tf.TensorSpec(shape, tf.float32, name="image"))
    return convert_variables_to_constants_v2(concrete).graph.as_graph_def().SerializeToString()


def network(layout):
    kernel = tf.Variable(KERNEL)

    def function(image):
        if layout == "NCHW":
            image = tf.transpose(image, [0, 2, 3, 1])
        features = tf.nn.relu(tf.nn.conv2d(image, kernel, 1, "VALID"), name="features")
        embedding = tf.identity(tf.reduce_mean(features, [1, 2]), name="embedding")
        return {"embedding": embedding, "map": tf.identity(features, name="map")}

    shape = [None, 12, 14, 3] if layout == "NHWC" else [None, 3, 12, 14]
    return freeze(function, shape)


def expected(batch):
    """Return the map (n, 8, 10, 12) of a batch (n, 3, 12, 14)."""
    made = np.zeros((len(batch), 8, 10, 12))
    for y in range(3):
        for x in range(3):
            made += np.einsum("nchw,ck->nkhw", batch[:, :, y : y + 10, x : x + 12].astype(np.float64), KERNEL[y, x])
    return np.maximum(made, 0)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_batches_are_nchw_whatever_the_graph_takes(layout):
    made = tensorflow_adapter.load(network(layout), "net.pb", None)
    assert made.runtime == "tensorflow"
    assert made.inputs == {"image": (None, 3, 12, 14)}
    for count in (1, 4):
        batch = np.random.RandomState(count).uniform(-1, 1, (count, 3, 12, 14)).astype(np.float32)
        outputs = made.run(batch)
        assert list(outputs) == made.outputs
        wanted = expected(batch)
        embedding, features = (outputs[name] for name in made.outputs)
        np.testing.assert_allclose(embedding, wanted.mean(axis=(2, 3)), atol=1e-4)
        # What a graph of the other layout hands out is left as it is.
        features = features if layout == "NHWC" else features.transpose(0, 3, 1, 2)
        np.testing.assert_allclose(features, wanted, atol=1e-4)
    made.close()


def test_only_what_nobody_consumes_comes_out():
    graph = tf.compat.v1.GraphDef.FromString(network("NHWC"))
    # Two outputs, and neither the constants, the relu between them nor the placeholder.
    assert len(tensorflow_adapter._outputs(graph)) == 2
    loose = graph.node.add()
    loose.op, loose.name = "NoOp", "waits"
    loose.input.append("^" + tensorflow_adapter._outputs(graph)[0])
    assert len(tensorflow_adapter._outputs(graph)) == 2


def test_a_batch_that_does_not_fit_is_one_line():
    made = tensorflow_adapter.load(network("NHWC"), "net.pb", None)
    for shape in ((1, 5, 7, 7), (1, 12, 14, 3), (3, 12, 14)):
        with pytest.raises(ModelError, match="net.pb: cannot run on a batch of shape") as caught:
            made.run(np.zeros(shape, np.float32))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"not a network", b"\x0a\x03abc"])
def test_damaged_files_are_refused(data):
    with pytest.raises(ModelError, match="net.pb: cannot be read by TensorFlow") as caught:
        tensorflow_adapter.load(data, "net.pb", None)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused():
    data = network("NHWC")
    with pytest.raises(ModelError, match="net.pb"):
        tensorflow_adapter.load(data[: len(data) // 2], "net.pb", None)


def test_a_layout_that_cannot_be_told_is_refused():
    data = freeze(lambda image: tf.identity(image, name="out"), [None, None, None, None])
    with pytest.raises(ModelError, match="does not show which axis holds the channels; freeze it with 3 channels"):
        tensorflow_adapter.load(data, "net.pb", None)


def test_threads_are_set_before_tensorflow_computes_and_kept_afterwards(tmp_path):
    (tmp_path / "net.pb").write_bytes(network("NHWC"))
    # In a process of its own: this one has computed already, and its threads serve other tests.
    program = """
import sys
import numpy as np
from kface.networks import tensorflow_adapter
data = open(sys.argv[1], "rb").read()
batch = np.zeros((2, 3, 12, 14), np.float32)
for threads in (1, 2):
    print(len(tensorflow_adapter.load(data, "net.pb", threads).run(batch)))
import tensorflow as tf
print(tf.config.threading.get_intra_op_parallelism_threads(), tf.config.threading.get_inter_op_parallelism_threads())
"""
    paths = os.pathsep.join(path for path in sys.path if path)
    made = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "net.pb")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=paths),
    )
    assert made.stdout.decode("utf-8").split() == ["2", "2", "1", "1"], made.stderr.decode("utf-8")
