"""A frozen graph folded into its plainest form, the one that the files of a bundle are made of.

Whatever does not depend on the image becomes a constant, identities go, and operations have the names that TensorFlow 1.15
and OpenCV 4.1 (JetPack 4) know. Nodes are named after their operation and their place, in the one order that the graph's
structure gives, so that equal networks make equal bytes: Keras counts its layers for as long as a process lives.
"""

from collections import Counter
from typing import Any

import numpy as np
import tensorflow as tf

from export.uff.graph import FrozenGraph
from kface.evaluation.foreign.onnx_form import INPUT, OUTPUT

#: Operations under the name that older readers know.
OLDER = {"AddV2": "Add", "FusedBatchNormV3": "FusedBatchNorm", "BatchMatMulV2": "BatchMatMul"}
#: Attributes that TensorFlow 1.15 does not know; they say nothing where they have their default.
YOUNGER = ("explicit_paddings", "grad_a", "grad_b", "U")
#: ``versions.producer`` of TensorFlow 1.15; a newer one depends on what is installed.
PRODUCER = 134


def fold(graph_def: Any, output: str = OUTPUT, input: str = INPUT) -> Any:
    """Return a frozen graph with its constants computed and canonical names.

    Args:
        graph_def: A ``GraphDef`` without variables and without an L2 norm.
        output: Name of the node it ends in.
        input: Name of its placeholder.

    Returns:
        A ``GraphDef`` whose placeholder and last node bear the two names; equal for equal networks.

    Raises:
        ModelError: The graph has no such output, or a constant takes an operation that is not known.
    """
    graph = FrozenGraph(graph_def, output)
    folded = tf.compat.v1.GraphDef()
    folded.versions.producer = PRODUCER
    counted: Counter[str] = Counter()
    names: dict[str, str] = {}
    for name in graph.order:
        node = graph.node(name)
        made = folded.node.add()
        made.op = OLDER.get(node.op, node.op)
        counted[made.op] += 1
        made.name = f"{made.op}_{counted[made.op]}"
        if name == graph.last:
            made.name = output
        elif node.op == "Placeholder":
            made.name = input
        for key in sorted(node.attr):
            if not key.startswith("_") and key not in YOUNGER:
                made.attr[key].CopyFrom(node.attr[key])
        names[name] = made.name
        row = graph.row_length(node) if node.op == "Reshape" else None
        for place, source in enumerate(node.input):
            if source.startswith("^"):
                continue
            source = graph.resolve(source)
            if place == 1 and row is not None:
                made.input.append(_constant(folded, f"{made.name}/shape", np.array([-1, row], np.int32)))
            elif graph.varies(source):
                made.input.append(names[source])
            else:
                made.input.append(_constant(folded, f"{made.name}/constant_{place}", graph.constant(source)))
        if row is not None:
            made.attr["Tshape"].type = tf.int32.as_datatype_enum
    return _sorted(folded)


def normalised(folded: Any, output: str = OUTPUT) -> Any:
    """Return a folded graph that divides its embedding by the L2 norm; the division bears the output's name.

    In this very form OpenCV's importer knows it for what it is.
    """
    made = tf.compat.v1.GraphDef()
    made.CopyFrom(folded)
    inside = f"{output}/raw"
    for node in made.node:
        if node.name == output:
            node.name = inside
    for node in _norm(output):
        copy = made.node.add()
        copy.CopyFrom(node)
        copy.input[:] = [inside if source == "raw" else source for source in node.input]
    return made


def serialised(graph_def: Any) -> bytes:
    """Return a graph's bytes, equal for equal graphs: a protobuf map has no order of its own."""
    return bytes(graph_def.SerializeToString(deterministic=True))


def _norm(output: str) -> list[Any]:
    with tf.Graph().as_default() as graph:
        raw = tf.compat.v1.placeholder(tf.float32, (None, None), name="raw")
        tf.nn.l2_normalize(raw, axis=-1, name=output)
    return [node for node in graph.as_graph_def().node if node.op != "Placeholder"]


def _constant(graph_def: Any, name: str, value: np.ndarray) -> str:
    node = graph_def.node.add()
    node.op, node.name = "Const", name
    value = np.ascontiguousarray(value) if value.ndim else value
    node.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return name


def _sorted(graph_def: Any) -> Any:
    """Return the graph with each constant in front of the node that takes it: OpenCV 4.1 reads in the file's order."""
    constants = {node.name: node for node in graph_def.node if node.op == "Const"}
    made = tf.compat.v1.GraphDef()
    made.versions.CopyFrom(graph_def.versions)
    for node in graph_def.node:
        if node.op != "Const":
            made.node.extend([constants[source] for source in node.input if source in constants])
            made.node.append(node)
    return made
