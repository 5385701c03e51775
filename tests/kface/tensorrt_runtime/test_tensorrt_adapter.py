"""Running engines, on every generation of TensorRT's Python API and through each library that reaches the GPU."""

import shutil
import sys
import types

import numpy as np
import pytest

from kface.errors import ConfigError, ModelError
from kface.mtcnn import Detector
from kface.networks import open_network
from kface.tensorrt import build_engine, get_engine
from kface.tensorrt.adapter import load, open_engine
from kface.tensorrt.memory import DeviceError, open_memory


def numbers(*shape):
    return np.random.RandomState(sum(shape)).uniform(-1, 1, shape).astype(np.float32)


def same(found, expected, tolerance=1e-5):
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name].dtype == np.float32
        assert found[name].shape == value.shape
        np.testing.assert_allclose(found[name], value, atol=tolerance)


def test_batches_of_any_size(board, models):
    reference = open_network(models / "onet.onnx", "onnxruntime", 1)
    network = open_engine(get_engine(models / "onet.onnx", precision="fp32"))
    assert network.inputs == {"image": (None, 3, 48, 48)}
    assert sorted(network.outputs) == sorted(reference.outputs)
    assert network.usual_shape == (4, 3, 48, 48)
    for count in (1, 5, 32, 33, 70, 2):
        batch = numbers(count, 3, 48, 48)
        same(network.run(batch), reference.run(batch))
    assert {name: value.shape for name, value in network.run(numbers(0, 3, 48, 48)).items()} == {
        "offsets": (0, 4),
        "landmarks": (0, 10),
        "logits": (0, 1),
    }
    # What is handed out stays as it is when the buffers are used again.
    first, batch = network.run(numbers(3, 3, 48, 48)), numbers(3, 3, 48, 48)
    network.run(numbers(4, 3, 48, 48))
    same(first, reference.run(batch))


def test_buffers_are_kept_and_given_back(board, models):
    network = open_engine(get_engine(models / "rnet.onnx", precision="fp32"))
    network.run(numbers(20, 3, 24, 24))
    before = board.gpu.allocations
    for count in (1, 20, 7):
        network.run(numbers(count, 3, 24, 24))
    assert board.gpu.allocations == before
    network.run(numbers(64, 3, 24, 24))
    assert board.gpu.allocations == before + 3
    assert len(board.gpu.blocks) == 3
    network.close()
    network.close()
    assert board.gpu.blocks == {}
    assert getattr(board.cuda, "pinned", {}) == {}
    with pytest.raises(ModelError, match="closed"):
        network.run(numbers(1, 3, 24, 24))


def test_a_detector_gives_all_of_its_buffers_back(board, models):
    # In half precision TensorRT 11 needs the onnx package.
    pytest.importorskip("onnx", reason="a strongly typed network is converted by onnx")
    detector = Detector(models, min_face=20.0, runtime="tensorrt")
    images = [np.random.RandomState(size).randint(0, 256, (size, 90, 3)).astype(np.uint8) for size in (60, 75)]
    detector.detect_many(images)
    detector.refine(images[0], np.array([[10, 10, 40, 40]]))
    assert len(board.gpu.blocks) >= 2 * 3 + 4
    detector.with_min_face(40.0).close()
    assert board.gpu.blocks == {}
    assert getattr(board.cuda, "pinned", {}) == {}
    with pytest.raises(ModelError, match="the detector has been closed"):
        detector.detect_many(images)


def test_an_engine_of_fixed_size(board, models):
    size = (1, 3, 61, 90)
    reference = open_network(models / "pnet.onnx", "onnxruntime", 1)
    data = (models / "pnet.onnx").read_bytes()
    network = load(data, str(models / "pnet.onnx"), None, {"image": (size,) * 3}, "fp32")
    assert network.inputs == {"image": size}
    same(network.run(numbers(*size)), reference.run(numbers(*size)))
    three = numbers(3, 3, 61, 90)
    same(network.run(three), reference.run(three))
    for shape in ((1, 3, 60, 90), (1, 4, 61, 90), (3, 61, 90)):
        with pytest.raises(ModelError, match="cannot run on a batch of shape") as caught:
            network.run(numbers(*shape))
        assert "\n" not in str(caught.value)


def test_a_fixed_batch_is_filled_up(board, models, tmp_path):
    size = (4, 3, 24, 24)
    build_engine(models / "rnet.onnx", tmp_path / "r.engine", "fp32", {"image": (size,) * 3})
    network = open_engine(tmp_path / "r.engine")
    batch = numbers(6, 3, 24, 24)
    same(network.run(batch), open_network(models / "rnet.onnx", "onnxruntime", 1).run(batch))
    fed = board.gpu.read(network._buffers["image"].address, 4 * 3 * 24 * 24 * 4).view(np.float32).reshape(size)
    assert np.array_equal(fed[:2], batch[4:])
    assert (fed[2:] == 0).all()


def test_half_precision_rounds(board, models):
    if board.trt.__version__ == "11.4.0":
        pytest.importorskip("onnx", reason="a strongly typed network is converted by onnx")
    batch = numbers(5, 3, 24, 24)
    found = load((models / "rnet.onnx").read_bytes(), str(models / "rnet.onnx"), 1).run(batch)
    same(found, open_network(models / "rnet.onnx", "onnxruntime", 1).run(batch), 2e-2)
    for value in found.values():
        assert np.array_equal(value, value.astype(np.float16).astype(np.float32))


def test_through_the_registry(board, models):
    path = get_engine(models / "rnet.onnx", precision="fp32")
    network = open_network(path, "tensorrt")
    assert network.runtime == "tensorrt"
    assert network.run(numbers(2, 3, 24, 24))["offsets"].shape == (2, 4)


def test_an_engine_that_is_not_the_one_that_was_built(bare, models, tmp_path):
    bare.fit("8.6.1")
    path = tmp_path / "rnet.engine"
    shutil.copy(str(get_engine(models / "rnet.onnx", precision="fp32")), str(path))
    with pytest.raises(ModelError, match=r"rnet.engine.json: cannot be read"):
        load(path.read_bytes(), str(path), None)
    build_engine(models / "rnet.onnx", path, "fp32", "by side")
    load(path.read_bytes(), str(path), None)
    # Were it deserialised, this would be no JSON.
    for damaged in (b"rubbish\0", path.read_bytes()[:-1], path.read_bytes() + b"\0"):
        with pytest.raises(ModelError, match="rnet.engine: is not the engine that was built"):
            load(damaged, str(path), None)
    for text in ("", "[]", '{"schema": 1}', '{"schema": 99, "sha256": ""}'):
        (tmp_path / "rnet.engine.json").write_text(text)
        with pytest.raises(ModelError, match=r"rnet.engine.json: (is damaged|has schema version 99)"):
            open_engine(path)
    with pytest.raises(ModelError, match="cannot be read"):
        open_engine(tmp_path / "absent.engine")


@pytest.mark.parametrize(("version", "gpu"), [("10.7.0", "NVIDIA Tegra X1"), ("8.6.1", "NVIDIA Orin")])
def test_an_engine_for_another_machine(bare, models, tmp_path, version, gpu):
    bare.fit("8.6.1")
    build_engine(models / "rnet.onnx", tmp_path / "rnet.engine", "fp32", "by side")
    bare.fit(version, gpu)
    with pytest.raises(ModelError, match="not an engine for this GPU and this TensorRT .*not compatible") as caught:
        open_engine(tmp_path / "rnet.engine")
    assert "\n" not in str(caught.value)


def test_a_run_that_tensorrt_refuses_is_one_line(board, models):
    network = open_engine(get_engine(models / "rnet.onnx", precision="fp32"))
    network._calls.set_shape = lambda *_: bool(network._messages.log(board.trt.Logger.ERROR, "out of\nrange"))
    with pytest.raises(ModelError, match=r"cannot run on a batch of shape .* \(out of\)") as caught:
        network.run(numbers(1, 3, 24, 24))
    assert "\n" not in str(caught.value)


def test_where_tensorrt_is_not(bare, models, monkeypatch):
    bare.fit("8.6.1")
    for module, told in (
        (None, "tensorrt: is not installed here"),
        (types.ModuleType("tensorrt"), "tensorrt: is installed without its libraries"),
    ):
        monkeypatch.setitem(sys.modules, "tensorrt", module)
        with pytest.raises(ConfigError) as caught:
            get_engine(models / "rnet.onnx")
        assert str(caught.value).startswith(told)
        assert "JetPack" in str(caught.value)
        assert "\n" not in str(caught.value)


LIBRARIES = ["pycuda 2019", "pycuda.driver", "cuda.cudart", "cuda.bindings.runtime"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_memory(bare, library):
    bare.fit("8.6.1", library=library, limit=4096)
    memory = open_memory()
    assert memory.gpu == "NVIDIA Tegra X1 sm_53"
    with memory.active():
        one, other = memory.allocate(1000), memory.allocate(500)
        one.host[:] = np.arange(1000) % 251
        memory.upload(one, 800)
        memory.synchronise()
        assert np.array_equal(bare.gpu.read(one.address, 800), np.arange(800) % 251)
        assert (bare.gpu.read(one.address, 1000)[800:] == 0xAB).all()
        one.host[:] = 0
        memory.download(one, 300)
        memory.synchronise()
        assert np.array_equal(one.host[:300], np.arange(300) % 251)
        assert (one.host[300:] == 0).all()
        with pytest.raises(DeviceError, match="out of memory") as caught:
            memory.allocate(4000)
        assert "\n" not in str(caught.value)
        for buffer in (one, other, other):
            buffer.free()
    assert bare.gpu.blocks == {}
    assert not bare.gpu.contexts


@pytest.mark.parametrize("library", LIBRARIES)
def test_where_there_is_no_gpu(bare, library):
    bare.fit("8.6.1", gpu=None, library=library)
    with pytest.raises(ConfigError, match="the GPU: cannot be used .*(no CUDA-capable|driver)") as caught:
        open_memory()
    assert "\n" not in str(caught.value)


def test_where_no_library_reaches_the_gpu(bare, monkeypatch):
    bare.fit("8.6.1", library="none")
    monkeypatch.setitem(sys.modules, "kface.tensorrt.cudart", None)
    with pytest.raises(ConfigError, match="install CUDA's runtime .* or cuda-python"):
        open_memory()
