"""Freezes a trained network into a TensorFlow graph, from which every file of a bundle is written.

Variables become constants and nothing else is changed; :mod:`export.folding` folds the graph. Grappler would fold it into a
form that OpenCV reads for a batch of one only.
"""

from typing import Any

import keras
import tensorflow as tf

from kface.evaluation.foreign.onnx_form import INPUT, OUTPUT


def freeze(network: keras.Model, normalise: bool = True) -> Any:
    """Return a network as a frozen GraphDef.

    Args:
        network: float32 (n, h, w, 3), RGB, (x - 127.5) / 128 -> (n, d).
        normalise: Whether the graph L2-normalises the embedding. A graph for UFF must not: TensorRT refuses the maximum
            with a constant that the norm needs.

    Returns:
        A ``GraphDef`` with the placeholder :data:`INPUT`, float32 (None, h, w, 3), and the last node :data:`OUTPUT`.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    def embed(image: tf.Tensor) -> tf.Tensor:
        embedding = network(image, training=False)
        if normalise:
            # OpenCV's importer recognises exactly this form; it would drop an Identity together with its name.
            return tf.nn.l2_normalize(embedding, axis=-1, name=OUTPUT)
        return tf.identity(embedding, name=OUTPUT)

    signature = tf.TensorSpec((None, *network.input_shape[1:]), tf.float32, name=INPUT)
    concrete = tf.function(embed, autograph=False).get_concrete_function(signature)
    graph = convert_variables_to_constants_v2(concrete).graph.as_graph_def()
    return _ending_in(graph, OUTPUT)


def _ending_in(graph: Any, output: str) -> Any:
    """Return the graph up to the output: a function adds an Identity for its return value."""
    ending = tf.compat.v1.GraphDef()
    needed = {output}
    # The nodes come in topological order.
    for node in reversed(graph.node):
        if node.name in needed:
            needed.update(source.split(":")[0].lstrip("^") for source in node.input)
    ending.node.extend(node for node in graph.node if node.name in needed)
    ending.versions.CopyFrom(graph.versions)
    return ending
