"""OpenCV's DNN module, with the classic engine where there is a choice: the new one gives other boxes for MTCNN."""

from contextlib import contextmanager, suppress
from typing import Any, Dict, Iterator, Optional

import cv2
import numpy as np

from kface.errors import ModelError
from kface.networks.base import Network, Shape
from kface.networks.onnx_inputs import inputs_of


class OpenCvNetwork(Network):
    """A network of OpenCV's DNN module.

    ``threads`` is set for the whole of OpenCV, which knows no other way.
    """

    runtime = "opencv"

    def __init__(self, data: bytes, path: str, threads: Optional[int]) -> None:
        # The buffer and not the path is read: OpenCV opens Korean paths on some systems only.
        buffer = np.frombuffer(data, np.uint8)
        try:
            read: Any = cv2.dnn.readNetFromTensorflow if path.lower().endswith(".pb") else cv2.dnn.readNetFromONNX
            classic = {"engine": cv2.dnn.ENGINE_CLASSIC} if hasattr(cv2.dnn, "ENGINE_CLASSIC") else {}
            with _silence():
                self._net = read(buffer, **classic)
            self._layers = list(self._net.getUnconnectedOutLayersNames())
        except cv2.error as error:
            raise ModelError("is not a network that OpenCV can read ({})".format(_first(error)), path)
        if threads is not None:
            cv2.setNumThreads(threads)
        self._path = path
        inputs: Dict[str, Shape] = {}
        if not path.lower().endswith(".pb"):
            # OpenCV does not tell, and takes batches that the file does not: what comes out of them is wrong.
            with suppress(ValueError):
                inputs = inputs_of(data)
        # The importer prefixes an output's name with its place in the graph, as in "onnx_node_output_0!scores".
        super(OpenCvNetwork, self).__init__(inputs, [name.split("!")[-1] for name in self._layers])

    def run(self, batch: np.ndarray) -> Dict[str, np.ndarray]:
        """See :meth:`Network.run`."""
        for shape in self.inputs.values():
            if len(shape) != batch.ndim or any(size not in (None, given) for size, given in zip(shape, batch.shape)):
                raise ModelError(
                    "cannot run on a batch of shape {} (it takes {})".format(batch.shape, list(shape)), self._path
                )
        try:
            self._net.setInput(batch)
            values = self._net.forward(self._layers)
        except cv2.error as error:
            raise ModelError("cannot run on a batch of shape {} ({})".format(batch.shape, _first(error)), self._path)
        # The importer makes other shapes of some two-dimensional outputs; batch and elements are right.
        return {
            name: value.reshape(batch.shape[0], -1) if value.ndim == 3 else value
            for name, value in zip(self.outputs, values)
        }

    def close(self) -> None:
        """See :meth:`Network.close`."""
        self._net = cv2.dnn.Net()


@contextmanager
def _silence() -> Iterator[None]:
    """Keep OpenCV from printing what its exception says anyway."""
    logging = getattr(getattr(cv2, "utils", None), "logging", None)
    if logging is None:
        yield
        return
    before = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)


def _first(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def load(data: bytes, path: str, threads: Optional[int]) -> Network:
    """Open the bytes of an ONNX file, or of a frozen TensorFlow graph where the path ends in ``.pb``."""
    return OpenCvNetwork(data, path, threads)
