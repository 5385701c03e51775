"""The table of runtimes: its entries are correct, and `auto` follows its preferences."""

import importlib
import inspect
import platform
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tiny_bundle import models_or_skip

from kface.mtcnn import weights
from kface.networks import RUNTIMES, Network, open_network, registry, resolve, runtimes
from kface.networks.registry import candidates


@pytest.mark.parametrize("name", sorted(RUNTIMES))
def test_each_row_is_complete(name):
    known = RUNTIMES[name]
    module = importlib.import_module(known.adapter)
    classes = [value for value in vars(module).values() if inspect.isclass(value) and issubclass(value, Network)]
    assert [made.runtime for made in classes if made is not Network] == [name]
    assert ("profiles" in inspect.signature(module.load).parameters) == known.fixed
    assert known.formats
    assert known.computes in ("fp32", "fp16")
    assert known.reentrant or not known.side_by_side
    assert known.detector_form in ("plain", "split", "canvas")
    # P-Net's sizes are known before only where all of its pyramid is one input.
    assert known.fixed == (known.detector_form == "canvas")
    assert set(known.first_for) <= {"detector"}


def installed(monkeypatch, names, machine):
    monkeypatch.setattr(
        registry, "_is_installed", lambda package: package in [RUNTIMES[name].package for name in names]
    )
    monkeypatch.setattr(platform, "machine", lambda: machine)


@pytest.mark.parametrize(
    ("names", "machine", "anything", "detector", "every"),
    [
        (list(RUNTIMES), "x86_64", "openvino", "onnxruntime", ["openvino", "onnxruntime", "opencv", "tensorflow"]),
        (
            list(RUNTIMES),
            "aarch64",
            "tensorrt",
            "tensorrt",
            ["tensorrt", "openvino", "onnxruntime", "opencv", "tensorflow"],
        ),
        (["openvino", "opencv"], "x86_64", "openvino", "openvino", ["openvino", "opencv"]),
        (["onnxruntime", "opencv"], "aarch64", "onnxruntime", "onnxruntime", ["onnxruntime", "opencv"]),
        (["opencv"], "x86_64", "opencv", "opencv", ["opencv"]),
    ],
)
def test_what_auto_takes(monkeypatch, names, machine, anything, detector, every):
    installed(monkeypatch, names, machine)
    assert resolve("auto") == anything
    assert resolve("auto", task="detector") == detector
    assert candidates("auto") == every
    for name in names:
        assert resolve(name, RUNTIMES[name].formats[0], "detector") == name


@pytest.mark.parametrize("name", [name for name in runtimes(".onnx") if not RUNTIMES[name].gpu])
def test_the_detectors_networks_are_in_the_form_that_suits(name):
    found = {key: path.name for key, (path, _) in weights.files(models_or_skip(), name).items()}
    end = ".split.onnx" if RUNTIMES[name].detector_form == "split" else ".onnx"
    assert found == {key: key + end for key in ("pnet", "rnet", "onet")}


@pytest.mark.parametrize("name", [name for name in runtimes(".onnx") if RUNTIMES[name].reentrant])
def test_several_threads_may_run_what_is_said_to_be_reentrant(name):
    network = open_network(models_or_skip() / "onet.onnx", name, threads=1)
    random = np.random.RandomState(0)
    batches = [random.uniform(-1, 1, (1 + number % 5, 3, 48, 48)).astype(np.float32) for number in range(40)]
    expected = [network.run(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(network.run, batches))
    for one, other in zip(found, expected):
        for key in other:
            np.testing.assert_allclose(one[key], other[key], atol=1e-6)
    network.close()
