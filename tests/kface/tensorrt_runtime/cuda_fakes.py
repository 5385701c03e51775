"""A GPU without one: device memory that only a stream's synchronise writes, behind PyCUDA's and CUDA Python's calls."""

import ctypes
import types

import numpy as np


class FakeGpu(object):
    """Device memory by address, and streams whose work waits until they are synchronised."""

    def __init__(self, name="NVIDIA Tegra X1", generation=(5, 3), limit=1 << 28):
        self.name, self.generation, self.limit = name, generation, limit
        self.blocks, self.streams, self.next = {}, {}, 0x10000000
        self.allocations = 0
        #: PyCUDA's stack of contexts; None where there is none to be made active.
        self.contexts = None

    def need_context(self):
        if self.contexts is not None and not self.contexts:
            raise RuntimeError("no context is active on this thread")

    def malloc(self, size):
        self.need_context()
        if sum(len(block) for block in self.blocks.values()) + size > self.limit:
            return None
        address, self.next = self.next, self.next + (size + 511) // 512 * 512 + 512
        # What a program does not write is rubbish, not zeros.
        self.blocks[address] = np.full(size, 0xAB, np.uint8)
        self.allocations += 1
        return address

    def free(self, address):
        del self.blocks[address]

    def read(self, address, size):
        block = self.blocks[address]
        assert size <= len(block), "read beyond the end of a block"
        return block[:size].copy()

    def write(self, address, data):
        block = self.blocks[address]
        assert len(data) <= len(block), "wrote beyond the end of a block"
        block[: len(data)] = data

    def new_stream(self):
        self.need_context()
        handle = 0x70 + len(self.streams)
        self.streams[handle] = []
        return handle

    def put(self, handle, work):
        self.need_context()
        self.streams[handle].append(work)

    def synchronise(self, handle):
        self.need_context()
        work, self.streams[handle] = self.streams[handle], []
        for piece in work:
            piece()


def pycuda(gpu, primary):
    """Return ``pycuda.driver``; before 2020.1 (``primary`` false) it cannot reach the primary context."""
    gpu.contexts = []
    driver = types.ModuleType("pycuda.driver")
    state = {"ready": False}

    class Error(Exception):
        pass

    class Context(object):
        def push(self):
            gpu.contexts.append(self)

        def pop(self):
            assert gpu.contexts.pop() is self

    class Device(object):
        def __init__(self, number):
            if not state["ready"]:
                raise Error("cuInit has not been called")
            if gpu.name is None:
                raise Error("no CUDA-capable device is detected\nmore about it")

        def name(self):
            return gpu.name

        def compute_capability(self):
            return gpu.generation

        if primary:

            def retain_primary_context(self):
                return Context()

        else:

            def make_context(self):
                context = Context()
                context.push()
                return context

    class Allocation(object):
        def __init__(self, address):
            self.address = address

        def __int__(self):
            return self.address

        def free(self):
            gpu.need_context()
            gpu.free(self.address)

    class Stream(object):
        def __init__(self):
            self.handle = gpu.new_stream()

        def synchronize(self):
            gpu.synchronise(self.handle)

    def mem_alloc(size):
        address = gpu.malloc(size)
        if address is None:
            raise Error("cuMemAlloc failed: out of memory")
        return Allocation(address)

    def to_device(destination, source, stream):
        gpu.put(stream.handle, lambda: gpu.write(destination, source))

    def to_host(destination, source, stream):
        def copy():
            destination[:] = gpu.read(source, destination.nbytes)

        gpu.put(stream.handle, copy)

    driver.Error, driver.Device, driver.Stream, driver.mem_alloc = Error, Device, Stream, mem_alloc
    driver.init = lambda: state.update(ready=True)
    driver.pagelocked_empty = lambda shape, dtype: np.full(shape, 0xCD, dtype)
    driver.memcpy_htod_async, driver.memcpy_dtoh_async = to_device, to_host
    return driver


def cuda_python(gpu):
    """Return ``cuda.bindings.runtime``, or ``cuda.cudart`` as it was called before."""
    module = types.ModuleType("cuda.bindings.runtime")
    pinned = {}

    def ok(*values):
        return (0,) + values

    def count_of_devices(number):
        return ok() if gpu.name is not None else (35,)

    def properties(number):
        found = types.SimpleNamespace(
            name=gpu.name.encode() + b"\0\0", major=gpu.generation[0], minor=gpu.generation[1]
        )
        return ok(found)

    def malloc(size):
        address = gpu.malloc(size)
        return (2, None) if address is None else ok(address)

    def malloc_host(size):
        array = np.full(size, 0xCD, np.uint8)
        pinned[array.ctypes.data] = array
        return ok(array.ctypes.data)

    def free_host(address):
        del pinned[address]
        return ok()

    def free(address):
        gpu.free(address)
        return ok()

    def copy(destination, source, size, kind, stream):
        if kind == module.cudaMemcpyKind.cudaMemcpyHostToDevice:
            assert source in pinned
            gpu.put(stream, lambda: gpu.write(destination, np.frombuffer(ctypes.string_at(source, size), np.uint8)))
        elif kind == module.cudaMemcpyKind.cudaMemcpyDeviceToHost:
            assert destination in pinned
            gpu.put(stream, lambda: ctypes.memmove(destination, gpu.read(source, size).tobytes(), size))
        else:
            return (21,)
        return ok()

    def synchronise(stream):
        gpu.synchronise(stream)
        return ok()

    texts = {2: b"out of memory", 21: b"invalid copy direction", 35: b"CUDA driver version is insufficient"}
    module.cudaMemcpyKind = types.SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
    module.cudaSetDevice, module.cudaGetDeviceProperties = count_of_devices, properties
    module.cudaStreamCreate = lambda: ok(gpu.new_stream())
    module.cudaMalloc, module.cudaFree = malloc, free
    module.cudaMallocHost, module.cudaFreeHost = malloc_host, free_host
    module.cudaMemcpyAsync, module.cudaStreamSynchronize = copy, synchronise
    module.cudaGetErrorString = lambda error: (0, texts[error])
    module.pinned = pinned
    return module
