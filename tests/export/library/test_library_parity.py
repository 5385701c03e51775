"""The library finds the faces that Python finds, and gives the similarities that Python gives."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kface.errors import ImageError, ModelError
from kface.images import encode_jpeg, encode_png, read_image
from kface.images.limits import is_image_name
from kface.mtcnn.brighten import WAYS
from kface.recognizer import FaceRecognizer

# The first test builds the library.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def paired(ours, theirs):
    """Return by how far the landmarks of the same faces differ, (n,), and how many of each have no partner."""
    left = list(range(ours.count))
    gaps = []
    for landmarks in theirs.landmarks:
        gap = [float(np.abs(ours.landmarks[number] - landmarks).max()) for number in left]
        if gap and min(gap) < 5:
            gaps.append(min(gap))
            left.pop(int(np.argmin(gap)))
    return gaps, theirs.count - len(gaps), len(left)


def compare(engine, recognizer, images):
    gaps, missed, extra = [], 0, 0
    for image in images:
        one = paired(engine.detect(image), recognizer.detector.detect(image))
        gaps, missed, extra = gaps + one[0], missed + one[1], extra + one[2]
    return np.array(gaps), missed, extra


def test_the_sample_has_the_same_faces(engine, small_bundle, frames):
    with FaceRecognizer.load(small_bundle) as recognizer:
        gaps, missed, extra = compare(engine, recognizer, frames)
    assert len(gaps) >= len(frames)
    assert (missed, extra) == (0, 0)
    assert gaps.max() < 0.05


@pytest.mark.parametrize("way", sorted(WAYS))
def test_dark_pictures_are_looked_at_again_in_the_same_way(library, small_bundle, frames, way):
    dark = [(frame.astype(np.float32) * factor).astype(np.uint8) for frame in frames[:2] for factor in (0.02, 0.04)]
    with (
        FaceRecognizer.load(small_bundle, detector={"brighten": [way]}) as recognizer,
        library.open(small_bundle, brighten=[way]) as engine,
    ):
        gaps, missed, extra = compare(engine, recognizer, dark)
    assert (missed, extra) == (0, 0)
    assert not len(gaps) or gaps.max() < 0.05


def test_the_stages_agree_one_by_one(engine, small_bundle, frames):
    with FaceRecognizer.load(small_bundle) as recognizer:
        faces = recognizer.detector.detect(frames[0])
        theirs = recognizer.embed_faces([frames[0]], [faces])
    crops = engine.align(frames[0], faces.landmarks)
    # Up to 4.x OpenCV cuts crops to 1/32 of a pixel.
    assert np.abs(crops.astype(int) - theirs.crops).mean() < 0.5
    assert np.abs(engine.embed(theirs.crops) - theirs.embeddings).max() < 1e-5


def test_the_golden_vectors_agree(engine):
    assert engine.self_check() > 0.9999


def test_files_give_the_similarities_of_python(engine, small_bundle, frames, tmp_path):
    paths = []
    for number, frame in enumerate(frames):
        for name, encode in (("사진{}.png", encode_png), ("사진{}.jpg", encode_jpeg)):
            paths.append(tmp_path / name.format(number))
            paths[-1].write_bytes(encode(frame))
    with FaceRecognizer.load(small_bundle) as recognizer:
        embeddings = recognizer.embed(paths).embeddings.astype(np.float64)
    templates = [engine.enrol(path) for path in paths]
    ours = np.array([[engine.match(a, b) for b in templates] for a in templates])
    assert np.abs(ours - np.clip(embeddings @ embeddings.T, -1, 1)).max() < 1e-3


@pytest.mark.parametrize("order", ["tensorflow first", "library first"])
def test_beside_tensorflow(library, small_bundle, order):
    # TensorFlow's protobuf is visible to what is loaded after it; OpenCV's calls must not go there.
    pytest.importorskip("tensorflow")
    script = """
import sys
from kface.library import Library
if sys.argv[3] == "tensorflow first":
    import tensorflow
with Library(sys.argv[1]).open(sys.argv[2]):
    import tensorflow
    print(int(tensorflow.constant(2) + 1))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, library.path, str(small_bundle), order],
        capture_output=True,
        text=True,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
    )
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr[-2000:]


def test_nothing_is_printed(library, small_bundle, tmp_path):
    script = """
import sys
from kface.errors import KFaceError
from kface.library import Library
library = Library(sys.argv[1])
with library.open(sys.argv[2]) as engine:
    cut = open(sys.argv[3], "rb").read()[:-60] + b"\\xff\\xd9"
    for data in (b"", b"\\xff\\xd8\\xff\\xd9", cut, b"BM" + bytes(80), b"P5 3 3 255 ab"):
        open(sys.argv[4], "wb").write(data)
        engine.enrol(sys.argv[4], failures=True)
try:
    library.open(sys.argv[2] + "/detector")
except KFaceError:
    pass
"""
    picture = tmp_path / "a.jpg"
    picture.write_bytes(encode_jpeg(np.random.RandomState(0).randint(0, 256, (80, 80, 3)).astype(np.uint8)))
    arguments = [library.path, str(small_bundle), str(picture), str(tmp_path / "b.jpg")]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_real_faces_are_the_same(library, shared_data):
    """LFW, ORL, CFP and Yale B with the bundle that KFACE_BUNDLE names; `.pb` and, where this OpenCV reads it, ONNX."""
    place = os.environ.get("KFACE_BUNDLE", "")
    if not place:
        pytest.skip("there is no bundle: data is absent (set KFACE_BUNDLE)")
    paths = []
    for folder in ("lfw/images", "orl", "cfp/Data/Images", "extended_yale_b"):
        found = sorted(path for path in (shared_data / folder).rglob("*") if is_image_name(path.name))
        assert found, folder
        paths += found[:: max(1, len(found) // 50)]
    # Yale B's faces fill their pictures: the detector needs a border.
    images = [np.pad(read_image(path), ((56, 56), (56, 56), (0, 0))) for path in paths]
    with FaceRecognizer.load(Path(place)) as recognizer:
        theirs = recognizer.embed(images)
        for form in ("pb", "onnx"):
            try:
                engine = library.open(place, embedder=form)
            except ModelError as error:
                # OpenCV 4.6 reads some ONNX files not at all, and says which file to take.
                if form == "pb" or "set options.embedder to pb" not in str(error):
                    raise
                continue
            with engine:
                gaps, missed, extra = compare(engine, recognizer, images)
                assert (missed, extra) == (0, 0)
                assert np.mean(gaps <= 0.05) >= 0.99
                ours = engine.embed(theirs.crops[~theirs.failed]).astype(np.float64)
            wanted = theirs.embeddings[~theirs.failed].astype(np.float64)
            assert np.abs(ours @ ours.T - wanted @ wanted.T).max() < 1e-4


def test_pictures_that_are_none_are_errors(engine, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(ImageError, match="is not a JPEG, PNG, BMP or PNM image"):
        engine.enrol(tmp_path / "a.jpg")
