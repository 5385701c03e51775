"""The CUDA runtime's own library, called directly: what a Jetson has without any package having to be built.

The names, arguments and results are those of CUDA Python's ``cudart``, so that :class:`kface.tensorrt.memory.CudaPythonMemory`
uses this module unchanged. Importing it raises ImportError if the library is missing.
"""

import ctypes
import ctypes.util
import os
from typing import Any, NamedTuple, Optional, Tuple

#: Where JetPack and CUDA's packages put it, in addition to the linker's path; the plain name comes with development files only.
_PLACES = ("/usr/local/cuda/lib64", "/usr/local/cuda/targets/aarch64-linux/lib")
_VERSIONS = ("13", "12", "11.0", "10.2")
#: Attributes of a device (``cudaDeviceAttr``), and of a copy's direction (``cudaMemcpyKind``).
_MAJOR, _MINOR = 75, 76
#: ``cudaDeviceProp`` starts with ``char name[256]`` in all versions; it has about 1 KiB.
_NAME_BYTES, _PROPERTIES_BYTES = 256, 8192


class cudaMemcpyKind(object):  # noqa: N801 - the library's name
    """See the CUDA runtime."""

    cudaMemcpyHostToDevice = 1  # noqa: N815
    cudaMemcpyDeviceToHost = 2  # noqa: N815


class Properties(NamedTuple):
    """What is asked of ``cudaDeviceProp``: the name, and the compute capability's two parts."""

    name: bytes
    major: int
    minor: int


def _open() -> Any:
    names = ["libcudart.so"] + ["libcudart.so.{}".format(version) for version in _VERSIONS]
    names += [os.path.join(place, name) for place in _PLACES for name in names]
    found = ctypes.util.find_library("cudart")
    for name in ([found] if found else []) + names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise ImportError("the CUDA runtime (libcudart.so) is missing")


_library = _open()
_library.cudaGetErrorString.restype = ctypes.c_char_p
_library.cudaMalloc.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_size_t]
_library.cudaMallocHost.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_size_t]
_library.cudaFree.argtypes = [ctypes.c_void_p]
_library.cudaFreeHost.argtypes = [ctypes.c_void_p]
_library.cudaStreamCreate.argtypes = [ctypes.POINTER(ctypes.c_void_p)]
_library.cudaStreamSynchronize.argtypes = [ctypes.c_void_p]
_library.cudaMemcpyAsync.argtypes = [
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_void_p,
]


def cudaSetDevice(device: int) -> Tuple[int]:  # noqa: N802
    """See the CUDA runtime."""
    return (int(_library.cudaSetDevice(device)),)


def cudaGetDeviceProperties(device: int) -> Tuple[int, Optional[Properties]]:  # noqa: N802
    """Return a device's name and compute capability."""
    # Room enough for any version's structure; the capability's place in it differs, so it is asked for by itself.
    room = ctypes.create_string_buffer(_PROPERTIES_BYTES)
    call = getattr(_library, "cudaGetDeviceProperties_v2", None) or _library.cudaGetDeviceProperties
    error = int(call(room, device))
    parts = []
    for attribute in (_MAJOR, _MINOR):
        value = ctypes.c_int()
        error = error or int(_library.cudaDeviceGetAttribute(ctypes.byref(value), attribute, device))
        parts.append(value.value)
    if error:
        return error, None
    return 0, Properties(room.raw[:_NAME_BYTES].partition(b"\0")[0], parts[0], parts[1])


def cudaStreamCreate() -> Tuple[int, int]:  # noqa: N802
    """Return a new stream's handle."""
    stream = ctypes.c_void_p()
    return int(_library.cudaStreamCreate(ctypes.byref(stream))), stream.value or 0


def cudaMalloc(size: int) -> Tuple[int, int]:  # noqa: N802
    """Return the address of some bytes on the device."""
    address = ctypes.c_void_p()
    return int(_library.cudaMalloc(ctypes.byref(address), size)), address.value or 0


def cudaMallocHost(size: int) -> Tuple[int, int]:  # noqa: N802
    """Return the address of some page-locked bytes."""
    address = ctypes.c_void_p()
    return int(_library.cudaMallocHost(ctypes.byref(address), size)), address.value or 0


def cudaFree(address: int) -> Tuple[int]:  # noqa: N802
    """See the CUDA runtime."""
    return (int(_library.cudaFree(address)),)


def cudaFreeHost(address: int) -> Tuple[int]:  # noqa: N802
    """See the CUDA runtime."""
    return (int(_library.cudaFreeHost(address)),)


def cudaMemcpyAsync(target: int, source: int, size: int, kind: int, stream: int) -> Tuple[int]:  # noqa: N802
    """See the CUDA runtime."""
    return (int(_library.cudaMemcpyAsync(target, source, size, kind, stream)),)


def cudaStreamSynchronize(stream: int) -> Tuple[int]:  # noqa: N802
    """See the CUDA runtime."""
    return (int(_library.cudaStreamSynchronize(stream)),)


def cudaGetErrorString(error: int) -> Tuple[int, bytes]:  # noqa: N802
    """Return what an error's number means."""
    return 0, _library.cudaGetErrorString(int(error)) or b"unknown error"
