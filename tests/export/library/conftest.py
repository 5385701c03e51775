"""The C++ library, built once, and a small bundle that OpenCV reads."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import models_or_skip, tiny_embedder, write_bundle

from export.golden_pictures import golden_pictures
from kface import bundle
from kface.bundle import golden_writer
from kface.data.sample import clip
from kface.errors import ModelError
from kface.library import Library

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ROOT / "src" / "export" / "library"


@pytest.fixture(scope="session")
def build_folder(tmp_path_factory):
    """A build of the library with its programs and tests; minutes."""
    for program in ("cmake", "c++"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is absent (scripts/system-packages library)")
    folder = tmp_path_factory.mktemp("library")
    configure = ["cmake", "-S", str(SOURCES), "-B", str(folder), "-DCMAKE_BUILD_TYPE=Release"]
    if shutil.which("ninja"):
        configure += ["-G", "Ninja"]
    done = subprocess.run(configure, capture_output=True, text=True)
    if done.returncode and "OpenCV" in done.stderr:
        pytest.skip("OpenCV's headers are absent (scripts/system-packages library)")
    assert done.returncode == 0, done.stderr
    done = subprocess.run(["cmake", "--build", str(folder), "--parallel", "2"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert "warning:" not in done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def library(request):
    """The library that KFACE_LIBRARY names or `make library` built; otherwise a build of its own."""
    try:
        return Library()
    except ModelError:
        return Library(request.getfixturevalue("build_folder"))


@pytest.fixture(scope="session")
def frames():
    """uint8 (h, w, 3), RGB: pictures of several synthetic people."""
    return clip.frames()[10:60:10]


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory):
    """A bundle with the real cascade, an embedder of averages, and golden vectors with complete pictures."""
    models = models_or_skip()
    folder = write_bundle(tmp_path_factory.mktemp("bundle") / "small", tiny_embedder(), models=models, name="small")
    found = golden_pictures(folder / "detector")
    crops = found.crops
    inputs = ((crops.astype(np.float64) - 127.5) / 128).transpose(0, 3, 1, 2)
    pooled = inputs.reshape(len(crops), 3, 7, 16, 7, 16).mean(axis=(3, 5))
    vectors = (pooled - pooled.mean(axis=(2, 3), keepdims=True)).reshape(len(crops), -1)
    files = golden_writer.write(folder, crops, vectors, pictures=found.pictures, detector=found.settings)
    manifest = bundle.load(folder).manifest
    bundle.write(folder, manifest._replace(files=manifest.files + files))
    return folder


@pytest.fixture(scope="session")
def engine(library, small_bundle):
    """The small bundle, opened by the library."""
    with library.open(small_bundle) as opened:
        yield opened
