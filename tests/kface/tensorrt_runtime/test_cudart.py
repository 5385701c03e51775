"""The CUDA runtime called directly, against a library of the same names that works on ordinary memory."""

import importlib
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from kface.tensorrt.memory import CudaPythonMemory, DeviceError

SOURCE = r"""
#include <stdlib.h>
#include <string.h>
static long live = 0;
long fake_live(void) { return live; }
int cudaSetDevice(int device) { return device == 0 ? 0 : 101; }
int cudaGetDeviceProperties(char *p, int device) { memset(p, 7, 1024); strcpy(p, "NVIDIA Tegra X1"); return 0; }
int cudaDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? 5 : attribute == 76 ? 3 : -1; return 0; }
int cudaStreamCreate(void **stream) { *stream = (void *)0x123456789abc; return 0; }
static int give(void **p, size_t n) { if (n > (1u << 20)) return 2; *p = malloc(n); live++; return 0; }
int cudaMalloc(void **p, size_t n) { return give(p, n); }
int cudaMallocHost(void **p, size_t n) { return give(p, n); }
int cudaFree(void *p) { free(p); live--; return 0; }
int cudaFreeHost(void *p) { free(p); live--; return 0; }
int cudaMemcpyAsync(void *to, const void *from, size_t n, int kind, void *stream) {
    if (stream != (void *)0x123456789abc || (kind != 1 && kind != 2)) return 1;
    memcpy(to, from, n); return 0; }
int cudaStreamSynchronize(void *stream) { return stream == (void *)0x123456789abc ? 0 : 1; }
const char *cudaGetErrorString(int error) { return error == 2 ? "out of memory" : "invalid"; }
"""


@pytest.fixture
def cudart(tmp_path, monkeypatch):
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler for the stand-in of CUDA's library")
    (tmp_path / "fake.c").write_text(SOURCE)
    library = str(tmp_path / "libcudart.so")
    subprocess.check_call([compiler, "-shared", "-fPIC", "-o", library, str(tmp_path / "fake.c")])
    monkeypatch.setattr("ctypes.util.find_library", lambda name: library if name == "cudart" else None)
    monkeypatch.delitem(sys.modules, "kface.tensorrt.cudart", raising=False)
    yield importlib.import_module("kface.tensorrt.cudart")
    sys.modules.pop("kface.tensorrt.cudart", None)


def test_bytes_go_to_the_device_and_come_back(cudart):
    gpu = CudaPythonMemory(cudart)
    assert gpu.gpu == "NVIDIA Tegra X1 sm_53"
    with gpu.active():
        one, other = gpu.allocate(1000), gpu.allocate(1000)
        assert one.address > 1 << 32 or os.name == "nt"  # An address of 64 bits is not cut short.
        one.host[:] = np.arange(1000) % 251
        gpu.upload(one, 1000)
        one.host[:] = 0
        gpu.download(one, 1000)
        gpu.synchronise()
        np.testing.assert_array_equal(one.host, np.arange(1000) % 251)
        one.free()
        other.free()
    assert cudart._library.fake_live() == 0


def test_a_device_without_memory_says_so(cudart):
    gpu = CudaPythonMemory(cudart)
    with gpu.active(), pytest.raises(DeviceError, match="cudaMalloc: out of memory"):
        gpu.allocate(1 << 21)
    assert cudart._library.fake_live() == 0


def test_another_device_is_refused(cudart):
    assert cudart.cudaSetDevice(1) == (101,)
    assert cudart.cudaGetErrorString(101) == (0, b"invalid")


def test_without_the_library_it_cannot_be_imported(monkeypatch):
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    monkeypatch.setattr("ctypes.CDLL", lambda name: (_ for _ in ()).throw(OSError(name)))
    monkeypatch.delitem(sys.modules, "kface.tensorrt.cudart", raising=False)
    with pytest.raises(ImportError, match="libcudart"):
        importlib.import_module("kface.tensorrt.cudart")
