"""Templates, verification and identification: with fakes, and with real networks in a bundle."""

import numpy as np
import pytest
import recognizer_fakes as fakes
from recognizer_fakes import POINT, SIZE, FakeDetector, FakeEmbedder, Gallery, faces_at, grey, unit
from tiny_bundle import models_or_skip, tiny_embedder, write_bundle

from kface import alignment, bundle
from kface.bundle import BundlePreprocessing
from kface.errors import ConfigError, ImageError, ModelError
from kface.images import encode_png
from kface.mtcnn import Detector
from kface.mtcnn.settings import BRIGHTEN
from kface.recognizer import FaceRecognizer, OperatingPoint
from kface.recognizer import embedder as embedder_module
from kface.recognizer.embedder import LARGEST, Embedder
from kface.verification.scores import FAILED

#: Faces by the grey level of the image: 10 and 20 show one, 30 two, 255 one that cannot be embedded; others show none.
FOUND = {
    10: faces_at([(150, 100, 90)]),
    11: faces_at([(150, 100, 90)]),
    20: faces_at([(150, 100, 90)]),
    30: faces_at([(60, 100, 50), (200, 100, 120)]),
    255: faces_at([(150, 100, 90)]),
}


def recognizer(operating_point=POINT):
    return FaceRecognizer(FakeDetector(FOUND), FakeEmbedder(), "f" * 64, operating_point)


def test_a_template_for_each_image_in_one_batch():
    made = recognizer()
    found = made.embed([grey(10), grey(99), grey(30), grey(255), grey(20)])
    assert made.embedder.batches == [4]
    assert found.failed.tolist() == [False, True, False, True, False]
    assert found.reasons[0] is None
    assert found.reasons[1] == "no face was found"
    assert "finite" in found.reasons[3]
    np.testing.assert_array_equal(found.embeddings, [unit(1), np.zeros(SIZE), unit(3), np.zeros(SIZE), unit(2)])
    # Of two faces the larger one, wherever the detector ranks it.
    np.testing.assert_array_equal(found.faces.boxes[2], [140, 40, 260, 160])
    assert found.crops.shape == (5, 112, 112, 3)
    assert not found.crops[1].any()
    assert found.crops[4, 56, 56, 0] == 20
    assert found.fingerprint == "f" * 64


def test_one_image_and_none_at_all():
    made = recognizer()
    assert made.embed(grey(10)).embeddings.shape == (1, SIZE)
    assert made.embed(np.stack([grey(10), grey(20)])).embeddings.shape == (2, SIZE)
    assert made.embed([]).embeddings.shape == (0, SIZE)
    (template,) = made.embed(grey(99)).one_by_one()
    assert (template.failed, template.reason, template.score) == (True, "no face was found", 0.0)


def test_all_faces_of_an_image():
    found = recognizer().faces(grey(30))
    assert [face.box.tolist() for face in found] == FOUND[30].boxes.tolist()
    assert [face.score for face in found] == FOUND[30].scores.tolist()
    assert not any(face.failed for face in found)
    np.testing.assert_array_equal(found[1].landmarks, FOUND[30].landmarks[1])
    assert recognizer().faces(grey(99)) == []


def test_landmarks_that_cannot_be_aligned_fail_alone():
    broken = FOUND[30]._replace(landmarks=np.stack([np.full((5, 2), np.nan, np.float32), FOUND[30].landmarks[1]]))
    made = FaceRecognizer(FakeDetector({30: broken}), FakeEmbedder(), "f", POINT)
    first, second = made.faces(grey(30))
    assert (first.failed, second.failed) == (True, False)
    assert "aligned" in first.reason
    np.testing.assert_array_equal(second.embedding, unit(3))


def test_verification():
    same = recognizer().verify(grey(10), grey(11))
    assert same == (1.0, True, 0.6, 1e-4, None)
    other = recognizer().verify(grey(10), grey(20))
    assert (other.score, other.same) == (0.0, False)
    # In between is not the same person.
    assert not recognizer(OperatingPoint(0.1, -0.5)).verify(grey(10), grey(20)).same


def test_a_failure_to_enrol_verifies_nobody():
    found = recognizer().verify(grey(99), grey(99))
    assert (found.score, found.same) == (FAILED, False)
    assert found.reason == "first image: no face was found, second image: no face was found"
    assert recognizer().verify(grey(10), grey(99)).reason == "second image: no face was found"


def test_identification():
    gallery = Gallery({"ann": unit(3), "bob": unit(1)})
    first, second = recognizer().identify(grey(30), gallery)
    assert (first.state, first.name, first.score, first.fmr) == ("recognised", "ann", 1.0, 1e-4)
    assert second.state == "recognised"
    assert gallery.calls == [2]
    (unknown,) = recognizer().identify(grey(20), gallery)
    assert (unknown.state, unknown.name, unknown.score) == ("unknown", None, 0.0)
    likely = Gallery({"ann": fakes.mixed(unit(2), unit(9), 0.5)})
    (undecided,) = recognizer().identify(grey(20), likely)
    assert (undecided.state, undecided.name) == ("undecided", "ann")
    (failed,) = recognizer().identify(grey(255), gallery)
    assert (failed.state, failed.score, failed.face.failed) == ("unknown", FAILED, True)
    assert recognizer().identify(grey(10), Gallery())[0].state == "unknown"
    assert recognizer().identify(grey(99), gallery) == []


def test_a_search_among_many_is_stricter_than_a_comparison():
    strict = OperatingPoint(0.9, 0.9)
    made = FaceRecognizer(
        fakes.FakeDetector(FOUND),
        fakes.FakeEmbedder(),
        "f",
        POINT,
        lambda people: strict if people > 2 else POINT,
    )
    likely = {"ann": fakes.mixed(unit(3), unit(9), 0.8), "bob": unit(1)}
    assert made.identify(grey(30), Gallery(likely))[0].state == "recognised"
    assert made.identify(grey(30), Gallery(dict(likely, cal=unit(5))))[0].state == "unknown"
    assert made.operating_point_for(3) == strict
    assert made.needed_operating_point() == made.operating_point == POINT
    assert recognizer().operating_point_for(10**6) == POINT


def test_paths_and_what_is_no_image(tmp_path):
    path = tmp_path / "얼굴.png"
    path.write_bytes(encode_png(grey(10)))
    for image in (path, str(path)):
        assert recognizer().verify(image, grey(10)).same
    with pytest.raises(ImageError, match="absent.jpg"):
        recognizer().embed([grey(10), tmp_path / "absent.jpg"])
    with pytest.raises(ImageError, match="neither"):
        recognizer().faces(7)


def test_without_thresholds_nothing_is_decided():
    made = recognizer(None)
    assert not made.embed(grey(10)).failed[0]
    for decide in (lambda: made.verify(grey(10), grey(10)), lambda: made.identify(grey(10), Gallery())):
        with pytest.raises(ConfigError, match="match.recognised") as caught:
            decide()
        assert "\n" not in str(caught.value)


class FakeNetwork(object):
    """Gives each image its red, green and blue mean, three times as long as they are."""

    runtime = "fake"

    def __init__(self, batch, outputs=("other", "embedding")):
        self.batches = []
        self._batch = batch
        self._outputs = outputs

    def run(self, batch):
        assert batch.dtype == np.float32
        assert batch.flags.c_contiguous
        assert self._batch in (None, len(batch))
        self.batches.append(batch.copy())
        values = {"other": np.ones((len(batch), 7), np.float32), "embedding": 3 * batch.mean(axis=(2, 3))}
        return {name: values[name] for name in self._outputs}

    def close(self):
        self.batches = None


def fake_embedder(monkeypatch, tmp_path, batch="dynamic", preprocessing=None, network=None, size=3):
    network = network or FakeNetwork(batch if isinstance(batch, int) else None)
    opened = bundle.load(write_bundle(tmp_path / "bundle", b"network", size, batch))
    if preprocessing is not None:
        opened = opened._replace(manifest=opened.manifest._replace(preprocessing=preprocessing))
    asked = []
    monkeypatch.setattr(embedder_module, "open_network", lambda *given: asked.append(given) or network)
    embedder = Embedder(opened, "opencv", "fp32", 2)
    known = opened.manifest.file("embedder.onnx")
    assert asked == [(opened.path("embedder.onnx"), "opencv", 2, known.sha256)]
    return embedder, network


def random_crops(count, seed=0):
    return np.random.RandomState(seed).randint(0, 256, (count, 112, 112, 3)).astype(np.uint8)


def expected(crops, colour="RGB", mean=127.5, divisor=128.0):
    means = crops.astype(np.float64).mean(axis=(1, 2))[:, :: 1 if colour == "RGB" else -1]
    values = (means - mean) / divisor
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.mark.parametrize(
    "preprocessing",
    [
        None,
        BundlePreprocessing(colour="BGR"),
        BundlePreprocessing(mean=0.0, divisor=255.0),
        BundlePreprocessing(mean=100.0),
    ],
)
def test_crops_are_prepared_as_the_manifest_says(monkeypatch, tmp_path, preprocessing):
    embedder, network = fake_embedder(monkeypatch, tmp_path, preprocessing=preprocessing)
    crops = random_crops(5)
    crops[..., 0] //= 2
    found = embedder.run(crops)
    settings = preprocessing or BundlePreprocessing()
    np.testing.assert_allclose(
        found.vectors, expected(crops, settings.colour, settings.mean, settings.divisor), atol=1e-4
    )
    assert [len(batch) for batch in network.batches] == [5]
    assert embedder.run(crops[:0]).vectors.shape == (0, 3)
    assert len(network.batches) == 1


@pytest.mark.parametrize(("batch", "sizes"), [(1, [1] * 5), (2, [2] * 3), (4, [4] * 2), (8, [8])])
def test_fixed_batches_are_split_and_filled(monkeypatch, tmp_path, batch, sizes):
    embedder, network = fake_embedder(monkeypatch, tmp_path, batch)
    crops = random_crops(5)
    found = embedder.run(crops)
    np.testing.assert_allclose(found.vectors, expected(crops), atol=1e-4)
    assert [len(given) for given in network.batches] == sizes


def test_crowds_are_split(monkeypatch, tmp_path):
    embedder, network = fake_embedder(monkeypatch, tmp_path)
    crops = random_crops(LARGEST + 3)
    np.testing.assert_allclose(embedder.run(crops).vectors, expected(crops), atol=1e-4)
    assert [len(given) for given in network.batches] == [LARGEST, 3]


def test_embeddings_without_a_direction_fail(monkeypatch, tmp_path):
    network = FakeNetwork(None)
    values = np.array([[3, 4, 0], [0, 0, 0], [np.nan, 1, 1], [np.inf, 1, 1], [1e30, 0, 0]], np.float32)
    network.run = lambda batch: {"embedding": values}
    embedder, _ = fake_embedder(monkeypatch, tmp_path, network=network)
    found = embedder.run(random_crops(5))
    assert found.failed.tolist() == [False, True, True, True, False]
    np.testing.assert_allclose(found.vectors, [[0.6, 0.8, 0], [0] * 3, [0] * 3, [0] * 3, [1, 0, 0]], atol=1e-6)
    assert found.vectors.dtype == np.float32


def test_another_length_than_the_manifest_says_is_refused(monkeypatch, tmp_path):
    embedder, _ = fake_embedder(monkeypatch, tmp_path, size=4)
    with pytest.raises(ModelError, match="embedder.onnx") as caught:
        embedder.run(random_crops(2))
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    pytest.importorskip("onnx", reason="makes the embedder")
    models = models_or_skip()
    return write_bundle(tmp_path_factory.mktemp("real") / "bundle", tiny_embedder(), models=models)


MATCH = {"recognised": 0.9, "unknown": 0.5}


def test_a_bundle_in_three_lines(real, sample_faces):
    with FaceRecognizer.load(real, match=MATCH, threads=2) as made:
        assert made.fingerprint == bundle.load(real).manifest.fingerprint
        assert made.detector.min_face == pytest.approx(39.8)
        one, two = sample_faces[:2]
        assert made.verify(one, one).score == pytest.approx(1, abs=1e-5)
        shifted = np.roll(one, 9, axis=1)
        assert made.verify(one, shifted).same
        assert made.verify(one, shifted).score > made.verify(one, two).score + 0.1
        gallery = Gallery({"one": made.embed(one).embeddings[0], "two": made.embed(two).embeddings[0]})
        # Two people in one picture, of other places and sizes than they were enrolled with.
        both = np.concatenate([two, np.zeros_like(two), one], axis=1)
        found = made.identify(both, gallery)
        assert sorted((entry.name, entry.state) for entry in found) == [("one", "recognised"), ("two", "recognised")]
        left = min(found, key=lambda entry: entry.face.box[0])
        assert left.name == "two"


def test_the_detector_is_the_bundles(real, sample_faces):
    made = FaceRecognizer.load(
        real, "onnxruntime", match=MATCH, detector={"min_face": 20, "thresholds": [0.6, 0.7, 0.9]}
    )
    assert (made.detector.min_face, made.detector.thresholds) == (20.0, (0.6, 0.7, 0.9))
    with made, Detector(real / "detector", thresholds=(0.6, 0.7, 0.9), runtime="onnxruntime") as detector:
        plain = detector.detect(sample_faces[0])
        np.testing.assert_array_equal([face.box for face in made.faces(sample_faces[0])], plain.boxes)
    with pytest.raises(ConfigError, match="detector.size"):
        FaceRecognizer.load(real, detector={"size": 3})
    with pytest.raises(ConfigError, match="runtime"):
        FaceRecognizer.load(real, "cuda")
    with pytest.raises(ModelError, match="precision int8"):
        FaceRecognizer.load(real, precision="int8")


def test_dark_faces_are_found_enrolled_and_verified_on_copies(real, sample_faces):
    dark = (sample_faces[1] * 0.1).astype(np.uint8)
    with FaceRecognizer.load(real, match=MATCH, threads=1) as made:
        assert made.detector.brighten == BRIGHTEN
        (face,) = made.faces(dark)
        # What is embedded is the picture's own darkness.
        assert face.crop.max() <= dark.max()
        np.testing.assert_array_equal(face.crop, alignment.align(dark, face.landmarks[None])[0])
        assert made.verify(dark, dark).same
        assert [found.name for found in made.identify(dark, Gallery({"one": face.embedding}))] == ["one"]
        plain = made.faces(sample_faces[1])
    for nothing in (None, "none", []):
        with FaceRecognizer.load(real, match=MATCH, threads=1, detector={"brighten": nothing}) as made:
            assert made.faces(dark) == []
            assert "no face" in made.verify(dark, dark).reason
            np.testing.assert_array_equal(made.faces(sample_faces[1])[0].landmarks, plain[0].landmarks)
    with pytest.raises(ConfigError, match="^detector.brighten: must be a list of ways"):
        FaceRecognizer.load(real, detector={"brighten": ["bright"]})


def test_bundles_that_were_changed_are_refused(real, tmp_path):
    import shutil

    for name in ("embedder.onnx", "detector/manifest.json", "detector/onet.split.onnx"):
        copy = tmp_path / name.replace("/", "-")
        shutil.copytree(str(real), str(copy))
        data = bytearray((copy / name).read_bytes())
        # A digit for a digit in the manifest, so that it is JSON still.
        place = data.index(b'"onet.onnx": "') + 14 if name.endswith("json") else len(data) // 2
        data[place] = data[place] ^ 1
        (copy / name).write_bytes(bytes(data))
        with pytest.raises(ModelError, match=name.split("/")[-1]) as caught:
            FaceRecognizer.load(copy, "onnxruntime", match=MATCH)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="is not a bundle"):
        FaceRecognizer.load(tmp_path / "absent")


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "opencv"])
def test_runtimes_agree(real, sample_faces, runtime):
    from kface.networks import runtimes

    if runtime not in runtimes(".onnx"):
        pytest.skip("{} is not installed".format(runtime))
    reference = FaceRecognizer.load(real, "onnxruntime").embed(sample_faces)
    found = FaceRecognizer.load(real, runtime).embed(sample_faces)
    np.testing.assert_allclose(found.embeddings, reference.embeddings, atol=2e-3)
    assert not found.failed.any()


def test_the_operator_set_that_all_runtimes_read_is_opened(monkeypatch, tmp_path):
    opened = bundle.load(write_bundle(tmp_path / "bundle", b"opset 13", 3, newer=(17, 15)))
    tried = []

    def open_network(path, runtime, threads, sha256):
        tried.append((path.name, path.read_bytes(), runtime, threads, sha256))
        return FakeNetwork(None)

    monkeypatch.setattr(embedder_module, "open_network", open_network)
    embedder = Embedder(opened, "opencv", threads=2)
    assert tried == [("embedder.onnx", b"opset 13", "opencv", 2, embedder.file.sha256)]
    assert embedder.file.opset == 13


def test_thresholds_come_from_the_table(tmp_path):
    pytest.importorskip("onnx", reason="makes the embedder")
    random = np.random.RandomState(0)
    labels = np.arange(2400) < 400
    people = np.stack([np.arange(2400) % 40, (np.arange(2400) + ~labels) % 40], 1)
    scores = np.clip(random.normal(0.5 * labels, 0.2), -1, 1)
    table = bundle.measure(scores, labels, people, "pairs", True, replicates=0)
    models = models_or_skip()
    place = write_bundle(tmp_path / "bundle", tiny_embedder(), thresholds=table, models=models)
    operating_point = FaceRecognizer.load(place).operating_point
    assert operating_point.recognised == table.at(1e-3)
    assert operating_point.unknown == table.at(1e-2)
    assert operating_point.fmr <= 1e-3
    assert FaceRecognizer.load(place, match=MATCH).operating_point.recognised == 0.9


def test_a_fixed_batch_gives_the_same_embeddings(real, tmp_path, sample_faces):
    models = models_or_skip()
    fixed = write_bundle(tmp_path / "bundle", tiny_embedder(2), batch=2, models=models)
    one, other = (FaceRecognizer.load(place, "onnxruntime").embed(sample_faces[:3]) for place in (real, fixed))
    np.testing.assert_allclose(one.embeddings, other.embeddings, atol=1e-6)
