"""The engines: what a template is, what fails, and under which key templates are kept."""

import sys
import types
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import models_or_skip, tiny_embedder, write_bundle

from kface.errors import ConfigError, ImageError
from kface.kisa.engines import EngineFacts, NullEngine
from kface.kisa.library_engine import LibraryEngine
from kface.kisa.python_engine import PythonEngine, sources_sha256
from kface.verification import eer


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("bundle") / "made", tiny_embedder(), models=models_or_skip())


@pytest.fixture(scope="module")
def faces():
    """Three images: two with a face, and one without."""
    from kface.kisa.sample_images import images, person_names

    found = {condition.key: picture for condition, picture in images(person_names(1)[0], 0)}
    return [found["enrolment_neutral"], found["light_45"], np.full((480, 640, 3), 90, np.uint8)]


def test_equal_facts_have_equal_keys_and_all_of_them_count():
    facts = EngineFacts("python", "1", "m", "f", {"detector": {"min_face": 40.0}})
    same = EngineFacts("python", "1", "m", "f", {"detector": {"min_face": 40.0}})
    assert facts.key == same.key
    others = [
        EngineFacts("library", "1", "m", "f", facts.settings),
        EngineFacts("python", "2", "m", "f", facts.settings),
        EngineFacts("python", "1", "m", "g", facts.settings),
        EngineFacts("python", "1", "m", "f", {"detector": {"min_face": 41.0}}),
    ]
    assert len({facts.key, *(other.key for other in others)}) == 5


def test_the_null_engine_tells_nobody_from_anybody():
    random = np.random.RandomState(0)
    engine = NullEngine()
    images = [random.randint(0, 256, (8, 8, 3), np.uint8) for _ in range(80)]
    made = engine.enrol([*images, images[0]])
    assert not any(each.failed for each in made)
    assert made[0].data == made[-1].data != made[1].data
    data = np.stack([np.frombuffer(each.data, np.uint8) for each in made[:80]])
    scores = engine.scores(data[40:], data[:40])
    assert np.abs(scores).max() <= 1
    genuine = np.eye(40, dtype=bool).reshape(-1)
    assert 0.3 < eer(scores.reshape(-1), genuine)[0] < 0.7


def test_the_python_chain_makes_templates_of_the_largest_face(bundle, faces):
    with PythonEngine(bundle, detector={"min_face": 60.0, "brighten": []}) as engine:
        made = engine.enrol(faces)
        assert [each.reason for each in made] == [None, None, "no face was found"]
        assert {len(each.data) for each in made} == {engine.template_bytes} == {4 * 147}
        data = np.stack([np.frombuffer(each.data, np.uint8) for each in made[:2]])
        scores = engine.scores(data, data)
        np.testing.assert_allclose(np.diag(scores), 1, atol=1e-5)
        # One image that is none does not take the others with it.
        odd = engine.enrol([faces[0], np.zeros((0, 0, 3), np.uint8)])
        assert [each.failed for each in odd] == [False, True]
        assert odd[0].data == made[0].data
        assert engine.facts.settings["detector"] == {"min_face": 60.0, "brighten": []}
        key = engine.facts.key
    with PythonEngine(bundle, detector={"min_face": 80.0, "brighten": []}) as other:
        assert other.facts.key != key


Made = namedtuple("Made", "data failed reason")


class FakeLibrary:
    """What :mod:`kface.library` offers, as far as the engine needs it."""

    version = "9.9"
    template_size = 3
    fingerprint = "cd" * 32

    def __init__(self, path=None):
        self.path = path
        self.closed = False

    def open(self, bundle, **options):
        self.options = options
        return self

    def enrol(self, image, failures=False):
        assert failures
        if image.size == 0:
            raise ImageError("has no pixels")
        value = int(image[0, 0, 0])
        return Made(bytes([value] * 3), value == 0, "no face" if value == 0 else None)

    def match_many(self, probes, templates):
        return np.array([[1 - abs(a[0] - b[0]) / 255 for b in templates] for a in probes])

    def close(self):
        self.closed = True


def test_the_library_s_templates_and_similarities_are_its_own(tmp_path, monkeypatch):
    module = types.ModuleType("kface.library")
    module.Library = FakeLibrary
    monkeypatch.setitem(sys.modules, "kface.library", module)
    made = write_bundle(tmp_path / "bundle", tiny_embedder())
    library = tmp_path / "libkface.so"
    library.write_bytes(b"one")
    engine = LibraryEngine(made, library, "onnx", {"min_face": 60.0, "brighten": ["clahe"]})
    assert engine._engine.options == {"embedder": "onnx", "min_face": 60.0, "brighten": ["clahe"]}
    images = [np.full((2, 2, 3), value, np.uint8) for value in (10, 0)] + [np.zeros((0, 2, 3), np.uint8)]
    found = engine.enrol(images)
    assert [each.reason for each in found] == [None, "no face", "has no pixels"]
    assert found[0].data == bytes([10] * 3)
    assert found[2].data == bytes(3)
    rows = np.array([[10] * 3, [200] * 3], np.uint8)
    np.testing.assert_allclose(engine.scores(rows, rows), [[1, 1 - 190 / 255], [1 - 190 / 255, 1]], atol=1e-6)
    assert (engine.facts.version, engine.facts.fingerprint) == ("9.9", "cd" * 32)
    library.write_bytes(b"two")
    assert LibraryEngine(made, library, "onnx", {"min_face": 60.0, "brighten": ["clahe"]}).facts.key != engine.facts.key
    engine.close()
    assert engine._engine.closed


def test_without_the_library_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kface.library", None)
    with pytest.raises(ConfigError, match="engine=library: this kface has no C\\+\\+ library; use engine=python"):
        LibraryEngine(Path("nowhere"))


@pytest.mark.parametrize(("key", "value"), [("thresholds", [0.5, 0.7, 0.8]), ("factor", 0.8)])
def test_the_library_is_not_tested_with_settings_that_it_does_not_read(tmp_path, monkeypatch, key, value):
    module = types.ModuleType("kface.library")
    module.Library = FakeLibrary
    monkeypatch.setitem(sys.modules, "kface.library", module)
    made = write_bundle(tmp_path / "bundle", tiny_embedder())
    library = tmp_path / "libkface.so"
    library.write_bytes(b"one")
    with pytest.raises(ConfigError, match=f"detector.{key}: is .*, and engine=library reads .* from deploy.yaml"):
        LibraryEngine(made, library, detector={key: value})
    default = LibraryEngine(made, library, detector={})
    (made / "deploy.yaml").write_text(f"detector:\n  {key}: {value}\n", encoding="utf-8")
    engine = LibraryEngine(made, library, detector={key: value})
    assert engine.facts.settings["detector"][key] == value
    assert engine.facts.key != default.facts.key


def test_edited_sources_make_other_templates(tmp_path):
    (tmp_path / "kisa").mkdir()
    (tmp_path / "mtcnn").mkdir()
    (tmp_path / "mtcnn" / "boxes.py").write_text("a", encoding="utf-8")
    (tmp_path / "kisa" / "report.py").write_text("a", encoding="utf-8")
    first = sources_sha256(tmp_path)
    (tmp_path / "kisa" / "report.py").write_text("b", encoding="utf-8")
    assert sources_sha256(tmp_path) == first
    (tmp_path / "mtcnn" / "boxes.py").write_text("b", encoding="utf-8")
    assert sources_sha256(tmp_path) != first
