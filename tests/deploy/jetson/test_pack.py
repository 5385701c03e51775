"""The archive: equal bytes for equal input, everything a board needs, and nothing that is nobody's business."""

import gzip
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

pytest.importorskip("yaml")

from deploy import launch
from deploy.jetson import archive, pack_command
from deploy.jetson.archive import pack, settings_for_board
from deploy.jetson.pack_command import main
from deploy.jetson.releases import read_sums, release_name
from kface.errors import ConfigError, ModelError

HERE = Path(__file__).resolve().parent
_SPEC = importlib.util.spec_from_file_location(
    "bundle_fakes_for_pack", str(HERE.parents[1] / "kface" / "bundle" / "bundle_fakes.py")
)
bundle_fakes = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(bundle_fakes)

SETTINGS = {
    "bundle": None,
    "source": None,
    "stream": {"kind": "rtsp", "address": "10.0.0.7", "port": 554, "path": "/live", "id": "admin", "view": "640x360"},
    "runtime": {"name": "auto"},
    "hydra": {"run": {"dir": "."}},
}


@pytest.fixture
def bundle(tmp_path):
    bundle_fakes.write_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


def unpack(packed, folder):
    with tarfile.open(str(packed.path)) as packed_files:
        packed_files.extractall(str(folder))
    (top,) = folder.iterdir()
    return top


def test_equal_input_makes_equal_bytes(bundle, tmp_path):
    one = pack(bundle, SETTINGS, tmp_path / "one.tar.gz")
    for path in bundle.rglob("*"):
        os.utime(str(path), (0, 1e9))
    other = pack(bundle, SETTINGS, tmp_path / "out")
    assert one.path.read_bytes() == other.path.read_bytes()
    assert other.path == tmp_path / "out" / "kface-{}.tar.gz".format(one.release)
    assert one.size == one.path.stat().st_size


def test_what_it_holds(bundle, tmp_path):
    (bundle / "notes.txt").write_text("no file of the bundle")
    packed = pack(bundle, SETTINGS, tmp_path)
    with tarfile.open(str(packed.path)) as packed_files:
        entries = packed_files.getmembers()
    top = "kface-" + packed.release
    assert all(entry.name == top or entry.name.startswith(top + "/") for entry in entries)
    assert {(entry.uid, entry.gid, entry.uname, entry.mtime) for entry in entries} == {(0, 0, "root", 315532800)}
    assert all(entry.isfile() or entry.isdir() for entry in entries)
    modes = {entry.name[len(top) + 1 :]: entry.mode for entry in entries if entry.isfile()}
    for name in (
        "README.txt", "SHA256SUMS", "docker/Dockerfile", "docker/compose.yaml",
        "bundle/manifest.json", "bundle/detector/pnet.onnx", "deploy.yaml", "environment",
        "kface.service", "src/deploy/__main__.py", "src/deploy/jetson/install.py", "src/deploy/jetson/files/kface.service",
        "src/kface/__init__.py", "src/kface/__main__.py", "src/kface/conf/deploy.yaml", "src/kface/conf/stream/rtsp.yaml",
    ):  # fmt: skip
        assert modes[name] == 0o644, name
    assert "src/kface/conf/train.yaml" not in modes
    assert modes["install.sh"] == modes["kface"] == 0o755
    assert not [name for name in modes if "__pycache__" in name or "/tests/" in name or name.endswith(".pyc")]
    assert not [name for name in modes if name.startswith("src/") and name.split("/")[1] not in ("kface", "deploy")]
    assert "bundle/notes.txt" not in modes
    assert packed.files == len(modes)
    # gzip's own header has neither a time nor a name.
    assert packed.path.read_bytes()[3:8] == bytes(5)


def test_what_is_made_on_a_machine_stays_there(tmp_path):
    names = (
        "a.py",
        "page.html",
        "run.sh",
        "k.cpp",
        "__pycache__/a.pyc",
        "a.pyc",
        "k.so",
        "x.engine",
        ".hidden",
        "a.py~",
        ".git/x",
    )
    for name in names:
        path = tmp_path / "kface" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    found = archive._sources(tmp_path, "kface")
    assert sorted(found) == ["src/kface/" + name for name in ("a.py", "k.cpp", "page.html", "run.sh")]
    (tmp_path / "kface" / "b.py").symlink_to(tmp_path / "kface" / "a.py")
    with pytest.raises(ConfigError, match="b.py: is a link; replace it by the file itself"):
        archive._sources(tmp_path, "kface")


def test_the_installer_finds_it_whole(bundle, tmp_path):
    packed = pack(bundle, SETTINGS, tmp_path / "out")
    top = unpack(packed, tmp_path / "unpacked")
    assert len(read_sums(str(top))) == packed.files - 1
    assert "kface-" + release_name(str(top)) == top.name == "kface-" + packed.release


def test_install_sh_runs_from_what_was_unpacked(bundle, tmp_path):
    top = unpack(pack(bundle, SETTINGS, tmp_path / "out"), tmp_path / "un packed")
    root = tmp_path / "root"
    (root / "opt").mkdir(parents=True)
    env = dict(os.environ, KFACE_PYTHON=sys.executable)
    argv = [str(top / "install.sh"), "--dry-run", "--root", str(root)]
    made = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=str(tmp_path))
    assert (made.returncode, made.stderr) == (0, b"")
    said = made.stdout.decode()
    assert "kface {}, ".format(release_name(str(top))) in said
    assert "ok       python" in said
    assert "would write /etc/kface/deploy.yaml" in said
    assert "source: rtsp" in said
    assert list(root.rglob("*")) == [root / "opt"]
    assert not list(top.rglob("__pycache__"))


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not there")
def test_other_tools_can_check_it(bundle, tmp_path):
    top = unpack(pack(bundle, SETTINGS, tmp_path / "out"), tmp_path / "unpacked")
    subprocess.check_call(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=str(top))


def test_settings_are_those_of_the_board(bundle, tmp_path):
    from deploy.configuration import read_file
    from deploy.settings import DeploySettings

    top = unpack(pack(bundle, SETTINGS, tmp_path / "out"), tmp_path / "unpacked")
    text = (top / "deploy.yaml").read_text()
    assert "admin" not in text
    assert "hydra" not in text
    made = DeploySettings.from_mapping(dict(read_file(top / "deploy.yaml"), bundle="bundle"))
    assert (made.stream.kind, made.stream.address) == ("rtsp", "10.0.0.7")


@pytest.mark.parametrize(
    "secret",
    [
        {"stream": dict(SETTINGS["stream"], password="pa55")},
        {"stream": {"kind": "sample"}, "source": "rtsp://admin:pa55@10.0.0.7/live"},
    ],
)
def test_a_password_never_goes_into_it(secret, bundle, tmp_path):
    with pytest.raises(ConfigError, match="set KFACE_STREAM_PASSWORD on the board") as caught:
        pack(bundle, dict(SETTINGS, **secret), tmp_path / "out")
    assert "pa55" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_user_in_an_address_is_left_out():
    made = settings_for_board({"source": "rtsp://admin@10.0.0.7/live"})
    assert made["source"] == "rtsp://10.0.0.7/live"
    assert settings_for_board({"source": "csi://0"})["source"] == "csi://0"


@pytest.mark.parametrize("source", ["rtsp://[", "rtsp://[::1", "rtsp://"])
def test_an_address_that_is_none_is_one_line(source):
    with pytest.raises(ConfigError, match="stream"):
        settings_for_board({"source": source})


def test_what_looks_like_a_login_in_another_place_stays():
    for source in ("rtsp://10.0.0.7/user%40home", "/films/a@b.mp4", "file:/films/rtsp:a@b.mp4"):
        assert settings_for_board({"source": source})["source"] == source


def test_settings_that_the_recogniser_refuses_are_not_packed(bundle, tmp_path):
    with pytest.raises(ConfigError, match="unknown setting"):
        pack(bundle, dict(SETTINGS, trackz={}), tmp_path)


def test_a_bundle_that_was_changed_is_refused(bundle, tmp_path):
    (bundle / "embedder.onnx").write_bytes(b"x" * 40)
    with pytest.raises(ModelError, match="embedder.onnx: was changed"):
        pack(bundle, SETTINGS, tmp_path)


def test_a_bundle_that_changes_while_it_is_packed(bundle, tmp_path, monkeypatch):
    real = archive._sources

    def meanwhile(root, package):
        (bundle / "embedder.onnx").write_bytes(b"x" * 40)
        return real(root, package)

    monkeypatch.setattr(archive, "_sources", meanwhile)
    with pytest.raises(ConfigError, match="embedder.onnx: changed while being packed; pack again"):
        pack(bundle, SETTINGS, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_engines_of_another_machine_stay_here(bundle, tmp_path):
    (bundle / "embedder.engine").write_bytes(b"")
    with pytest.raises(ModelError, match="embedder.engine: is a network that the manifest does not list"):
        pack(bundle, SETTINGS, tmp_path)


def test_a_place_that_takes_nothing(bundle, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written .*; choose another --out"):
        pack(bundle, SETTINGS, tmp_path / "file" / "a.tar.gz")


@pytest.fixture
def settings(monkeypatch):
    """Settings without Hydra; a list of what was asked for."""
    asked = []

    def resolve(overrides):
        asked.append(list(overrides))
        return dict(SETTINGS)

    monkeypatch.setattr(pack_command, "resolve", resolve)
    return asked


def test_the_command(bundle, tmp_path, settings, capsys):
    argv = ["source=csi://0", "--bundle", str(bundle), "loop=true", "--out", str(tmp_path / "a.tar.gz"), "seconds=3"]
    assert main(argv) == 0
    assert sorted(settings[0]) == ["loop=true", "seconds=3", "source=csi://0"]
    said = capsys.readouterr().out
    assert "KFACE_STREAM_ID and KFACE_STREAM_PASSWORD in /etc/kface/environment" in said
    assert "install.sh" in said.splitlines()[-1]
    with gzip.open(str(tmp_path / "a.tar.gz")) as stream:
        assert stream.read(1)


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--port", "22"], "pack: --port: requires --host"),
        (["--dry-run"], "pack: --dry-run: requires --host"),
        (["--host", "-oProxyCommand=touch x"], "is not a board's address"),
        (["--bundle", "no/such/bundle"], "is not a bundle"),
    ],
)
def test_what_the_command_refuses(argv, text, settings, capsys, tmp_path):
    assert main(argv + ["--out", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert text in told
    assert len(told.splitlines()) == 1


def test_without_any_bundle(settings, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.delenv("KFACE_BUNDLE", raising=False)
    assert main([]) == 2
    assert "pass --bundle DIR, or create one: kface export" in capsys.readouterr().err


def test_a_board_s_commands_from_the_archive(bundle, tmp_path):
    (tmp_path / "board").mkdir()
    top = unpack(pack(bundle, SETTINGS, tmp_path / "a.tar.gz"), tmp_path / "board")
    seen = {}
    for words in (("--help",), ("deploy", "--help"), ("__complete", "deploy", "stream="), ("train", "--help")):
        argv = launch.command(sys.executable, str(top / "src"), str(tmp_path / "wheels"), "kface", list(words))
        done = subprocess.Popen(argv, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = done.communicate(timeout=120)
        seen[words[0] if len(words) < 3 else "TAB"] = (done.returncode, out.decode("utf-8"), err.decode("utf-8"))
    assert "\n  gallery " in seen["--help"][1]
    assert "\n  train " not in seen["--help"][1]
    assert seen["train"] == (2, "", "kface: train: not available on a board; run it on a workstation\n")
    assert re.search(r"^  outputs.json ", seen["deploy"][1], re.MULTILINE), seen["deploy"]
    assert "stream=csi" in seen["TAB"][1]


def test_options_that_are_none(capsys):
    with pytest.raises(SystemExit):
        main(["--hots", "x", "--frobnicate"])
    assert capsys.readouterr().err == "kface pack: --hots: unknown option; write --host, or see kface pack --help\n"


def test_with_hydra_a_group_can_be_chosen(bundle, tmp_path, capsys):
    pytest.importorskip("hydra")
    assert main(["stream=csi", "--bundle", str(bundle), "--out", str(tmp_path / "a.tar.gz")]) == 0
    assert "source: csi://0" in capsys.readouterr().out
    assert main(["stream.password=x", "--bundle", str(bundle)]) == 2
    assert "password must not be an argument" in capsys.readouterr().err
