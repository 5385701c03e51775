"""A wheel holds what a checkout has: the configuration, the page, the board's files; and its command works from anywhere."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kface.native.build import find_compiler

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="there is no C++ compiler (apt-get install g++)")
ROOT = Path(__file__).resolve().parents[1]
#: Builds the source archive into a directory, and a wheel from what is in that.
BUILD = """
import os, sys, tarfile
from setuptools import build_meta
out = sys.argv[1]
name = build_meta.build_sdist(out)
with tarfile.open(os.path.join(out, name)) as archive:
    archive.extractall(out, filter="data")
os.chdir(os.path.join(out, name[: -len(".tar.gz")]))
print(build_meta.build_wheel(out))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return the directory of a wheel that was built from the source archive and unpacked."""
    setuptools = pytest.importorskip("setuptools", minversion="77")
    assert setuptools
    out = tmp_path_factory.mktemp("wheel")
    source = out / "source"
    files = (
        subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    )
    for name in filter(None, files):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink():
            target.symlink_to(os.readlink(ROOT / name))
        elif (ROOT / name).exists():
            target.write_bytes((ROOT / name).read_bytes())
    done = subprocess.run([sys.executable, "-c", BUILD, str(out)], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(out / "site")
    return out / "site"


def kface(installed, where, *words):
    """Run kface as it is installed, its dependencies being this Python's."""
    own = ROOT / "src"
    others = [path for path in sys.path if path and Path(path).resolve() not in (own, ROOT)]
    env = {key: value for key, value in os.environ.items() if not key.startswith("KFACE")}
    env["PYTHONPATH"] = os.pathsep.join([str(installed), *others])
    return subprocess.run([sys.executable, "-m", "kface", *words], cwd=where, env=env, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "inside"), [("conf", "kface/conf"), ("src/deploy/web/page", "deploy/web/page"),
                                                ("src/deploy/jetson/files", "deploy/jetson/files"),
                                                ("src/kface/native/include", "kface/native/include"),
                                                ("src/kface/native/src", "kface/native/src")])  # fmt: skip
def test_every_file_is_in_the_wheel(installed, folder, inside):
    there = {
        path.relative_to(ROOT / folder): path.read_bytes() for path in (ROOT / folder).rglob("*") if path.is_file()
    }
    found = {
        path.relative_to(installed / inside): path.read_bytes()
        for path in (installed / inside).rglob("*")
        if path.is_file()
    }
    assert found == there


@pytest.mark.slow
@needs_compiler
def test_the_wheel_has_the_kernels(installed, tmp_path):
    (about,) = installed.glob("*.dist-info/WHEEL")
    assert "Tag: py3-none-" in about.read_text()
    assert "Tag: py3-none-any" not in about.read_text()
    code = "import kface.native as native; print(native.kernels().compiled, native.status())"
    env = dict(os.environ, PYTHONPATH=str(installed), XDG_CACHE_HOME=str(tmp_path))
    env.pop("KFACE_NATIVE", None)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout.split() == ["True", str(installed / "kface/native/kface_native.so")], done.stderr


@pytest.mark.slow
def test_it_works_where_one_stands(installed, tmp_path):
    pytest.importorskip("hydra")
    (entry,) = installed.glob("*.dist-info/entry_points.txt")
    assert "kface = kface.commands:main" in entry.read_text()
    done = kface(installed, tmp_path, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    done = kface(installed, tmp_path, "train", "--help")
    assert "fit.epochs" in done.stdout
    done = kface(installed, tmp_path, "deploy", "stream=csi", "--show")
    assert "kind: csi" in done.stdout, done.stderr
    done = kface(
        installed,
        tmp_path,
        "sample",
        "corpus=sample-small",
        "corpus.identities=2",
        "corpus.views=0",
        "progress=false",
        "jobs=1",
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert list((tmp_path / "data").glob("sample-2x0x2-seed0*/**/*.jpg"))
