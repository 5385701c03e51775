"""The clip of the synthetic sample: people who walk in and out, drawn once."""

import cv2
import numpy as np
import pytest

from kface.data.sample import clip
from kface.data.sample.clip import FPS, SIZE, WALKS, clip_path, frames, write_clip
from kface.errors import DatasetError

SMALL = (160, 90)


@pytest.fixture(scope="module")
def film():
    return frames(SMALL, seconds=2)


@pytest.fixture
def quick(monkeypatch):
    """Draw little, and count how often."""
    count = []

    def draw(seed=0):
        count.append(seed)
        return [np.full((SIZE[1], SIZE[0], 3), (200, 100, 50), np.uint8)] * 5

    monkeypatch.setattr(clip, "frames", draw)
    return count


def test_pictures_are_rgb_at_the_clips_rate(film):
    assert len(film) == 2 * FPS
    assert all(image.shape == (90, 160, 3) and image.dtype == np.uint8 for image in film)
    # Skin and hair are red rather than blue.
    warmth = film[25].astype(int)
    assert (warmth[..., 0] - warmth[..., 2] > 40).any()


@pytest.mark.slow
def test_the_same_seed_draws_the_same_clip(film):
    again = frames(SMALL, seconds=2)
    assert all((one == other).all() for one, other in zip(film, again))


def test_people_come_and_go_one_by_one(film):
    """In the middle of each person's place the picture differs from the empty room while the person is there."""
    room = clip._room(SMALL)

    def there(walk, image):
        x, y = int(walk.across * SMALL[0]), int((1 - 0.7 * walk.height) * SMALL[1])
        return float(np.abs(image[y - 5 : y + 5, x - 5 : x + 5] - room[y - 5 : y + 5, x - 5 : x + 5]).mean()) > 10

    first, middle, last = film[0], film[len(film) * 3 // 5], film[-1]
    assert [there(walk, first) for walk in WALKS] == [True, False, False]
    assert [there(walk, middle) for walk in WALKS] == [True, True, True]
    assert [there(walk, last) for walk in WALKS] == [True, True, False]


def test_heads_turn(film):
    views = {-30: "left", 0: "front", 30: "right"}
    assert [clip._turned(views, yaw) for yaw in (-90, -16, -14, 14, 16, 90)] == [
        "left", "left", "front", "front", "right", "right",
    ]  # fmt: skip
    # Somebody who stands still but turns: the picture of the head changes.
    x = int(WALKS[0].across * SMALL[0])
    heads = [image[20:60, x - 12 : x + 12].astype(int) for image in film]
    assert np.abs(heads[5] - heads[20]).mean() > 8


def test_a_short_clip_has_the_same_people_in_less_time(monkeypatch):
    shown = []
    monkeypatch.setattr(clip, "_busts", lambda walk, *_: {0: (np.zeros((40, 20, 3)), np.ones((40, 20, 1)))})
    monkeypatch.setattr(clip, "_place", lambda picture, walk, views, moment, seconds: shown.append((walk, moment)))
    assert len(frames(SMALL, seconds=0)) == 1
    assert shown == [(walk, 0.0) for walk in WALKS]
    shown.clear()
    assert len(frames(SMALL, seconds=0.2)) == 5
    assert [moment for walk, moment in shown if walk is WALKS[0]] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])


def test_the_clip_is_written_once(tmp_path, quick):
    path = write_clip(tmp_path / "new" / "clips")
    assert path == clip_path(tmp_path / "new" / "clips")
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    before = path.stat().st_mtime
    assert write_clip(tmp_path / "new" / "clips") == path
    assert path.stat().st_mtime == before
    assert quick == [0]
    assert write_clip(tmp_path / "new" / "clips", seed=3) != path
    assert quick == [0, 3]
    capture = cv2.VideoCapture(str(path))
    got, image = capture.read()
    assert got
    assert abs(capture.get(cv2.CAP_PROP_FPS) - FPS) < 0.1
    capture.release()
    assert image.shape == (SIZE[1], SIZE[0], 3)
    # BGR in the capture's hands.
    assert np.abs(image[100, 100].astype(int) - (50, 100, 200)).max() < 12


def test_a_clip_that_cannot_be_written_is_refused_and_nothing_is_left(tmp_path, quick, monkeypatch):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DatasetError) as caught:
        write_clip(tmp_path / "file" / "clips")
    assert "cannot be written (" in str(caught.value)

    def broken(seed=0):
        raise RuntimeError("stopped while drawing")

    monkeypatch.setattr(clip, "frames", broken)
    with pytest.raises(RuntimeError):
        write_clip(tmp_path / "clips")
    assert list((tmp_path / "clips").iterdir()) == []


def test_an_opencv_without_a_codec_is_an_error(tmp_path, quick, monkeypatch):
    class Writer:
        fourcc = staticmethod(cv2.VideoWriter.fourcc)

        def __init__(self, *_):
            pass

        def write(self, _):
            pass

        release = __init__

    monkeypatch.setattr(cv2, "VideoWriter", Writer)
    with pytest.raises(DatasetError, match="cannot be written; make room"):
        write_clip(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_detector_finds_the_people_in_the_clip():
    from kface.errors import ModelError
    from kface.mtcnn import Detector

    try:
        detector = Detector(min_face=39.8)
    except ModelError as error:
        pytest.skip("the detector's networks are not here: {}".format(error))
    film = frames(seconds=4)
    counts = [detector.detect(image).count for image in film[::10]]
    assert max(counts) == 3
    assert np.mean(np.array(counts) >= 1) > 0.9
