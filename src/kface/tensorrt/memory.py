"""Memory and streams of the first GPU, through PyCUDA (Jetson Nano) or CUDA Python (newer machines)."""

import contextlib
import ctypes
import importlib
from typing import Any, Callable, Iterator, Optional

import numpy as np

from kface.errors import ConfigError, KFaceError
from kface.text import first_line

REMEDY = "install CUDA's runtime (JetPack has it), or cuda-python for this machine's CUDA"


class DeviceError(KFaceError):
    """The GPU is out of memory, or refuses a call."""


class Buffer(object):
    """Memory for one tensor, on the device and of the same size on the host.

    Attributes:
        address: Address on the device.
        host: uint8 (size,), page-locked memory that :meth:`Memory.upload` reads and :meth:`Memory.download` writes.
    """

    def __init__(self, address: int, host: np.ndarray, free: Callable[[], None]) -> None:
        self.address = address
        self.host: Optional[np.ndarray] = host
        self.size = len(host)
        self._free = free

    def free(self) -> None:
        """Free the memory; further calls do nothing."""
        if self.host is not None:
            self.host = None
            self._free()


class Memory(object):
    """What running an engine needs of the GPU. Every call but :meth:`active` must be made inside ``with active():``."""

    #: The GPU's name and generation, such as ``NVIDIA Tegra X1 sm_53``: an engine runs on no other.
    gpu = ""

    def active(self) -> "contextlib.AbstractContextManager[None]":
        """Return a context in which this thread may use the GPU."""
        raise NotImplementedError  # pragma: no cover - each library has its own

    def allocate(self, size: int) -> Buffer:
        """Allocate a number of bytes on the device, and as many page-locked on the host.

        Raises:
            DeviceError: The memory is not available.
        """
        raise NotImplementedError  # pragma: no cover - each library has its own

    def stream(self) -> int:
        """Return the handle of the stream for all copies and runs of this object."""
        raise NotImplementedError  # pragma: no cover - each library has its own

    def upload(self, buffer: Buffer, size: int) -> None:
        """Enqueue a copy of a buffer's first bytes to the device."""
        raise NotImplementedError  # pragma: no cover - each library has its own

    def download(self, buffer: Buffer, size: int) -> None:
        """Enqueue a copy of a buffer's first bytes from the device."""
        raise NotImplementedError  # pragma: no cover - each library has its own

    def synchronise(self) -> None:
        """Wait until everything on the stream is done.

        Raises:
            DeviceError: A copy or a run failed.
        """
        raise NotImplementedError  # pragma: no cover - each library has its own


class PyCudaMemory(Memory):
    """PyCUDA."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        try:
            driver.init()
            device = driver.Device(0)
            # The context that the CUDA runtime, and so TensorRT, uses by default; PyCUDA before 2020.1 cannot access it.
            if hasattr(device, "retain_primary_context"):
                self._context = device.retain_primary_context()
            else:
                self._context = device.make_context()
                self._context.pop()
            self.gpu = "{} sm_{}{}".format(device.name(), *device.compute_capability())
            with self.active():
                self._stream = driver.Stream()
        except driver.Error as error:
            raise ConfigError(
                "cannot be used ({})".format(first_line(error)), "the GPU", "check the driver with nvidia-smi"
            )

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """See :meth:`Memory.active`."""
        self._context.push()
        try:
            yield
        finally:
            self._context.pop()

    def allocate(self, size: int) -> Buffer:
        """See :meth:`Memory.allocate`."""
        try:
            device = self._driver.mem_alloc(size)
            host = self._driver.pagelocked_empty((size,), np.uint8)
        except self._driver.Error as error:
            raise DeviceError(
                "cannot give {} bytes ({})".format(size, first_line(error)), "the GPU", "free memory on it"
            )
        return Buffer(int(device), host, device.free)

    def stream(self) -> int:
        """See :meth:`Memory.stream`."""
        return int(self._stream.handle)

    def upload(self, buffer: Buffer, size: int) -> None:
        """See :meth:`Memory.upload`."""
        assert buffer.host is not None
        self._driver.memcpy_htod_async(buffer.address, buffer.host[:size], self._stream)

    def download(self, buffer: Buffer, size: int) -> None:
        """See :meth:`Memory.download`."""
        assert buffer.host is not None
        self._driver.memcpy_dtoh_async(buffer.host[:size], buffer.address, self._stream)

    def synchronise(self) -> None:
        """See :meth:`Memory.synchronise`."""
        try:
            self._stream.synchronize()
        except self._driver.Error as error:
            raise DeviceError("failed ({})".format(first_line(error)), "the GPU")


class CudaPythonMemory(Memory):
    """CUDA Python's runtime bindings, which use the primary context, so that no context must be made active."""

    def __init__(self, cudart: Any) -> None:
        self._cudart = cudart
        try:
            self._call("cudaSetDevice", 0)
            properties = self._call("cudaGetDeviceProperties", 0)
            name = properties.name.decode("utf-8", "replace").rstrip("\0")
            self.gpu = "{} sm_{}{}".format(name, properties.major, properties.minor)
            self._stream = self._call("cudaStreamCreate")
        except DeviceError as error:
            raise ConfigError("cannot be used ({})".format(error.what), "the GPU", "check the driver with nvidia-smi")

    def _call(self, name: str, *arguments: Any) -> Any:
        # Every call returns a tuple: the error, then the result, if any.
        found = getattr(self._cudart, name)(*arguments)
        if int(found[0]) != 0:
            text = self._cudart.cudaGetErrorString(found[0])[1]
            text = text.decode() if isinstance(text, bytes) else str(text)
            raise DeviceError("{}: {}".format(name, text), "the GPU")
        return found[1] if len(found) > 1 else None

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """See :meth:`Memory.active`."""
        # A thread starts on device 0, but the program may have changed that.
        self._call("cudaSetDevice", 0)
        yield

    def allocate(self, size: int) -> Buffer:
        """See :meth:`Memory.allocate`."""
        address = self._call("cudaMalloc", size)
        try:
            place = int(self._call("cudaMallocHost", size))
        except DeviceError:
            self._call("cudaFree", address)
            raise
        host = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(place))

        def free() -> None:
            self._call("cudaFree", address)
            self._call("cudaFreeHost", place)

        return Buffer(int(address), host, free)

    def stream(self) -> int:
        """See :meth:`Memory.stream`."""
        return int(self._stream)

    def upload(self, buffer: Buffer, size: int) -> None:
        """See :meth:`Memory.upload`."""
        assert buffer.host is not None
        kind = self._cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpyAsync", buffer.address, buffer.host.ctypes.data, size, kind, self._stream)

    def download(self, buffer: Buffer, size: int) -> None:
        """See :meth:`Memory.download`."""
        assert buffer.host is not None
        kind = self._cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", buffer.host.ctypes.data, buffer.address, size, kind, self._stream)

    def synchronise(self) -> None:
        """See :meth:`Memory.synchronise`."""
        self._call("cudaStreamSynchronize", self._stream)


def open_memory() -> Memory:
    """Return the first GPU's memory.

    Raises:
        ConfigError: No library is installed, or no GPU can be used.
    """
    # PyCUDA first: if it is installed, the Nano's TensorRT is known to work in its context.
    for name, adapter in (
        ("pycuda.driver", PyCudaMemory),
        ("cuda.bindings.runtime", CudaPythonMemory),
        ("cuda.cudart", CudaPythonMemory),
        # Last: it is available on every Jetson, without building a package.
        ("kface.tensorrt.cudart", CudaPythonMemory),
    ):
        try:
            module = importlib.import_module(name)
        except (ImportError, OSError):
            continue
        return adapter(module)
    raise ConfigError("cannot be used: no CUDA library is installed here", "the GPU", REMEDY)
