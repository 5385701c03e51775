"""The installed runtimes on real networks: all agree, and a wrong one is found."""

import numpy as np
import pytest
from tiny_bundle import models_or_skip, tiny_embedder, write_bundle

from kface import bundle
from kface.alignment import align
from kface.bundle import golden, golden_writer
from kface.check import chains, check_bundle
from kface.data.layout import Capture
from kface.data.sample import render, subject_names
from kface.mtcnn import Detector
from kface.networks import RUNTIMES, runtimes
from kface.recognizer.embedder import Embedder

SETTINGS = golden.DetectorSettings()


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A bundle of the real cascade and a tiny embedder, with one golden picture."""
    models = models_or_skip()
    place = write_bundle(tmp_path_factory.mktemp("check") / "bundle", tiny_embedder(), models=models)
    opened = bundle.load(place)
    rgb = np.ascontiguousarray(render(Capture(subject_names(1, 0)[0], 1, 1, 1, 7), 0)[0][::2, ::2])
    with Detector(models, runtime=runtimes(".onnx", gpu=False)[0]) as detector:
        faces = detector.detect(rgb)
    assert faces.count == 1
    crops = align(rgb, faces.landmarks)
    vectors = Embedder(opened, runtimes(".onnx", gpu=False)[0]).run(crops).vectors
    files = golden_writer.write(place, crops, vectors, None, [(rgb, faces)], SETTINGS)
    bundle.write(place, opened.manifest._replace(files=opened.manifest.files + files))
    return place


def check(directory):
    opened = bundle.load(directory)
    known = golden.read(opened)
    names = [name for name in runtimes(".onnx") if not RUNTIMES[name].gpu]
    return check_bundle(opened, known, chains(opened, known.detector, names)), names


def test_every_runtime_is_right(directory):
    found, names = check(directory)
    assert [one.wrong for one in found] == [""] * len(found)
    for stage in ("detection", "embedding", "chain"):
        assert [one.runtime for one in found if one.stage == stage] == names
    assert all(one.landmarks < 1e-3 for one in found if one.stage == "detection")
    assert all(one.version not in ("", "unknown") for one in found)


def test_a_wrong_runtime_is_found(directory, monkeypatch):
    name = runtimes(".onnx", gpu=False)[-1]
    taken = Embedder._prepare
    monkeypatch.setattr(
        Embedder, "_prepare", lambda self, crops: taken(self, crops[..., ::-1] if self.runtime == name else crops)
    )
    found, _ = check(directory)
    assert [(one.stage, one.runtime) for one in found if one.wrong] == [("embedding", name), ("chain", name)]
