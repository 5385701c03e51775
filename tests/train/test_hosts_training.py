"""Trainings of two processes on loopback, with JAX: equal to one process, resumable, and they end together."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from tiny_data_set import make_tiny_data_set

from kface.data.dataset import read_arrays
from train.history import read_history
from train.trained import KerasEmbedder, load_backbone

SCRIPT = Path(__file__).parent / "hosts_training.py"
TRAININGS = ["complete", "sampled"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed (the extra hosts)"),
]


def start(name, out, data, index=None, address=None, devices=1, **more):
    """Start one host of two, or a process that is alone."""
    hosts = {} if index is None else {"coordinator": address, "count": 2, "index": index, "timeout": 120}
    task = {"name": name, "out": str(out), "data": str(data), "hosts": hosts, "trainings": TRAININGS, **more}
    variables = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        **({"KERAS_BACKEND": "jax"} if index is None else {}),
    }
    out.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), json.dumps(task)],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def pair(name, out, data, **more):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    return [start(name, out, data, index, address, **more) for index in range(2)]


def ended(processes, timeout=500):
    """Wait for processes and return (exit status, standard error) of each."""
    try:
        return [(process.communicate(timeout=timeout)[1], process.returncode)[::-1] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """30 people who train, two images each: 15 steps of 4 images."""
    root = tmp_path_factory.mktemp("people")
    return make_tiny_data_set(root, tmp_path_factory.mktemp("faces") / "tiny", people=32, images=2)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """The results of one device, of two devices of one process, and of two hosts, and their directories."""
    out = tmp_path_factory.mktemp("runs")
    waiting = [
        start("one", out / "one", data.directory, single=True, trainings=[*TRAININGS, "averaged"]),
        start("devices", out / "devices", data.directory, devices=2),
        *pair("hosts", out / "hosts", data.directory, trainings=[*TRAININGS, "sampled-resumed", "averaged"]),
    ]
    for status, errors in ended(waiting):
        assert status == 0, errors[-3000:]
    names = ("one/one-0", "devices/devices-0", "hosts/hosts-0", "hosts/hosts-1")
    return out, *(json.loads((out / f"{name}.json").read_text()) for name in names)


def equal(one, other, kind):
    """Compare two trainings: their rounding differs, and grows in 45 steps (measured: to 7e-5 of a weight)."""
    np.testing.assert_allclose(one[kind]["figures"], other[kind]["figures"], rtol=2e-5)
    for mine, theirs in zip(one[kind]["weights"], other[kind]["weights"], strict=True):
        near(np.array(mine), np.array(theirs))


def near(mine, theirs, name="", share=1e-3):
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=share * np.abs(theirs).max(initial=0) + 1e-9, err_msg=name)


def rows_of(checkpoint):
    """Return all arrays of a checkpoint by their place, those of the head and the optimizer among them."""
    arrays = {}
    with h5py.File(checkpoint) as file:
        file.visititems(lambda name, item: arrays.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return arrays


@pytest.mark.parametrize("kind", TRAININGS)
def test_two_hosts_and_two_devices_train_as_one_device_does(trained, kind):
    out, one, devices, first, second = trained
    # Both hosts see the same figures and weights, to the bit.
    assert first[kind] == second[kind]
    equal(first, one, kind)
    equal(devices, one, kind)
    # The accuracy is of the cosines without the margin, which raises the loss.
    assert one[kind]["figures"][-1][1] > one[kind]["figures"][0][1]
    history = read_history(out / "hosts" / kind / "history.csv")
    assert [float(row["loss"]) for row in history] == pytest.approx(
        [row[0] for row in first[kind]["figures"]], abs=1e-5
    )
    # The margin is raised between the batches, with JAX as well.
    assert [float(row["margin"]) for row in history][-1] == pytest.approx(0.3)
    assert 0 < float(history[0]["margin"]) < 0.3
    mine, theirs = (rows_of(out / name / kind / "checkpoints" / "epoch-0003.weights.h5") for name in ("hosts", "one"))
    assert mine.keys() == theirs.keys()
    for name in mine:
        if mine[name].dtype.kind == "f":
            # Moments of the optimizer are smaller than the gradients that they come from.
            near(mine[name], theirs[name], name, share=1e-2)


def test_the_first_host_alone_writes(trained):
    out, *_ = trained
    files = {path.name for path in (out / "hosts" / "complete").rglob("*") if path.is_file()}
    assert files == {
        "history.csv",
        "model.json",
        "state.json",
        "backbone.weights.h5",
        "epoch-0002.weights.h5",
        "epoch-0003.weights.h5",
    }


def test_a_resumed_run_ends_as_an_undisturbed_one(trained):
    _, _, _, first, second = trained
    assert first["sampled-resumed"] == second["sampled-resumed"]
    equal(first, {"sampled-resumed": first["sampled"]}, "sampled-resumed")


def test_validated_averages_are_those_of_one_device(trained):
    out, one, _, first, second = trained
    assert first["averaged"]["figures"] == second["averaged"]["figures"]
    np.testing.assert_allclose(first["averaged"]["figures"], one["averaged"]["figures"], rtol=5e-5)
    # What the first host returns are the averages, with the statistics of complete batches.
    for ours, other in zip(first["averaged"]["weights"], one["averaged"]["weights"], strict=True):
        near(np.array(ours), np.array(other), share=1e-2)
    mine, theirs = (read_history(out / name / "averaged" / "history.csv") for name in ("hosts", "one"))
    assert len(mine) == 3
    for row, other in zip(mine, theirs, strict=True):
        assert float(row["validation_eer"]) == pytest.approx(float(other["validation_eer"]), abs=0.05)
    # The training itself went on with the weights.
    assert not np.allclose(
        np.array(first["averaged"]["weights"][0]), np.array(second["averaged"]["weights"][0]), atol=1e-4
    )


def test_the_run_is_one_like_others(trained, data):
    out, *_, first, _ = trained
    images, _ = read_arrays(data, "test")
    with_tensorflow = KerasEmbedder(load_backbone(out / "hosts" / "complete"))(images)
    assert len(images) == 4
    np.testing.assert_allclose(with_tensorflow, first["embeddings"], atol=1e-5)


@pytest.mark.parametrize("killed", [0, 1])
def test_where_one_is_killed_the_other_ends_with_one_line(data, tmp_path, killed):
    processes = pair("killed", tmp_path, data.directory, killed=killed, trainings=["complete"])
    results = ended(processes)
    assert results[killed][0] == -signal.SIGKILL
    status, errors = results[1 - killed]
    assert status == 2
    lines = [line for line in errors.splitlines() if not line.startswith("[Gloo]")]
    assert lines == [f"train: host {killed} has ended; then add resume=true"]
