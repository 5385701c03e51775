"""Pictures that are enrolled from files, of faces that only a brightened copy shows."""

import numpy as np
import pytest
from tiny_bundle import models_or_skip, tiny_embedder, write_bundle

from deploy.face_reader import open_reader
from kface.errors import ImageError
from kface.gallery import Enrolment, Limits, open_gallery
from kface.images import encode_png, read_image

LENIENT = Limits(size=20, sharpness=0, yaw=9, pitch=(-9, 9), outside=9)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    pytest.importorskip("onnx", reason="makes the embedder")
    models = models_or_skip()
    with open_reader(
        write_bundle(tmp_path_factory.mktemp("dark") / "bundle", tiny_embedder(), models=models)
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
def dark():
    from pathlib import Path

    sheet = read_image(Path(__file__).resolve().parents[2] / "docs" / "images" / "sample.jpg")
    return (sheet[340:510, 340:510] * 0.1).astype(np.uint8)


@pytest.fixture
def enrol(reader, tmp_path):
    """Return a function that enrols an image under limits, and what the gallery then holds."""
    pytest.importorskip("cryptography")
    recognizer = reader.recognizer
    with open_gallery(
        str(tmp_path / "people.db"), recognizer.fingerprint, str(tmp_path / "key"), create=True
    ) as gallery:

        def enrol(image, limits):
            path = tmp_path / "dark.png"
            path.write_bytes(encode_png(image))
            Enrolment(gallery, recognizer, limits).enrol_image("Kim", path)
            return [person.name for person in gallery.list()]

        yield enrol


def test_a_dark_picture_is_enrolled_and_one_upside_down_is_not(enrol, dark):
    with pytest.raises(ImageError, match="not upright"):
        enrol(np.ascontiguousarray(dark[::-1, ::-1]), LENIENT)
    with pytest.raises(ImageError, match=r"faces 0 \(exactly 1\)"):
        enrol(np.zeros_like(dark), LENIENT)
    assert enrol(dark, LENIENT) == ["Kim"]


def test_what_is_embedded_is_the_dark_picture_itself(reader, dark):
    (face,) = reader.recognizer.faces(dark)
    assert not face.failed
    assert face.crop.max() <= dark.max()


def test_a_dark_picture_must_be_as_sharp_as_any(enrol, dark):
    with pytest.raises(ImageError, match="sharpness"):
        enrol(dark, LENIENT._replace(sharpness=1e6))
