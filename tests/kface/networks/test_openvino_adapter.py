"""OpenVINO against ONNX Runtime, on the detector's networks and on a small one made here."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("openvino")
pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

from kface.errors import ModelError  # noqa: E402
from kface.networks import RUNTIMES, onnxruntime_adapter, openvino_adapter  # noqa: E402


@pytest.fixture(scope="module")
def network_file():
    """A convolution and a sum over the map; an Identity makes one output, as tf2onnx does."""
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.RandomState(0).normal(size=(8, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["map"], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["map"], ["a_map"]),
        helper.make_node("GlobalAveragePool", ["a_map"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["a_before"]),
        helper.make_node("Identity", ["a_before"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 12, "w"])],
        [
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 8]),
            helper.make_tensor_value_info("a_map", TensorProto.FLOAT, ["n", 8, 10, "v"]),
        ],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    return model.SerializeToString()


def test_it_agrees_with_onnx_runtime(network_file):
    mine = openvino_adapter.load(network_file, "net.onnx", 1)
    other = onnxruntime_adapter.load(network_file, "net.onnx", 1)
    assert mine.runtime == "openvino"
    assert RUNTIMES[mine.runtime].reentrant
    assert mine.inputs == {"image": (None, 3, 12, None)} == other.inputs
    assert mine.outputs == ["embedding", "a_map"] == other.outputs
    random = np.random.RandomState(1)
    for shape in ((1, 3, 12, 12), (5, 3, 12, 9)):
        batch = random.uniform(-1, 1, shape).astype(np.float32)
        found, wanted = mine.run(batch), other.run(batch)
        for name in wanted:
            assert found[name].dtype == np.float32
            # Full float32, not the bfloat16 that OpenVINO would choose: that is a thousand times coarser.
            np.testing.assert_allclose(found[name], wanted[name], atol=1e-5)
    wide = random.uniform(-1, 1, (2, 12, 9, 3)).astype(np.float32).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(
        mine.run(wide)["embedding"], other.run(np.ascontiguousarray(wide))["embedding"], atol=1e-5
    )
    mine.close()


def test_the_detectors_networks():
    from kface.mtcnn import weights

    try:
        models = weights.prepare()
    except ModelError as error:
        pytest.skip("the detector's networks are not here: {}".format(error))
    random = np.random.RandomState(0)
    for name, shape in (("pnet", (2, 3, 37, 50)), ("rnet", (5, 3, 24, 24)), ("onet", (4, 3, 48, 48))):
        batch = random.uniform(-1, 1, shape).astype(np.float32)
        data = (models / (name + ".onnx")).read_bytes()
        wanted = onnxruntime_adapter.load(data, name, 1).run(batch)
        found = openvino_adapter.load(data, name, 1).run(batch)
        assert set(found) == set(wanted)
        for key in wanted:
            np.testing.assert_allclose(found[key], wanted[key], atol=1e-4)


def test_results_stay_what_they_were_when_it_runs_again(network_file):
    network = openvino_adapter.load(network_file, "net.onnx", 1)
    first = network.run(np.ones((1, 3, 12, 12), np.float32))["embedding"]
    kept = first.copy()
    network.run(np.full((1, 3, 12, 12), -3, np.float32))
    np.testing.assert_array_equal(first, kept)


def test_several_threads_get_their_own_results(network_file):
    network = openvino_adapter.load(network_file, "net.onnx", 1)
    batches = [np.full((2, 3, 12, 60), value, np.float32) for value in range(1, 9)]
    wanted = [network.run(batch)["embedding"] for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for found, value in zip(pool.map(network.run, batches), wanted):
                np.testing.assert_array_equal(found["embedding"], value)


def test_a_batch_that_does_not_fit_is_one_line_and_the_next_one_runs(network_file):
    network = openvino_adapter.load(network_file, "net.onnx", 1)
    with pytest.raises(
        ModelError, match=r"net.onnx: cannot run on a batch of shape \(1, 5, 7, 7\).*incompatible"
    ) as caught:
        network.run(np.zeros((1, 5, 7, 7), np.float32))
    assert "\n" not in str(caught.value)
    assert network.run(np.zeros((1, 3, 12, 12), np.float32))["embedding"].shape == (1, 8)


@pytest.mark.parametrize("data", [b"", b"not a network"])
def test_damaged_files_are_refused(data):
    with pytest.raises(ModelError, match="net.onnx: cannot be read by OpenVINO") as caught:
        openvino_adapter.load(data, "net.onnx", None)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused(network_file):
    with pytest.raises(ModelError, match="net.onnx"):
        openvino_adapter.load(network_file[: len(network_file) // 2], "net.onnx", 1)


#: Opens two networks, closes the older one first, and sends itself a signal that it handles.
SIGNALLED = """
import os, signal, sys
from kface.networks import openvino_adapter

data = open(sys.argv[1], "rb").read()
signal.signal(signal.SIGTERM, lambda number, frame: print("handled", flush=True))
older, newer = (openvino_adapter.load(data, "net.onnx", 1) for _ in range(2))
for network in (older, newer):
    network.close()
del older, newer
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals of this kind")
def test_signals_are_handled_after_networks_were_closed(network_file, tmp_path):
    # On CPUs with AMX each openvino.Core puts a stack for signal handlers in place of the one before; of two, closed in this
    # order, a released one was left in place, and the first signal that Python handles ended the process (SIGSEGV).
    path = tmp_path / "net.onnx"
    path.write_bytes(network_file)
    done = subprocess.run([sys.executable, "-c", SIGNALLED, str(path)], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
