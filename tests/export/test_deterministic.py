"""The same network gives the same bytes: in another process, after other networks, and with any hash seed."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export import precision
from kface.evaluation.foreign import onnx_form

MAKE = """
import hashlib, json
import keras
import numpy as np
from keras import layers
from export import folding, frozen, onnx_export, precision
from export.uff import write_uff

x = image = keras.Input((112, 112, 3))
for filters in (4, 8):
    x = layers.Conv2D(filters, 3, strides=4, use_bias=False)(layers.ZeroPadding2D(1)(x))
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
x = layers.Add()([x, layers.DepthwiseConv2D(3, padding="same")(x)])
network = keras.Model(image, layers.BatchNormalization()(layers.Dense(8)(layers.Flatten()(x))))
random = np.random.default_rng(0)
for weight in network.weights:
    weight.assign(random.uniform(0.1, 0.5, weight.shape))
graph = folding.fold(frozen.freeze(network, normalise=False))
made = {
    "pb": folding.serialised(folding.normalised(graph)),
    "uff": write_uff(graph, "embedding"),
    **{f"onnx {opset} {batch}": onnx_export.from_graph(graph, opset, batch) for opset in (13, 17) for batch in (None, 1)},
}
faces = random.uniform(-1, 1, (32, 3, 112, 112)).astype(np.float32)
made["int8"] = precision.to_int8(made["onnx 13 None"], faces)
made["fp16"] = precision.to_fp16(made["onnx 13 None"])
found = {name: hashlib.sha256(data).hexdigest() for name, data in made.items()}
"""


def made_in_a_process(seed, cores):
    environment = {
        **os.environ,
        "PYTHONHASHSEED": str(seed),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "CUDA_VISIBLE_DEVICES": "",
    }
    ran = subprocess.run(
        [sys.executable, "-c", MAKE + "print(json.dumps(found))"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def test_two_processes_make_the_same_bytes():
    import keras
    from keras import layers

    # Keras counts its layers for as long as a process lives.
    keras.Sequential([layers.Conv2D(2, 1), layers.Dense(3), layers.BatchNormalization()]).build((1, 8, 8, 3))
    here = {}
    exec(MAKE, here)
    first = here["found"]
    # This process' own seed is another one.
    seed = 2 if os.environ.get("PYTHONHASHSEED") == "1" else 1
    second = made_in_a_process(seed, {min(os.sched_getaffinity(0))})
    assert len(first) == 8
    assert first == second


def dressed(names, doc, order=False, opset=13):
    """The same little network in another dress: names, makers, the order of its constants."""
    image, weight, middle, bias, out = names
    random = np.random.default_rng(0)
    constants = [
        numpy_helper.from_array(random.normal(size=(3 * 16, 5)).astype(np.float32), weight),
        numpy_helper.from_array(random.normal(size=5).astype(np.float32), bias),
    ]
    if order:
        # As floats, not as raw bytes.
        array = numpy_helper.to_array(constants[0])
        constants = [constants[1], helper.make_tensor(weight, TensorProto.FLOAT, array.shape, array.ravel().tolist())]
    nodes = [
        helper.make_node("AveragePool", [image], ["p"], f"{doc}p", kernel_shape=[28, 28], strides=[28, 28]),
        helper.make_node("Flatten", ["p"], ["f"], f"{doc}f"),
        helper.make_node("MatMul", ["f", weight], [middle], f"{doc}m"),
        helper.make_node("Add", [middle, bias], [out], doc_string=doc),
    ]
    graph = helper.make_graph(
        nodes,
        f"graph {doc}",
        [helper.make_tensor_value_info(image, TensorProto.FLOAT, ["n" if order else "b", 3, 112, 112])],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, ["n" if order else "b", 5])],
        constants,
    )
    return helper.make_model(
        graph,
        producer_name=doc,
        producer_version=doc,
        doc_string=doc,
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=8,
    )


def canonical(model):
    onnx_form.canonical(model, "image", "embedding")
    return onnx_form.checked(model, "x")


def test_names_and_makers_do_not_count():
    plain = canonical(dressed(("x", "w", "m", "b", "y"), "pytorch 1"))
    assert plain == canonical(dressed(("input", "const_fold_opt__683", "77", "zz", "out"), "tf2onnx", order=True))
    other = dressed(("x", "w", "m", "b", "y"), "pytorch 1")
    other.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.zeros(5, np.float32), "b"))
    assert plain != canonical(other)
    # What it was called is gone, and canonical is canonical.
    assert b"pytorch" not in plain
    assert canonical(onnx.load_model_from_string(plain)) == plain


def test_nodes_are_sorted_and_what_nothing_reads_goes():
    model = dressed(("x", "w", "m", "b", "y"), "d")
    plain = canonical(dressed(("x", "w", "m", "b", "y"), "d"))
    nodes = [model.graph.node[number] for number in (3, 1, 0, 2)]
    shuffled = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend([*shuffled, helper.make_node("Relu", ["m"], ["unused"])])
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(3, np.float32), "stale"))
    with pytest.raises(onnx.checker.ValidationError):
        onnx.checker.check_model(model, full_check=True)
    assert canonical(model) == plain


def test_what_reduced_precision_makes_passes_the_checker(shallow_onnx, smooth):
    for data in (precision.to_fp16(shallow_onnx), precision.to_int8(shallow_onnx, np.concatenate([smooth, smooth]))):
        model = onnx.load_model_from_string(data)
        onnx.checker.check_model(model, full_check=True)
        known = {value.name for value in (*model.graph.input, *model.graph.initializer)} | {""}
        for node in model.graph.node:
            assert set(node.input) <= known
            known |= set(node.output)


def test_the_detector_passes_the_checker():
    from kface.mtcnn import weights

    for path in sorted(Path(weights.prepare()).glob("*.onnx")):
        onnx.checker.check_model(onnx.load_model_from_string(path.read_bytes()), full_check=True)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == weights.hashes(path.parent)[path.name]
