"""Files that hold anything but a network are refused before any runtime sees them, by every function that opens files."""

import os
import time

import numpy as np
import pytest
from protobuf_fakes import (
    field,
    onnx_graph,
    onnx_model,
    onnx_node,
    onnx_tensor,
    tf_graph,
    tf_node,
    tf_shape,
    varint,
)

from kface.errors import ModelError
from kface.networks import allowed, open_network, read_network, runtimes
from kface.networks.frozen_graph import frozen_inputs

RELU = onnx_node("Relu")
PLACEHOLDER = tf_node("image", "Placeholder", ("shape", tf_shape(None, 112, 112, 3)))
IDENTITY = tf_node("embedding", "Identity")


def refusal(data, name, message):
    with pytest.raises(ModelError, match=message) as caught:
        allowed.check(data, name)
    line = str(caught.value)
    assert line.startswith(name)
    assert line.isprintable()
    assert caught.value.remedy or "is not" in line
    return line


def sparse(tensor):
    return field(1, tensor) + field(2, onnx_tensor())


EXTERNAL = onnx_tensor(external=True, location=1)
ONNX_REFUSED = {
    "unknown": (onnx_model(onnx_graph(RELU, onnx_node("Gather2"))), 'has the operation "Gather2"'),
    "another domain": (onnx_model(onnx_graph(onnx_node("Conv", domain="com.evil"))), "com.evil.Conv"),
    "that reads engines": (onnx_model(onnx_graph(onnx_node("EPContext", domain="com.microsoft"))), "EPContext"),
    "two names of one node": (onnx_model(onnx_graph(RELU + field(4, "Loop"))), "Loop"),
    "a name before another": (onnx_model(onnx_graph(field(4, "Loop") + RELU)), "Loop"),
    "two domains": (onnx_model(onnx_graph(field(7, "evil") + onnx_node("Conv", domain=""))), "evil"),
    "without a name": (onnx_model(onnx_graph(field(1, "x"))), 'has the operation ""'),
    "a second graph": (onnx_model(onnx_graph(RELU), field(7, onnx_graph(onnx_node("Loop")))), "Loop"),
    "loop": (onnx_model(onnx_graph(onnx_node("Loop", (6, onnx_graph(RELU))))), "Loop"),
    "scan": (onnx_model(onnx_graph(onnx_node("Scan"))), "Scan"),
    "picture": (onnx_model(onnx_graph(onnx_node("ImageDecoder"))), "ImageDecoder"),
    "in a branch": (onnx_model(onnx_graph(onnx_node("If", (6, onnx_graph(onnx_node("Loop")))))), "Loop"),
    "in branches": (onnx_model(onnx_graph(onnx_node("If", (11, onnx_graph(onnx_node("X", domain="d")))))), "d.X"),
    "function": (onnx_model(onnx_graph(RELU), field(25, field(1, "Relu"))), "defines its own functions"),
    "training": (onnx_model(onnx_graph(RELU), field(20, b"")), "holds a training step"),
    "external": (onnx_model(onnx_graph(RELU) + field(5, EXTERNAL)), "keeps weights in another file"),
    "external without its mark": (onnx_model(onnx_graph(RELU) + field(5, onnx_tensor(True))), "in another file"),
    "mark alone": (onnx_model(onnx_graph(RELU) + field(5, onnx_tensor(location=1))), "in another file"),
    "external attribute": (onnx_model(onnx_graph(onnx_node("Constant", (5, EXTERNAL)))), "in another file"),
    "external attributes": (onnx_model(onnx_graph(onnx_node("Constant", (10, EXTERNAL)))), "in another file"),
    "external sparse": (onnx_model(onnx_graph(RELU) + field(15, sparse(EXTERNAL))), "in another file"),
    "external indices": (
        onnx_model(onnx_graph(RELU) + field(15, field(1, onnx_tensor()) + field(2, EXTERNAL))),
        "in another file",
    ),
    "external sparse attribute": (
        onnx_model(onnx_graph(onnx_node("Constant", (22, sparse(EXTERNAL))))),
        "another file",
    ),
    "external in a branch": (
        onnx_model(onnx_graph(onnx_node("If", (6, onnx_graph(RELU) + field(5, EXTERNAL))))),
        "in another file",
    ),
    # The libraries take only 32 bits of a tag, and so see field 7 here.
    "hidden tag": (
        onnx_model(onnx_graph(RELU)) + varint((1 << 32) + 58) + varint(2) + b"\x08\x01",
        "cut off or damaged",
    ),
    "group": (b"\x3b\x3c", "cut off or damaged"),
    "number for a graph": (field(7, 5), "a number where a message should be"),
    "another format": (b"\x10\0\0\0ORTM" + b"\0" * 40, "ONNX Runtime's own format"),
    "escape sequence": (onnx_model(onnx_graph(onnx_node("\x1b[2J\n"))), "operation"),
    "long name": (onnx_model(onnx_graph(onnx_node("x" * 5000))), "operation"),
}


@pytest.mark.parametrize("what", sorted(ONNX_REFUSED))
def test_onnx_files_that_are_refused(what):
    data, message = ONNX_REFUSED[what]
    assert len(refusal(data, "x.onnx", message)) < 300


def test_what_networks_are_made_of_passes():
    kinds = "Conv PRelu BatchNormalization Gemm Relu Add Clip GlobalAveragePool Flatten HardSwish LayerNormalization Erf Gelu"
    kinds += (
        " MatMul Softmax Transpose Reshape Gather Slice Concat Shape Unsqueeze Einsum QuantizeLinear DequantizeLinear"
    )
    kinds += " ReduceL2 Div Sqrt Expand Pad Split Where Cast Constant ConstantOfShape Dropout InstanceNormalization Pow"
    branch = onnx_node("If", (6, onnx_graph(onnx_node("Squeeze"))), (6, onnx_graph(onnx_node("Identity"))))
    nodes = [onnx_node(kind) for kind in kinds.split()] + [onnx_node("Conv", domain="ai.onnx"), branch]
    data = onnx_model(onnx_graph(*nodes) + field(5, onnx_tensor(location=0)))
    allowed.check(data, "x.onnx")
    # A domain that is named and not used, as quantisation tools leave it.
    allowed.check(data + field(8, field(1, "com.microsoft") + field(2, 1)), "x.onnx")


def test_graphs_within_graphs_end():
    graph = onnx_graph(RELU)
    for _ in range(3):
        graph = onnx_graph(onnx_node("If", (6, graph)))
    allowed.check(onnx_model(graph), "x.onnx")
    for _ in range(3000):
        graph = onnx_graph(onnx_node("If", (6, graph)))
    refusal(onnx_model(graph), "x.onnx", "nested more than 8 deep")


def test_a_file_of_nothing_but_fields_does_not_take_hours():
    started = time.time()
    data = onnx_model(onnx_graph(RELU) + field(5, b"\x08\x01" * 5000000))
    refusal(data, "x.onnx", "too many fields")
    assert time.time() - started < 60


FUNCTION = [[tf_node("w", "WriteFile")]]
TF_REFUSED = {
    "write": (tf_graph([PLACEHOLDER, tf_node("w", "WriteFile")]), "WriteFile"),
    "read": (tf_graph([PLACEHOLDER, tf_node("w", "ReadFile")]), "ReadFile"),
    "python": (tf_graph([PLACEHOLDER, tf_node("w", "PyFunc")]), "PyFunc"),
    "save": (tf_graph([PLACEHOLDER, tf_node("w", "SaveV2")]), "SaveV2"),
    "print": (tf_graph([PLACEHOLDER, tf_node("w", "PrintV2")]), "PrintV2"),
    "loop": (tf_graph([PLACEHOLDER, tf_node("w", "While")]), "While"),
    "call": (tf_graph([PLACEHOLDER, tf_node("w", "PartitionedCall")]), "PartitionedCall"),
    "function by name": (tf_graph([PLACEHOLDER, tf_node("w", "f0")], FUNCTION), 'operation "(f0|WriteFile)"'),
    "function that nobody calls": (tf_graph([PLACEHOLDER, IDENTITY], FUNCTION), "WriteFile"),
    "function in an attribute": (
        tf_graph([tf_node("x", "Identity", ("f", field(10, field(1, "f0"))))]),
        "calls a function",
    ),
    "functions in a list": (
        tf_graph([tf_node("x", "Identity", ("f", field(1, field(9, field(1, "f0")))))]),
        "calls a function",
    ),
    "variant": (tf_graph([tf_node("c", "Const", ("value", field(8, field(15, b""))))]), "not numeric"),
    "resource": (tf_graph([tf_node("c", "Const", ("value", field(8, field(14, b""))))]), "not numeric"),
    "second name": (tf_graph([IDENTITY + field(2, "WriteFile")]), "WriteFile"),
    "damaged": (b"hello", "is not a readable frozen graph"),
}


@pytest.mark.parametrize("what", sorted(TF_REFUSED))
def test_frozen_graphs_that_are_refused(what):
    data, message = TF_REFUSED[what]
    for name in ("x.pb", "X.PB"):
        refusal(data, name, message)


def test_frozen_graphs_that_pass():
    constant = tf_node("c", "Const", ("value", field(8, field(1, 1) + field(4, b"\0" * 8))))
    kinds = [
        "Conv2D",
        "AddV2",
        "FusedBatchNormV3",
        "Relu",
        "MatMul",
        "Rsqrt",
        "Maximum",
        "Mean",
        "DepthwiseConv2dNative",
    ]
    nodes = [PLACEHOLDER, constant, IDENTITY] + [tf_node(kind, kind) for kind in kinds]
    allowed.check(tf_graph(nodes, [[tf_node("r", "Relu")]]), "x.pb")
    assert frozen_inputs(tf_graph(nodes)) == {"image": (None, 3, 112, 112)}
    fixed = tf_node("first", "Placeholder", ("shape", tf_shape(4, 3, 16, 16)))
    assert frozen_inputs(tf_graph([fixed])) == {"first": (4, 3, 16, 16)}


@pytest.mark.parametrize("runtime", runtimes())
def test_every_runtime_is_behind_the_same_door(tmp_path, runtime):
    if runtime == "tensorflow":
        path, data = tmp_path / "x.pb", TF_REFUSED["function that nobody calls"][0]
    else:
        path, data = tmp_path / "x.onnx", ONNX_REFUSED["external"][0]
    path.write_bytes(data)
    with pytest.raises(ModelError, match="WriteFile|another file"):
        open_network(path, runtime)
    if runtime == "opencv":
        (tmp_path / "x.pb").write_bytes(TF_REFUSED["write"][0])
        with pytest.raises(ModelError, match="WriteFile"):
            open_network(tmp_path / "x.pb", runtime)


def test_engines_are_built_from_checked_files_only(tmp_path):
    from kface.tensorrt.builder import read_source

    (tmp_path / "x.onnx").write_bytes(ONNX_REFUSED["another domain"][0])
    with pytest.raises(ModelError, match="com.evil"):
        read_source(tmp_path / "x.onnx")


def test_what_has_no_end_is_no_network(tmp_path):
    os.mkfifo(str(tmp_path / "x.onnx"))
    for path in (tmp_path / "x.onnx", tmp_path, "/dev/zero"):
        with pytest.raises(ModelError, match="is not a file"):
            read_network(path)


def test_a_graph_that_writes_a_file_writes_none(tmp_path):
    tf = pytest.importorskip("tensorflow")
    target = tmp_path / "written"

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 3], tf.float32)])
    def inner(image):
        with tf.control_dependencies([tf.io.write_file(str(target), "x")]):
            return tf.reduce_mean(image, [1, 2])

    graph = tf.Graph()
    with graph.as_default():
        image = tf.compat.v1.placeholder(tf.float32, [None, 4, 4, 3], name="image")
        tf.identity(inner(image), name="embedding")
    path = tmp_path / "x.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    for runtime in ("tensorflow", "opencv"):
        with pytest.raises(ModelError, match="has the operation"):
            open_network(path, runtime).run(np.zeros((1, 3, 4, 4), np.float32))
    assert not target.exists()
