"""OpenCV's DNN module, with the classic engine if there is a choice: the new one gives other boxes for MTCNN."""

from collections import OrderedDict
from contextlib import contextmanager, suppress
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import cv2
import numpy as np

from kface.errors import ModelError
from kface.networks.base import Network, Shape
from kface.networks.frozen_graph import frozen_inputs
from kface.networks.onnx_inputs import inputs_of

#: Most bytes of files whose nets are kept at the same time, and most nets; one is always kept.
MEMORY = 64 << 20
NETS = 24
#: Batch sizes that are run; files of more than :data:`SMALL` bytes are run one input at a time.
BATCHES = (64, 32, 16, 8, 4, 2, 1)
SMALL = 4 << 20


class OpenCvNetwork(Network):
    """A network of OpenCV's DNN module.

    OpenCV 4.8 to 4.14 compute some ONNX networks wrongly, without any error, once the shape of their input changes. Each
    shape therefore has its own net, read from the file's bytes, and batches are split into a few sizes. The most recently
    used nets are kept, as many as :data:`MEMORY` allows.

    ``threads`` is set for all of OpenCV, which has no setting per net.
    """

    runtime = "opencv"

    def __init__(self, data: bytes, path: str, threads: Optional[int]) -> None:
        self._data: Optional[bytes] = data
        self._path = path
        self._frozen = path.lower().endswith(".pb")
        self._most = max(1, min(NETS, MEMORY // max(len(data), 1)))
        # Large networks gain nothing from batches on a CPU; see `make bench`.
        self._batches = BATCHES if len(data) <= SMALL else (1,)
        self._nets: "OrderedDict[Tuple[int, ...], Any]" = OrderedDict()
        # It has seen no shape yet and serves the first one.
        self._spare: Any = self._read()
        self._layers = list(self._spare.getUnconnectedOutLayersNames())
        if threads is not None:
            cv2.setNumThreads(threads)
        # OpenCV does not report the sizes, and accepts batches that do not fit the file, with wrong results.
        inputs: Dict[str, Shape] = {}
        with suppress(ValueError):
            inputs = frozen_inputs(data) if self._frozen else inputs_of(data)
        # The importer prefixes an output's name with its place in the graph, as in "onnx_node_output_0!scores".
        super(OpenCvNetwork, self).__init__(inputs, [name.split("!")[-1] for name in self._layers])

    def run(self, batch: np.ndarray) -> Dict[str, np.ndarray]:
        """See :meth:`Network.run`."""
        # OpenCV 5.0 would read out of bounds and crash.
        if not batch.size:
            raise ModelError("cannot run on a batch of shape {} (it is empty)".format(batch.shape), self._path)
        fixed = False
        for shape in self.inputs.values():
            if len(shape) != batch.ndim or any(size not in (None, given) for size, given in zip(shape, batch.shape)):
                raise ModelError(
                    "cannot run on a batch of shape {} (expected {})".format(batch.shape, list(shape)), self._path
                )
            fixed = fixed or shape[0] is not None
        steps = [len(batch)] if fixed else _split(len(batch), self._batches)
        starts = np.cumsum([0] + steps)
        try:
            parts = [self._piece(batch[start : start + step]) for start, step in zip(starts, steps)]
        except cv2.error as error:
            raise ModelError("cannot run on a batch of shape {} ({})".format(batch.shape, _first(error)), self._path)
        return {
            name: values[0] if len(values) == 1 else np.concatenate(values)
            for name, values in zip(self.outputs, zip(*parts))
        }

    def close(self) -> None:
        """See :meth:`Network.close`."""
        self._nets.clear()
        self._spare = None
        self._data = None

    def _read(self) -> Any:
        if self._data is None:
            raise ModelError("has been closed", self._path)
        # Read the buffer, not the path: OpenCV opens Korean paths on some systems only.
        buffer = np.frombuffer(self._data, np.uint8)
        read: Any = cv2.dnn.readNetFromTensorflow if self._frozen else cv2.dnn.readNetFromONNX
        classic = {"engine": cv2.dnn.ENGINE_CLASSIC} if hasattr(cv2.dnn, "ENGINE_CLASSIC") else {}
        try:
            with _silence():
                return read(buffer, **classic)
        except cv2.error as error:
            raise ModelError("cannot be read by OpenCV ({})".format(_first(error)), self._path)

    def _net(self, shape: Tuple[int, ...]) -> Any:
        """Return the net of this input shape; it has seen no other shape."""
        net = self._nets.pop(shape, None)
        if net is None:
            while len(self._nets) >= self._most:
                self._nets.popitem(last=False)
            net, self._spare = self._spare or self._read(), None
        self._nets[shape] = net
        return net

    def _piece(self, batch: np.ndarray) -> List[np.ndarray]:
        net = self._net(batch.shape)
        net.setInput(batch)
        # The importer changes the shape of some two-dimensional outputs; batch and elements are right.
        return [
            np.array(value.reshape(len(batch), -1) if value.ndim == 3 else value) for value in net.forward(self._layers)
        ]


def _split(count: int, sizes: Sequence[int]) -> List[int]:
    """Return sizes that add up to a count, the largest first."""
    steps: List[int] = []
    for size in sizes:
        steps += [size] * ((count - sum(steps)) // size)
    return steps


@contextmanager
def _silence() -> Iterator[None]:
    """Keep OpenCV from printing what its exception reports."""
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
