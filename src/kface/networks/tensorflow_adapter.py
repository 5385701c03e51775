"""TensorFlow, for frozen graphs (``.pb``)."""

import contextlib
import os
from typing import Any, Dict, List, Optional

import numpy as np

from kface.errors import ModelError
from kface.networks.base import Network, Shape
from kface.text import first_line

#: Numbers of channels that identify an input's layout.
CHANNELS = (1, 3)
#: Operations whose nodes are not outputs although no other node consumes them.
SILENT = ("NoOp", "Assert", "Placeholder", "Const")


class TensorFlowNetwork(Network):
    """A frozen graph, from its first placeholder to the nodes that no other node consumes.

    Batches and maps are NCHW, as with every other runtime; they are transposed for a graph whose placeholder is NHWC.
    ``threads`` is set for all of TensorFlow, and only before its first computation, when it creates its threads.
    """

    runtime = "tensorflow"

    def __init__(self, data: bytes, path: str, threads: Optional[int]) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import tensorflow as tf

        if threads is not None:
            with contextlib.suppress(RuntimeError):
                tf.config.threading.set_intra_op_parallelism_threads(threads)
                tf.config.threading.set_inter_op_parallelism_threads(1)
        self._path = path
        graph_def = tf.compat.v1.GraphDef()
        try:
            graph_def.ParseFromString(data)
            placeholder = next((node for node in graph_def.node if node.op == "Placeholder"), None)
            outputs = _outputs(graph_def)
            if placeholder is None or not outputs:
                raise ValueError("it has no placeholder, or no output")
            wrapped = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(graph_def, name=""), [])
            feed = wrapped.graph.get_tensor_by_name(placeholder.name + ":0")
            fetches = [wrapped.graph.get_tensor_by_name(name + ":0") for name in outputs]
            self._function: Any = wrapped.prune(feed, fetches)
            shape = _shape(feed)
        # Protobuf, the importer and TensorFlow each have their own exceptions.
        except Exception as error:
            raise ModelError("cannot be read by TensorFlow ({})".format(first_line(error)), path)
        self._type = feed.dtype
        self._constant = tf.constant
        self._last = len(shape) == 4 and _channels_last(shape, path)
        if self._last:
            shape = (shape[0], shape[3], shape[1], shape[2])
        super(TensorFlowNetwork, self).__init__({placeholder.name: shape}, outputs)

    def run(self, batch: np.ndarray) -> Dict[str, np.ndarray]:
        """See :meth:`Network.run`."""
        if self._function is None:
            raise ModelError("has been closed", self._path)
        # TensorFlow does not check the shape: a convolution takes a multiple of its channels for groups.
        (shape,) = self.inputs.values()
        if len(shape) != batch.ndim or any(size not in (None, found) for size, found in zip(shape, batch.shape)):
            raise ModelError(
                "cannot run on a batch of shape {} (expected {})".format(batch.shape, list(shape)), self._path
            )
        try:
            fed = np.transpose(batch, (0, 2, 3, 1)) if self._last else batch
            values = [value.numpy() for value in self._function(self._constant(fed, self._type))]
        except Exception as error:
            raise ModelError(
                "cannot run on a batch of shape {} ({})".format(batch.shape, first_line(error)), self._path
            )
        return {
            name: np.ascontiguousarray(value.transpose(0, 3, 1, 2)) if self._last and value.ndim == 4 else value
            for name, value in zip(self.outputs, values)
        }

    def close(self) -> None:
        """See :meth:`Network.close`."""
        self._function = None


def _outputs(graph_def: Any) -> List[str]:
    """Return the names of the nodes whose values no other node takes, in the file's order."""
    # A control input, "^name", takes no value.
    taken = {name.split(":")[0] for node in graph_def.node for name in node.input if not name.startswith("^")}
    return [node.name for node in graph_def.node if node.name not in taken and node.op not in SILENT]


def _shape(tensor: Any) -> Shape:
    if tensor.shape.rank is None:
        raise ValueError("the shape of its placeholder {} is unknown".format(tensor.name))
    return tuple(tensor.shape.as_list())


def _channels_last(shape: Shape, path: str) -> bool:
    if shape[3] in CHANNELS:
        return True
    if shape[1] in CHANNELS:
        return False
    raise ModelError(
        "its placeholder's shape {} does not show which axis holds the channels".format(list(shape)),
        path,
        "freeze it with 3 channels",
    )


def load(data: bytes, path: str, threads: Optional[int]) -> Network:
    """Open a frozen graph's bytes."""
    return TensorFlowNetwork(data, path, threads)
