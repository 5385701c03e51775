"""INT8 calibration from batches of aligned faces, for versions of TensorRT that calibrate (up to 10)."""

import os
from typing import Any, Callable, Iterable, Iterator, List, Optional, Tuple, Union

import numpy as np

from kface.errors import ConfigError, KFaceError, ModelError
from kface.files import write_atomic
from kface.tensorrt.memory import Memory

PathLike = Union[str, "os.PathLike[str]"]


class Calibrator(object):
    """A source of calibration batches, and the directory of TensorRT's calibration cache.

    Args:
        batches: Called once for each calibration; yields float32 (n, 3, h, w) as the network takes them, all of one
            shape. A shorter last batch is dropped: TensorRT takes one size only.
        directory: Directory of the calibration cache, whose name holds the hash of the ONNX file and TensorRT's version.
        name: Name of the batches, such as ``kface-train-512``: part of the cache's name and of the engine's key.

    Example:
        >>> Calibrator(lambda: iter([np.zeros((8, 3, 112, 112), np.float32)]), "cache", "zeros").name
        'zeros'
    """

    def __init__(self, batches: Callable[[], Iterable[np.ndarray]], directory: PathLike, name: str) -> None:
        if not name or any(sign in name for sign in "/\\\0"):
            raise ConfigError("must be a plain name, not {!r}".format(name), "calibrator.name")
        self.batches = batches
        self.directory = os.fspath(directory)
        self.name = name

    def cache(self, trt: Any, onnx_sha256: str) -> str:
        """Return the path of the calibration cache for an ONNX file."""
        file = "{}-{}-trt{}.calibration".format(self.name, onnx_sha256[:16], trt.__version__)
        return os.path.join(self.directory, file)

    def bind(self, trt: Any, memory: Memory, onnx_sha256: str) -> "Bound":
        """Return the calibration of one build; the first batch is read at once, for its shape.

        Raises:
            ConfigError: There are no batches.
            ModelError: The first batch is not float32 (n, 3, h, w).
        """
        return Bound(trt, memory, iter(self.batches()), self.cache(trt, onnx_sha256))


class Bound(object):
    """One calibration.

    Attributes:
        trt: The object for ``config.int8_calibrator``.
        shape: Shape of every batch.
        error: The error inside TensorRT's calls, which swallow exceptions.
    """

    def __init__(self, trt: Any, memory: Memory, batches: Iterator[np.ndarray], cache: str) -> None:
        first = next(batches, None)
        if first is None:
            raise ConfigError("has no batches", "the calibrator", "give it batches of aligned faces")
        if first.ndim != 4 or first.dtype != np.float32:
            raise ModelError(
                "must be float32 (n, 3, h, w), not {} {}".format(first.dtype, first.shape), "calibration batches"
            )
        self.shape: Tuple[int, ...] = first.shape
        self.error: Optional[KFaceError] = None
        self._first: Optional[np.ndarray] = first
        self._batches = batches
        self._cache = cache
        self._memory = memory
        self._buffer = memory.allocate(first.nbytes)
        self.trt = _adapter(trt, self)

    def release(self) -> None:
        """Free the device memory."""
        self._buffer.free()

    def next_address(self) -> Optional[int]:
        """Copy the next batch to the device and return its address; None at the end."""
        batch = self._first if self._first is not None else next(self._batches, None)
        self._first = None
        if batch is None or len(batch) < self.shape[0]:
            return None
        if batch.shape != self.shape or batch.dtype != np.float32:
            raise ModelError(
                "differ in shape or type: {} {} after {}".format(batch.dtype, batch.shape, self.shape),
                "calibration batches",
            )
        assert self._buffer.host is not None
        self._buffer.host[:] = np.ascontiguousarray(batch).reshape(-1).view(np.uint8)
        self._memory.upload(self._buffer, self._buffer.size)
        # TensorRT reads the batch on its own stream.
        self._memory.synchronise()
        return self._buffer.address

    def read_cache(self) -> Optional[bytes]:
        """Return the cache of an earlier calibration, if there is one."""
        try:
            with open(self._cache, "rb") as stream:
                return stream.read() or None
        except OSError:
            return None

    def write_cache(self, data: Any) -> None:
        """Write the cache of this calibration."""
        try:
            os.makedirs(os.path.dirname(self._cache) or ".", exist_ok=True)
            write_atomic(self._cache, bytes(data))
        except OSError as error:
            raise ModelError("cannot be written ({})".format(error.strerror or error), self._cache, "choose a folder")


def _adapter(trt: Any, bound: Bound) -> Any:
    """Return a TensorRT calibrator that keeps exceptions for the builder to raise."""

    class EntropyCalibrator(trt.IInt8EntropyCalibrator2):
        def __init__(self) -> None:
            trt.IInt8EntropyCalibrator2.__init__(self)

        def get_batch_size(self) -> int:
            return bound.shape[0]

        def get_batch(self, names: List[str]) -> Optional[List[int]]:
            if bound.error is not None:
                return None
            try:
                address = bound.next_address()
            except KFaceError as error:
                bound.error = error
                return None
            return None if address is None else [address]

        def read_calibration_cache(self) -> Optional[bytes]:
            return bound.read_cache()

        def write_calibration_cache(self, cache: Any) -> None:
            if bound.error is not None:
                return
            try:
                bound.write_cache(cache)
            except KFaceError as error:
                bound.error = error

    return EntropyCalibrator()
