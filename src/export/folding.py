"""Folds a frozen graph into the simplest form, from which all files of a bundle are written.

Whatever does not depend on the image becomes a constant, identities are removed, and operations get the names that TensorFlow
1.15 and OpenCV 4.1 (JetPack 4) know. Nodes are named by operation and position, in an order that follows from the graph's
structure, so that equal networks give equal bytes: Keras numbers its layers throughout a process.
"""

from collections import Counter
from typing import Any

import numpy as np
import tensorflow as tf

from export.uff.graph import FrozenGraph
from kface.evaluation.foreign.onnx_form import INPUT, OUTPUT

#: The names that older readers know, by operation.
OLDER = {"AddV2": "Add", "FusedBatchNormV3": "FusedBatchNorm", "BatchMatMulV2": "BatchMatMul"}
#: Attributes that TensorFlow 1.15 does not know; they have their defaults and mean nothing.
YOUNGER = ("explicit_paddings", "grad_a", "grad_b", "U")
#: ``versions.producer`` of TensorFlow 1.15; a newer one depends on what is installed.
PRODUCER = 134


def fold(graph_def: Any, output: str = OUTPUT, input: str = INPUT) -> Any:
    """Return a frozen graph with its constants computed and canonical names.

    Args:
        graph_def: A ``GraphDef`` without variables and without an L2 norm.
        output: Name of its last node.
        input: Name of its placeholder.

    Returns:
        A ``GraphDef`` whose placeholder and last node have the two names; equal for equal networks.

    Raises:
        ModelError: The graph has no such output, or computing a constant needs an unknown operation.
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
    """Return a folded graph that divides its embedding by the L2 norm; the division has the output's name.

    OpenCV's importer recognises the norm in exactly this form.
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
    """Return a graph's bytes, equal for equal graphs (protobuf maps are unordered)."""
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
    """Return the graph with each constant before the node that uses it: OpenCV 4.1 reads in file order."""
    constants = {node.name: node for node in graph_def.node if node.op == "Const"}
    made = tf.compat.v1.GraphDef()
    made.versions.CopyFrom(graph_def.versions)
    for node in graph_def.node:
        if node.op != "Const":
            made.node.extend([constants[source] for source in node.input if source in constants])
            made.node.append(node)
    return made
