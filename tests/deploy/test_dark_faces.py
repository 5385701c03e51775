"""Pictures that are enrolled from files, of faces that only a brightened copy shows."""

import numpy as np
import pytest
from tiny_bundle import models_or_skip, tiny_embedder, write_bundle

from deploy.face_reader import open_reader
from kface.errors import ImageError
from kface.gallery import Limits
from kface.images import encode_png, read_image

LENIENT = Limits(size=20, sharpness=0, yaw=9, pitch=(-9, 9), outside=9)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    pytest.importorskip("onnx", reason="makes the embedder")
    models = models_or_skip()
    return open_reader(write_bundle(tmp_path_factory.mktemp("dark") / "bundle", tiny_embedder(), models=models))


@pytest.fixture(scope="module")
def dark():
    from pathlib import Path

    sheet = read_image(Path(__file__).resolve().parents[2] / "docs" / "images" / "sample.jpg")
    return (sheet[340:510, 340:510] * 0.1).astype(np.uint8)


def test_a_dark_picture_is_enrolled_and_one_upside_down_is_not(reader, dark, tmp_path):
    path = tmp_path / "dark.png"
    path.write_bytes(encode_png(dark))
    face = reader.to_enrol(path, LENIENT)
    assert not face.failed
    assert face.crop.max() <= dark.max()
    path.write_bytes(encode_png(np.ascontiguousarray(dark[::-1, ::-1])))
    with pytest.raises(ImageError, match="not upright"):
        reader.to_enrol(path, LENIENT)
    path.write_bytes(encode_png(np.zeros_like(dark)))
    with pytest.raises(ImageError, match=r"faces 0 \(exactly 1\)"):
        reader.to_enrol(path, LENIENT)


def test_a_dark_picture_must_be_as_sharp_as_any(reader, dark, tmp_path):
    path = tmp_path / "dark.png"
    path.write_bytes(encode_png(dark))
    with pytest.raises(ImageError, match="sharpness"):
        reader.to_enrol(path, LENIENT._replace(sharpness=1e6))
