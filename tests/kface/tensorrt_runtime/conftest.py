"""Boards: a fake GPU with a fake TensorRT and one of the libraries that reach it."""

import sys

import cuda_fakes
import pytest
import trt_fakes

from kface.errors import ModelError
from kface.mtcnn import weights

#: The library that such a board usually has; JetPack 4's PyCUDA cannot reach the primary context.
LIBRARIES = {
    "8.2.1.9": "pycuda 2019",
    "8.6.1": "cuda.cudart",
    "10.7.0": "pycuda.driver",
    "11.4.0": "cuda.bindings.runtime",
}


class Board(object):
    def __init__(self, monkeypatch):
        self._patch = monkeypatch
        self.trt = self.gpu = self.cuda = None

    def fit(self, version, gpu="NVIDIA Tegra X1", library=None, fast_int8=True, limit=1 << 28):
        """Put TensorRT, a GPU and a library in place of those that are there."""
        library = library or LIBRARIES[version]
        self.gpu = cuda_fakes.FakeGpu(gpu, limit=limit)
        self.trt = trt_fakes.make(self.gpu, version, fast_int8)
        if library.startswith("pycuda"):
            self.cuda = cuda_fakes.pycuda(self.gpu, primary=library == "pycuda.driver")
        else:
            self.cuda = cuda_fakes.cuda_python(self.gpu)
        self._patch.setitem(sys.modules, "tensorrt", self.trt)
        for name in ("pycuda.driver", "cuda.bindings.runtime", "cuda.cudart"):
            here = name == library or (name, library) == ("pycuda.driver", "pycuda 2019")
            self._patch.setitem(sys.modules, name, self.cuda if here else None)
        return self


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A board that is still to be fitted out."""
    pytest.importorskip("onnxruntime", reason="the fake engines run in ONNX Runtime")
    monkeypatch.setenv("KFACE_ENGINES", str(tmp_path / "engines"))
    return Board(monkeypatch)


@pytest.fixture(params=trt_fakes.GENERATIONS)
def board(request, bare):
    """A board of each generation."""
    return bare.fit(request.param)


@pytest.fixture(scope="session")
def models():
    try:
        return weights.prepare()
    except ModelError as error:
        pytest.skip("the detector's networks are not here: {}".format(error))
