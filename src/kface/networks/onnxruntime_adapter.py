"""ONNX Runtime on the CPU."""

import os
from typing import Dict, Optional

import numpy as np

from kface.errors import ModelError
from kface.networks.base import Network
from kface.text import first_line


class OnnxRuntimeNetwork(Network):
    """A session of ONNX Runtime."""

    runtime = "onnxruntime"

    def __init__(self, data: bytes, path: str, threads: Optional[int]) -> None:
        import onnxruntime

        # If it was imported before kface, the variable was set too late; old versions lack the function.
        if os.environ.get("ORT_DISABLE_TELEMETRY") != "0" and hasattr(onnxruntime, "disable_telemetry_events"):
            onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Threads that spin while waiting take the cores from the work between two networks.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if threads is not None:
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        # The runtime's own exceptions share no base class below Exception.
        except Exception as error:
            raise ModelError("cannot be read by ONNX Runtime ({})".format(first_line(error)), path)
        self._path = path
        inputs = {
            node.name: tuple(size if isinstance(size, int) else None for size in node.shape)
            for node in self._session.get_inputs()
        }
        super(OnnxRuntimeNetwork, self).__init__(inputs, [node.name for node in self._session.get_outputs()])
        self._input = next(iter(inputs))

    def run(self, batch: np.ndarray) -> Dict[str, np.ndarray]:
        """See :meth:`Network.run`."""
        if self._session is None:
            raise ModelError("has been closed", self._path)
        try:
            values = self._session.run(None, {self._input: batch})
        except Exception as error:
            raise ModelError(
                "cannot run on a batch of shape {} ({})".format(batch.shape, first_line(error)), self._path
            )
        return dict(zip(self.outputs, values))

    def close(self) -> None:
        """See :meth:`Network.close`."""
        self._session = None


def load(data: bytes, path: str, threads: Optional[int]) -> Network:
    """Open an ONNX file's bytes."""
    return OnnxRuntimeNetwork(data, path, threads)
