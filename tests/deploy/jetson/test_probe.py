"""What the board's own Python tells of its libraries; asked of this machine's."""

import json
import os
import subprocess
import sys

import pytest

from deploy.jetson import probe

SOURCES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(probe.__file__))))


def asked(capsys, *argv):
    status = probe.main(list(argv))
    told = capsys.readouterr().out
    assert len(told.splitlines()) == 1
    return status, json.loads(told)


def test_it_can_be_asked_as_the_installer_does():
    env = dict(os.environ, PYTHONPATH=SOURCES)
    told = subprocess.check_output([sys.executable, "-s", "-m", "deploy.jetson.probe", "python"], env=env)
    assert json.loads(told.decode())["version"] == "{}.{}.{}".format(*sys.version_info[:3])


def test_numpy_and_opencv(capsys):
    assert asked(capsys, "numpy")[0] == 0
    status, found = asked(capsys, "cv2")
    assert status == 0
    assert found["gstreamer"] in (True, False)
    assert os.path.isdir(found["path"])


@pytest.mark.parametrize(("line", "there"), [("YES (1.14.5)", True), ("NO", False)])
def test_gstreamer_is_read_from_opencvs_own_account(line, there, capsys, monkeypatch):
    monkeypatch.setattr(
        "cv2.getBuildInformation", lambda: "  Video I/O:\n    GStreamer:                   {}\n".format(line)
    )
    assert asked(capsys, "cv2")[1]["gstreamer"] is there


def test_the_gallerys_cipher_is_tried(capsys, monkeypatch):
    pytest.importorskip("cryptography")
    assert asked(capsys, "cryptography")[0] == 0
    monkeypatch.setattr("kface.gallery.cipher.Cipher.open", lambda *_: b"other")
    assert asked(capsys, "cryptography") == (1, {"error": "cryptography cannot decrypt what it encrypted"})


def test_what_is_not_there_is_told_in_a_line(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    status, found = asked(capsys, "yaml")
    assert status == 1
    assert "yaml" in found["error"]
    assert asked(capsys, "no-such-probe")[0] == 1
    status, found = asked(capsys, "runtimes", "/no/such/bundle")
    assert status == 1
    assert "is not a bundle" in found["error"]


def test_runtimes_are_those_that_read_the_embedder(capsys, monkeypatch, tmp_path):
    from kface.errors import ModelError

    class Opened(object):
        def embedder(self, name):
            return type("File", (), {"path": name})

        def path(self, name):
            return name

    def open_network(path, name):
        if name == "opencv":
            raise ModelError("is not a network that OpenCV can read", path)
        return type("Network", (), {"close": lambda self: None})()

    monkeypatch.setattr("kface.bundle.load", lambda directory, check: Opened())
    monkeypatch.setattr("kface.networks.open_network", open_network)
    monkeypatch.setattr("kface.networks.runtimes", lambda: ["tensorrt", "opencv", "onnxruntime"])
    assert asked(capsys, "runtimes", "x") == (0, {"version": "onnxruntime"})
    monkeypatch.setattr("kface.networks.runtimes", lambda: ["tensorrt", "opencv"])
    status, found = asked(capsys, "runtimes", "x")
    assert status == 1
    assert found["error"] == ("no runtime here reads the embedder (opencv: is not a network that OpenCV can read)")
    # An installed TensorRT is never asked: it would build an engine.
    monkeypatch.setattr("kface.networks.runtimes", lambda: ["tensorrt"])
    assert "not installed" in asked(capsys, "runtimes", "x")[1]["error"]


def test_settings(capsys, tmp_path):
    pytest.importorskip("yaml")
    file = tmp_path / "deploy.yaml"
    file.write_text("source: rtsp://10.0.0.7/live\nweb: {port: 9000}\n")
    assert asked(capsys, "settings", str(file)) == (
        0, {"web": True, "host": "127.0.0.1", "port": 9000, "source": "rtsp"},
    )  # fmt: skip
    file.write_text("web: {prot: 9000}\n")
    status, found = asked(capsys, "settings", str(file))
    assert status == 1
    assert "web.prot: unknown setting" in found["error"]
