"""Engines are code: those that another user could have written are not loaded."""

import os
import stat
from types import SimpleNamespace

import pytest

from kface.errors import ModelError
from kface.networks import open_network, read_network
from kface.tensorrt import get_engine, sidecar, trust
from kface.tensorrt.adapter import open_engine


def mode(path):
    return stat.S_IMODE(os.stat(str(path)).st_mode)


@pytest.fixture
def engine(tmp_path):
    folder = tmp_path / "engines"
    folder.mkdir(mode=0o700)
    sidecar.write(folder / "x.engine", b"plan", {"schema": sidecar.SCHEMA})
    return folder / "x.engine"


def refused(path, message):
    for read in (trust.read, open_engine, read_network):
        with pytest.raises(ModelError, match=message) as caught:
            read(path)
        assert "\n" not in str(caught.value)


def test_what_is_written_here_can_be_read_here_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        sidecar.write(tmp_path / "x.engine", b"plan", {"schema": sidecar.SCHEMA})
    finally:
        os.umask(before)
    for path in (tmp_path / "x.engine", tmp_path / "x.engine.json"):
        assert mode(path) == 0o644
        trust.read(path)
    assert sidecar.check(tmp_path / "x.engine", b"plan")["bytes"] == 4


@pytest.mark.parametrize("bits", [0o020, 0o002, 0o022, 0o777])
def test_what_others_can_write(engine, bits):
    os.chmod(str(engine), 0o644 | bits)
    refused(engine, r"x.engine: can be written by other users \(mode 0.*chmod go-w")
    os.chmod(str(engine), 0o600)
    assert trust.read(engine) == b"plan"
    os.chmod(str(engine.parent), 0o700 | bits)
    refused(engine, r"engines: can be written by other users")
    os.chmod(str(engine.parent), 0o700)
    os.chmod(sidecar.path_of(engine), 0o644 | bits)
    with pytest.raises(ModelError, match="x.engine.json: can be written by other users"):
        sidecar.check(engine, b"plan")


def test_a_shared_folder_that_keeps_others_out_will_do(engine):
    os.chmod(str(engine.parent), 0o1777)
    assert trust.read(engine) == b"plan"


def test_what_belongs_to_another_user(engine, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(str(engine)).st_uid + 1000)
    if os.stat(str(engine)).st_uid:
        refused(engine, r"belongs to another user \(uid \d+\), and engines are code")
    # The system's own are root's.
    real = os.stat(str(engine))
    found = SimpleNamespace(st_uid=0, st_mode=real.st_mode)
    trust._check_owner(found, "x.engine")
    found.st_uid = 4242
    with pytest.raises(ModelError, match=r"x.engine: belongs to another user \(uid 4242\)"):
        trust._check_owner(found, "x.engine")


def test_what_is_no_file(engine):
    engine.unlink()
    os.mkfifo(str(engine))
    refused(engine, "is not a file")
    engine.unlink()
    engine.mkdir()
    refused(engine, "is not a file")
    refused(engine.parent / "absent.engine", "cannot be read")


def test_an_uppercase_ending_is_no_way_around(engine):
    os.chmod(str(engine), 0o666)
    engine.rename(engine.parent / "X.ENGINE")
    with pytest.raises(ModelError, match="can be written by other users"):
        read_network(engine.parent / "X.ENGINE")


def test_the_cache_is_its_owners_alone(board, models, tmp_path):
    folder = tmp_path / "a" / "engines"
    before = os.umask(0)
    try:
        path = get_engine(models / "rnet.onnx", precision="fp32", directory=folder)
    finally:
        os.umask(before)
    assert mode(folder) == 0o700
    assert mode(path) == 0o644
    os.chmod(str(folder), 0o770)
    with pytest.raises(ModelError, match="engines: can be written by other users"):
        get_engine(models / "rnet.onnx", precision="fp32", directory=folder)
    os.chmod(str(folder), 0o700)
    # One that others could have changed is built anew, and not run.
    os.chmod(str(path), 0o666)
    assert get_engine(models / "rnet.onnx", precision="fp32", directory=folder) == path
    assert mode(path) == 0o644


def test_an_engine_in_a_folder_of_everybodys_is_not_opened(board, models, tmp_path, monkeypatch):
    monkeypatch.setenv("KFACE_ENGINES", str(tmp_path / "shared"))
    (tmp_path / "shared").mkdir()
    os.chmod(str(tmp_path / "shared"), 0o777)
    with pytest.raises(ModelError, match="shared: can be written by other users"):
        open_network(models / "rnet.onnx", "tensorrt")


@pytest.mark.parametrize(
    "text",
    ["[" * 100000, '{"schema": 1' + "0" * 400 + "}", '{"schema": NaN}', '"\\ud800"', "[]", "{}", "²", '{"schema": {}}'],
)
def test_a_sidecar_of_anything_is_one_line(engine, text):
    with open(sidecar.path_of(engine), "w", encoding="utf-8") as stream:
        stream.write(text)
    with pytest.raises(ModelError, match="x.engine.json: is damaged") as caught:
        sidecar.check(engine, b"plan")
    assert "\n" not in str(caught.value)
