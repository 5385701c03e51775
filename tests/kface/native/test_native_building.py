"""Building the kernels, finding them again, and doing without them."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from native_tools import needs_compiler

from kface.errors import ConfigError, KFaceError, ModelError
from kface.native import Kernels, kernels, load, loading, status
from kface.native import build as build_module
from kface.native.__main__ import main
from kface.native.build import build

SOURCES = Path(loading.__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """A cache of the test's own, and a process that has not chosen yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(loading.VARIABLE, raising=False)
    loading.forget()
    yield
    loading.forget()


@pytest.fixture
def compiled_once(compiled_and_path, monkeypatch):
    """What these tests build is a copy: how it is compiled is no part of them, and takes seconds."""
    path = str(compiled_and_path[1])
    monkeypatch.setattr(build_module, "_compile", lambda compiler, out: shutil.copyfile(path, out))


def test_without_them_numpy_computes():
    assert not kernels().compiled
    assert status() == "not built (python -m kface.native build)"
    assert kernels().suppress([[0, 0, 9, 9], [0, 0, 9, 9.5]], 0.5).tolist() == [0]
    with pytest.raises(ModelError, match="python -m kface.native build"):
        load()


@needs_compiler
def test_a_process_uses_what_was_built(capsys):
    assert not kernels().compiled
    assert main(["build"]) == 0
    path = capsys.readouterr().out.strip()
    assert kernels().compiled
    assert status() == path
    assert kernels() is kernels()
    assert load().path == path
    assert main(["status"]) == 0
    assert capsys.readouterr().out.strip() == path
    # Built once: the same file, untouched.
    before = os.stat(path).st_mtime_ns
    assert str(build()) == path
    assert os.stat(path).st_mtime_ns == before
    assert [name for name in os.listdir(os.path.dirname(path)) if name.startswith(".tmp")] == []


@needs_compiler
def test_other_sources_are_another_build(compiled_once, monkeypatch):
    build()
    assert kernels().compiled
    loading.forget()
    monkeypatch.setattr(loading, "source_hash", lambda: "0" * 16)
    assert not kernels().compiled


def test_the_hash_follows_the_sources(tmp_path, monkeypatch):
    (tmp_path / "src").mkdir()
    monkeypatch.setattr(loading, "HERE", tmp_path)
    hashes = [loading.source_hash()]
    for name, text in (("a.cpp", "1"), ("a.cpp", "2"), ("b.h", "2"), ("b.h", ""), ("c.txt", "not a source")):
        (tmp_path / "src" / name).write_text(text)
        hashes.append(loading.source_hash())
    assert len(set(hashes)) == 5
    assert hashes[-1] == hashes[-2]


@needs_compiler
def test_switched_off(compiled_once, monkeypatch):
    build()
    monkeypatch.setenv(loading.VARIABLE, "off")
    assert not kernels().compiled
    assert status() == "KFACE_NATIVE=off"


@needs_compiler
def test_a_named_file(compiled_once, monkeypatch, tmp_path):
    path = build(tmp_path / "mine")
    assert not kernels().compiled
    loading.forget()
    monkeypatch.setenv(loading.VARIABLE, str(path))
    assert kernels().compiled
    assert status() == str(path)


@needs_compiler
def test_a_wheel_of_another_machine_does_not_stand_in_the_way(compiled_once, monkeypatch, tmp_path):
    path = build()
    beside = tmp_path / "here"
    shutil.copytree(str(loading.HERE), str(beside))
    (beside / loading.BESIDE).write_bytes(b"\x7fELF of another machine")
    monkeypatch.setattr(loading, "HERE", beside)
    loading.forget()
    assert kernels().compiled
    assert status() == str(path)
    shutil.copyfile(str(path), str(beside / loading.BESIDE))
    loading.forget()
    assert status() == str(beside / loading.BESIDE)


def test_a_named_file_that_is_not_there_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv(loading.VARIABLE, str(tmp_path / "absent.so"))
    with pytest.raises(ModelError, match=r"absent\.so: does not exist; set KFACE_NATIVE"):
        kernels()


@needs_compiler
@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows is installed here")
def test_what_others_may_write_is_not_loaded(compiled_once):
    path = str(build())
    for name in (path, os.path.dirname(path)):
        mode = stat.S_IMODE(os.stat(name).st_mode)
        os.chmod(name, mode | 0o020)
        loading.forget()
        assert not kernels().compiled
        assert "can be written by other users" in status()
        os.chmod(name, mode)
    loading.forget()
    assert kernels().compiled


@needs_compiler
def test_a_damaged_file_is_not_used(compiled_once):
    path = build()
    path.write_bytes(b"\x7fELF")
    assert not kernels().compiled
    assert "is not kface's kernels" in status()


@pytest.fixture
def other_library(tmp_path):
    """Return a function that compiles a shared object of a C text."""
    compiler = build_module.find_compiler()
    if compiler is None:
        pytest.skip("there is no C++ compiler (apt-get install g++)")

    def make(text):
        source, out = tmp_path / "other.cpp", tmp_path / "other.so"
        source.write_text('extern "C" {' + text + "}")
        subprocess.run([compiler, "-shared", "-fPIC", str(source), "-o", str(out)], check=True)
        return str(out)

    return make


def test_another_version_is_refused(other_library):
    with pytest.raises(ModelError, match=r"has interface version 99, and 2 is needed; python -m kface\.native build"):
        load(other_library("int kface_native_abi() { return 99; }"))


def test_another_library_is_refused(other_library):
    with pytest.raises(ModelError, match="is not kface's kernels"):
        load(other_library("int something_else() { return 1; }"))


def test_no_compiler(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ConfigError, match=r"there is no C\+\+ compiler"):
        build()


def test_a_compiler_that_fails(monkeypatch, tmp_path, capsys):
    broken = tmp_path / "broken-compiler"
    broken.write_text("#!/bin/sh\n[ \"$1\" = --version ] || { echo 'fatal error: no luck' >&2; exit 1; }\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    with pytest.raises(KFaceError, match="no luck"):
        build()
    assert main(["build"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert os.listdir(str(loading.default_folder())) == []


def test_a_compiler_whose_work_cannot_be_loaded(monkeypatch, tmp_path):
    broken = tmp_path / "broken-compiler"
    broken.write_text("#!/bin/sh\nexit 0\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    with pytest.raises(KFaceError, match="cannot be loaded"):
        build()
    assert os.listdir(str(loading.default_folder())) == []


def test_importing_it_takes_numpy_alone():
    code = (
        "import sys; import kface.native; "
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'cv2', 'onnxruntime', 'onnx', 'tensorflow'}))"
        "; print('kface.mtcnn' in sys.modules)"
    )
    environment = dict(os.environ, PYTHONPATH=str(SOURCES))
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment, check=True)
    assert done.stdout.decode().split("\n")[:2] == ["[]", "False"]


def test_a_subclass_has_to_compute():
    with pytest.raises(NotImplementedError):
        Kernels().suppress(np.zeros((1, 4)), 0.5)
