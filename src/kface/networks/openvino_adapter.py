"""OpenVINO on the CPU of a PC."""

import threading
from typing import Any, Dict, List, Optional

import numpy as np

from kface.errors import ModelError
from kface.networks.base import Network

#: The process's only ``openvino.Core``, once there is one.
_CORES: List[Any] = []
_LOCK = threading.Lock()


def _core() -> Any:
    """Return the process's core, which lives until the process ends.

    On CPUs with AMX each core puts a stack for signal handlers in place of the one before, and takes it away at its end. Of
    two that end in the order in which they were made, a released one stays in place, and the next signal that Python
    handles, such as SIGINT and SIGTERM, ends the process with SIGSEGV (OpenVINO 2026.4).
    """
    import openvino

    with _LOCK:
        if not _CORES:
            _CORES.append(openvino.Core())
        return _CORES[0]


class OpenVinoNetwork(Network):
    """A compiled model of OpenVINO, with one infer request for each thread that calls it at the same time."""

    runtime = "openvino"

    def __init__(self, data: bytes, path: str, threads: Optional[int]) -> None:
        # By default OpenVINO computes in bfloat16 if the CPU supports it, and so gives other embeddings.
        settings: Dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        try:
            core = _core()
            self._model: Any = core.compile_model(core.read_model(data), "CPU", settings)
        # The runtime raises RuntimeError, its bindings further exceptions.
        except Exception as error:
            raise ModelError("cannot be read by OpenVINO ({})".format(_last(error)), path)
        self._path = path
        inputs = {
            node.get_any_name(): tuple(
                size.get_length() if size.is_static else None for size in node.get_partial_shape()
            )
            for node in self._model.inputs
        }
        super(OpenVinoNetwork, self).__init__(inputs, [_name(node) for node in self._model.outputs])
        self._idle: List[Any] = []

    def run(self, batch: np.ndarray) -> Dict[str, np.ndarray]:
        """See :meth:`Network.run`."""
        if self._model is None:
            raise ModelError("has been closed", self._path)
        # A list's pop and append are atomic; two threads never hold the same request.
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._model.create_infer_request()
        try:
            values = request.infer({0: batch}, share_inputs=True)
        except Exception as error:
            raise ModelError("cannot run on a batch of shape {} ({})".format(batch.shape, _last(error)), self._path)
        self._idle.append(request)
        return {name: values[number] for number, name in enumerate(self.outputs)}

    def close(self) -> None:
        """See :meth:`Network.close`."""
        self._idle = []
        self._model = None


def _name(output: Any) -> str:
    """Return an output's name in the file: a tensor behind an Identity also has the name of the Identity's input."""
    result = output.get_node().get_friendly_name().split("/sink_port_")[0]
    return result if result in output.get_names() else output.get_any_name()


def _last(error: Exception) -> str:
    # The first lines name places in OpenVINO's sources, the last one the fault.
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__


def load(data: bytes, path: str, threads: Optional[int]) -> Network:
    """Open an ONNX file's bytes."""
    return OpenVinoNetwork(data, path, threads)
