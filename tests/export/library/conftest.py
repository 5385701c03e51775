"""The C++ library, built once, and a small bundle that OpenCV reads."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import tiny_embedder

from kface import bundle
from kface.bundle import golden
from kface.data.sample import clip
from kface.errors import KFaceError, ModelError
from kface.library import Library
from kface.mtcnn import Detector, weights
from kface.recognizer.crops import crops_of

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
def small_bundle(tmp_path_factory, frames):
    """A bundle with the real cascade, an embedder of averages, and golden vectors of the sample's faces."""
    try:
        models = weights.prepare()
    except KFaceError as error:
        pytest.skip(f"the detector's networks are absent ({error})")
    with Detector(models, min_face=39.8) as detector:
        crops = np.concatenate([crops_of(frame, detector.detect(frame)) for frame in frames])[:6]
    folder = tmp_path_factory.mktemp("bundle") / "small"
    (folder / "detector").mkdir(parents=True)
    about = {"batch": "dynamic", "input": "image", "layout": "NCHW", "precision": "fp32", "opset": 13}
    (folder / "embedder.onnx").write_bytes(tiny_embedder())
    files = [bundle.describe(folder, "embedder.onnx", "embedder", outputs=("embedding",), normalised=False, **about)]
    for source in sorted(models.iterdir()):
        (folder / "detector" / source.name).write_bytes(source.read_bytes())
        facts = dict(about, outputs=("logits",)) if source.suffix == ".onnx" else {}
        files.append(bundle.describe(folder, "detector/" + source.name, "detector", **facts))
    inputs = ((crops.astype(np.float64) - 127.5) / 128).transpose(0, 3, 1, 2)
    pooled = inputs.reshape(len(crops), 3, 7, 16, 7, 16).mean(axis=(3, 5))
    files += golden.write(folder, crops, (pooled - pooled.mean(axis=(2, 3), keepdims=True)).reshape(len(crops), -1))
    preprocessing, template = bundle.Preprocessing(), bundle.Template()
    bundle.write(
        folder,
        bundle.Manifest(
            name="small",
            created="2024-05-06T07:08:09+00:00",
            files=tuple(files),
            embedding=147,
            fingerprint=bundle.fingerprint(files[0].sha256, preprocessing, template),
            training={},
            thresholds=None,
            synthetic=True,
            licence="Apache-2.0",
            provenance=(),
        ),
    )
    return folder


@pytest.fixture(scope="session")
def engine(library, small_bundle):
    """The small bundle, opened by the library."""
    with library.open(small_bundle) as opened:
        yield opened
