"""A library that implements kface.h by arithmetic, compiled of one C file."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kface.library import Library

HERE = Path(__file__).resolve().parent
HEADER = HERE.parents[2] / "src" / "export" / "library" / "include"


@pytest.fixture(scope="session")
def make_fake(tmp_path_factory):
    """Return a function that compiles the fake library with definitions, and returns its path."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (apt-get install gcc)")

    def make(*definitions):
        out = tmp_path_factory.mktemp("fake") / "libkface.so"
        command = [compiler, "-std=c11", "-shared", "-fPIC", "-Wall", "-Wextra", "-I", str(HEADER)]
        command += ["-D" + each for each in definitions]
        subprocess.run(command + [str(HERE / "fake_kface.c"), "-o", str(out), "-lm"], check=True)
        return str(out)

    return make


@pytest.fixture(scope="session")
def fake_path(make_fake):
    """The path of a fake library that fits."""
    return make_fake()


@pytest.fixture
def library(fake_path):
    """A fake library."""
    return Library(fake_path)


@pytest.fixture
def make_bundle(tmp_path):
    """Return a function that makes a bundle for the fake library: a folder with its model's number."""

    def make(model=5, name="bundle"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model").write_text(str(model))
        return folder

    return make


@pytest.fixture
def engine(library, make_bundle):
    """An opened bundle of the fake library."""
    with library.open(make_bundle()) as opened:
        yield opened


@pytest.fixture(scope="session")
def real():
    """The real library and a bundle: KFACE_LIBRARY and KFACE_BUNDLE name them."""
    path, bundle = os.environ.get("KFACE_LIBRARY"), os.environ.get("KFACE_BUNDLE")
    if not path or not bundle:
        pytest.skip("no bundle was exported, or no library was built: set KFACE_LIBRARY and KFACE_BUNDLE")
    return Library(path), bundle
