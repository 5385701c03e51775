"""Opening a network sends nothing over the network and writes nothing into the home directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_bundle import tiny_embedder

import kface
from kface.networks import open_network

onnxruntime = pytest.importorskip("onnxruntime")

OPEN = "import sys; from kface.networks import open_network; print(open_network(sys.argv[1], 'onnxruntime').runtime)"
#: What the runtime takes for a reason to send nothing anyway.
QUIET = ("ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "CI", "TF_BUILD", "GITHUB_ACTIONS")


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "tiny.onnx"
    path.write_bytes(tiny_embedder())
    return path


def test_the_runtime_sends_and_keeps_nothing(network, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    env = {key: value for key, value in os.environ.items() if key not in QUIET and not key.startswith("XDG_")}
    env.update(HOME=str(home), PYTHONPATH=str(Path(kface.__file__).parent.parent))
    done = subprocess.run([sys.executable, "-c", OPEN, str(network)], env=env, stdout=subprocess.PIPE, check=True)
    assert done.stdout.decode().strip() == "onnxruntime"
    assert list(home.rglob("*")) == []


@pytest.mark.parametrize(("wanted", "calls"), [(None, 1), ("1", 1), ("0", 0)])
def test_a_runtime_that_was_imported_earlier_is_told(network, monkeypatch, wanted, calls):
    told = []
    monkeypatch.setattr(onnxruntime, "disable_telemetry_events", lambda: told.append(1), raising=False)
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    if wanted is not None:
        monkeypatch.setenv("ORT_DISABLE_TELEMETRY", wanted)
    open_network(network, "onnxruntime").close()
    assert len(told) == calls
