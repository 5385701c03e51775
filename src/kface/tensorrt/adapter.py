"""Runs TensorRT on the first GPU: an ONNX file through the engine cache, or an engine."""

import os
from typing import Any, Dict, Optional, Tuple, Union

import numpy as np

from kface.errors import ModelError
from kface.files import sha256_bytes
from kface.networks.base import Network
from kface.tensorrt import api, sidecar, trust
from kface.tensorrt.builder import BY_SIDE, Profiles
from kface.tensorrt.cache import get_engine
from kface.tensorrt.memory import Buffer, Memory, open_memory

PathLike = Union[str, "os.PathLike[str]"]


class TensorRtNetwork(Network):
    """An engine with one input and any number of outputs.

    A batch larger than the engine's largest is split; one smaller than its smallest is padded with zeros. Buffers on the device
    are kept between runs, and only grow.

    Args:
        plan: The engine's bytes, after their hash has been checked.
        path: Its path, for errors.
        memory: The GPU; the first one if None.

    Raises:
        ConfigError: TensorRT or the GPU is not available.
        ModelError: This TensorRT does not take the engine.
    """

    runtime = "tensorrt"

    def __init__(self, plan: bytes, path: str, memory: Optional[Memory] = None) -> None:
        trt = api.tensorrt()
        messages = api.messages(trt)
        self._path = path
        self._messages = messages
        self._memory = memory or open_memory()
        self._buffers: Dict[str, Buffer] = {}
        with self._memory.active():
            messages.take()
            self._runtime = trt.Runtime(messages)
            self._engine: Any = self._runtime.deserialize_cuda_engine(plan)
            self._context: Any = None if self._engine is None else self._engine.create_execution_context()
            if self._context is None:
                raise ModelError(
                    "is not an engine for this GPU and this TensorRT ({})".format(messages.take() or "no reason given"),
                    path,
                    "remove it and build the engine again",
                )
            self._calls = api.calls(trt, self._engine)
            tensors = self._calls.tensors()
            inputs = [tensor for tensor in tensors if tensor.is_input]
            if len(inputs) != 1:
                raise ModelError("has {} inputs instead of one".format(len(inputs)), path)
            self._input = inputs[0]
            self._least, self._usual, self._most = self._calls.profile(self._input)
            self._types = {tensor.name: api.numpy_type(trt, tensor, path) for tensor in tensors}
        self._shape: Optional[Tuple[int, ...]] = None
        shape = tuple(None if side == -1 else side for side in self._input.shape)
        super(TensorRtNetwork, self).__init__(
            {self._input.name: shape}, [tensor.name for tensor in tensors if not tensor.is_input]
        )

    @property
    def usual_shape(self) -> Tuple[int, ...]:
        """The input shape that the engine is tuned for."""
        return self._usual

    def run(self, batch: np.ndarray) -> Dict[str, np.ndarray]:
        """See :meth:`Network.run`."""
        if self._context is None:
            raise ModelError("has been closed", self._path)
        self._check(batch)
        most = self._most[0]
        with self._memory.active():
            parts = [self._run_part(batch[start : start + most]) for start in range(0, max(len(batch), 1), most)]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in self.outputs}

    def close(self) -> None:
        """See :meth:`Network.close`."""
        if self._context is None:
            return
        with self._memory.active():
            for buffer in self._buffers.values():
                buffer.free()
            self._buffers = {}
            # An execution context goes before its engine, and that before its runtime.
            self._context = None
            self._engine = None
            self._runtime = None

    def _check(self, batch: np.ndarray) -> None:
        fits = batch.ndim == len(self._most) and all(
            low <= side <= high for low, side, high in zip(self._least[1:], batch.shape[1:], self._most[1:])
        )
        if not fits:
            raise ModelError(
                "cannot run on a batch of shape {}: it takes {} to {}".format(batch.shape, self._least, self._most),
                self._path,
            )

    def _run_part(self, batch: np.ndarray) -> Dict[str, np.ndarray]:
        count = len(batch)
        shape = (max(count, self._least[0]),) + batch.shape[1:]
        name = self._input.name
        if shape != self._shape:
            if -1 in self._input.shape and not self._calls.set_shape(self._context, name, shape):
                raise self._fault("cannot run on a batch of shape {}".format(batch.shape))
            self._shape = shape
        views = {name: self._view(name, shape)}
        for output in self.outputs:
            found = self._calls.shape(self._context, output)
            if -1 in found:
                raise self._fault("does not report the shape of {}".format(output))
            views[output] = self._view(output, found)

        views[name][:count] = batch
        views[name][count:] = 0
        self._memory.upload(self._buffers[name], views[name].nbytes)
        addresses = {tensor: self._buffers[tensor].address for tensor in views}
        self._messages.take()
        if not self._calls.enqueue(self._context, addresses, self._memory.stream()):
            raise self._fault("cannot run on a batch of shape {}".format(batch.shape))
        for output in self.outputs:
            self._memory.download(self._buffers[output], views[output].nbytes)
        self._memory.synchronise()
        # The next run overwrites the buffers, so return copies.
        return {output: np.array(views[output][:count], np.float32) for output in self.outputs}

    def _view(self, name: str, shape: Tuple[int, ...]) -> np.ndarray:
        """Return a tensor's page-locked memory as an array, enlarged if necessary."""
        dtype = np.dtype(self._types[name])
        size = max(int(np.prod(shape)), 1) * dtype.itemsize
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size:
            if buffer is not None:
                buffer.free()
                del self._buffers[name]
            buffer = self._buffers[name] = self._memory.allocate(size)
        assert buffer.host is not None
        return buffer.host[: int(np.prod(shape)) * dtype.itemsize].view(dtype).reshape(shape)

    def _fault(self, what: str) -> ModelError:
        return ModelError("{} ({})".format(what, self._messages.take() or "TensorRT gives no reason"), self._path)


def load(
    data: bytes,
    path: str,
    threads: Optional[int],
    profiles: Profiles = BY_SIDE,
    precision: str = "fp16",
    memory: Optional[Memory] = None,
) -> Network:
    """Open an engine's bytes, or an ONNX file's through its cached engine, which is built if necessary.

    Args:
        data: The bytes; the engine of an ONNX file is built from exactly these.
        path: Their path: ``.engine`` for an engine, with its sidecar in the same folder.
        threads: Ignored on a GPU.
        profiles: Input sizes for an ONNX file; P-Net needs a fixed one.
        precision: Of the engine of an ONNX file.
        memory: The GPU; the first one if None.
    """
    if path.lower().endswith(".engine"):
        sidecar.check(path, data)
        return TensorRtNetwork(data, path, memory)
    memory = memory or open_memory()
    return open_engine(get_engine(path, sha256_bytes(data), precision, profiles, memory=memory), memory)


def open_engine(path: PathLike, memory: Optional[Memory] = None) -> TensorRtNetwork:
    """Open an engine's file after comparing its hash with its sidecar's.

    Raises:
        ConfigError: TensorRT or the GPU is not available.
        ModelError: The engine cannot be read, is not the one that was built, or is for another GPU or TensorRT.
    """
    name = os.fspath(path)
    plan = trust.read(name)
    sidecar.check(name, plan)
    return TensorRtNetwork(plan, name, memory)
