"""Opening and running network files, in every runtime that is installed."""

import numpy as np
import pytest

from kface.errors import ConfigError, ModelError
from kface.mtcnn import weights
from kface.networks import open_network, runtimes


@pytest.fixture(scope="module")
def models():
    try:
        return weights.prepare()
    except ModelError as error:
        pytest.skip("the detector's networks are not here: {}".format(error))


def test_runtimes_agree_on_both_forms_of_all_three_networks(models):
    random = np.random.RandomState(0)
    shapes = {"pnet": (2, 3, 37, 50), "rnet": (5, 3, 24, 24), "onet": (4, 3, 48, 48)}
    for name, shape in sorted(shapes.items()):
        batch = random.uniform(-1, 1, shape).astype(np.float32)
        files = [models / (name + form) for form in (".onnx", ".split.onnx")]
        found = [open_network(file, runtime, threads=1).run(batch) for file in files for runtime in runtimes(".onnx")]
        for other in found[1:]:
            assert set(other) == set(found[0])
            for key in other:
                np.testing.assert_allclose(other[key].reshape(found[0][key].shape), found[0][key], atol=2e-4)


def test_what_a_network_tells(models):
    network = open_network(models / "rnet.onnx", threads=1)
    assert network.runtime == runtimes(".onnx")[0]
    assert set(network.outputs) == {"offsets", "logits"}
    assert set(network.run(np.zeros((3, 3, 24, 24), np.float32))) == {"offsets", "logits"}
    network.close()


@pytest.mark.parametrize("runtime", runtimes(".onnx"))
def test_a_batch_that_does_not_fit_is_one_line(models, runtime):
    network = open_network(models / "rnet.onnx", runtime, threads=1)
    with pytest.raises(ModelError, match="shape") as caught:
        network.run(np.zeros((1, 5, 7, 7), np.float32))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("runtime", runtimes(".onnx"))
def test_damaged_files_are_refused(models, tmp_path, runtime):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(ModelError, match="net.onnx") as caught:
        open_network(path, runtime)
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="cannot be read"):
        open_network(tmp_path / "absent.onnx", runtime)


def test_hashes_are_checked_before_opening(models, tmp_path):
    known = weights.hashes(models)["pnet.onnx"]
    open_network(models / "pnet.onnx", sha256=known)
    edited = tmp_path / "pnet.onnx"
    edited.write_bytes((models / "pnet.onnx").read_bytes() + b"\0")
    with pytest.raises(ModelError, match="SHA-256 differs"):
        open_network(edited, sha256=known)


def test_unknown_settings():
    with pytest.raises(ConfigError, match="choose one of: auto, tensorrt, openvino, onnxruntime, opencv"):
        open_network("x.onnx", "caffe")
    with pytest.raises(ConfigError, match="at least 1"):
        open_network("x.onnx", threads=0)


def test_an_uninstalled_runtime(monkeypatch):
    from kface.networks import registry

    monkeypatch.setitem(
        registry.RUNTIMES, "abacus", registry.Runtime("kface.networks.abacus", "no_such_package", (".onnx",))
    )
    with pytest.raises(ConfigError, match="is not installed here; install no_such_package"):
        open_network("x.onnx", "abacus")


def test_files_that_a_runtime_does_not_read(tmp_path):
    for name, message in (("net.pb", "choose one of: opencv"), ("net.txt", r"ends in \.onnx or \.pb")):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(ConfigError, match=message):
            open_network(tmp_path / name, "onnxruntime" if "onnxruntime" in runtimes() else "openvino")
