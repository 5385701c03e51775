"""The doors for images and files, and the errors' one line."""

import os

import numpy as np
import pytest

from kface import files, images
from kface.errors import ImageError, KFaceError
from kface.faces import Faces


@pytest.fixture
def red():
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[..., 0] = 255
    return picture


def test_rgb_comes_back_as_rgb(red, tmp_path):
    path = tmp_path / "한글.png"
    path.write_bytes(images.encode_png(red))
    np.testing.assert_array_equal(images.read_image(path), red)
    again = images.decode_image(images.encode_jpeg(red))
    assert again.shape == red.shape
    assert again[..., 0].min() > 245
    assert again[..., 1:].max() < 10


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"", "is empty"),
        (lambda data: b"not an image at all", "cannot be decoded|not an image"),
        (lambda data: data[: len(data) // 2], "truncated"),
        (lambda data: data[:30], "truncated"),
    ],
)
def test_damage_is_refused_in_one_line(red, tmp_path, damage, message):
    path = tmp_path / "a.jpg"
    path.write_bytes(damage(images.encode_jpeg(red)))
    with pytest.raises(ImageError, match=message) as caught:
        images.read_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_absent_and_unreadable(tmp_path):
    with pytest.raises(ImageError, match="cannot be read"):
        images.read_image(tmp_path / "absent.jpg")
    with pytest.raises(ImageError, match="cannot be read"):
        images.read_image(tmp_path)


def test_a_grey_file_becomes_three_channels(tmp_path):
    import cv2

    done, data = cv2.imencode(".png", np.full((5, 7), 9, np.uint8))
    assert done
    assert images.decode_image(data.tobytes()).shape == (5, 7, 3)


def test_atomic_writes_leave_nothing_behind(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    files.write_json(path, {"b": 1, "a": "가"})
    assert path.read_text(encoding="utf-8") == '{\n "a": "가",\n "b": 1\n}\n'

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write_json(path, {"c": 2})
    assert os.listdir(str(tmp_path)) == ["a.json"]
    assert '"a"' in path.read_text(encoding="utf-8")


def test_hashes_agree(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc" * 500000)
    assert files.sha256_file(path) == files.sha256_bytes(path.read_bytes())


def test_errors_are_one_line():
    assert str(KFaceError("is bad", "a.jpg", "mend it")) == "a.jpg: is bad; mend it"
    assert str(KFaceError("is\n bad")) == "is bad"


def test_faces():
    boxes = np.array([[0, 0, 10, 10], [5, 5, 45, 30]], np.float32)
    faces = Faces(boxes, np.array([0.9, 0.8], np.float32), np.zeros((2, 5, 2), np.float32))
    assert faces.count == 2
    assert faces.largest() == 1
    np.testing.assert_array_equal(faces.areas, [100, 1000])
    assert faces.take(np.array([False, True])).scores.tolist() == pytest.approx([0.8])
    assert Faces.empty().count == 0
    assert Faces.empty().largest() is None
