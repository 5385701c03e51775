"""Pictures that are not the source's, pictures that are lost, pixels that are not square, and films that lie on their side."""

import ctypes
import struct
import time

import cv2
import numpy as np
import pytest
from stream_fakes import (
    CAMERA,
    QUICK,
    Capture,
    Opener,
    interlace,
    number_of,
    picture,
    write_video,
)
from waiting import GENEROUS, until

from kface.streams import State, Stream, StreamError, StreamSettings, UnusableStreamError, VideoFile, conversion
from kface.streams.pictures import Pictures

FILE = StreamSettings("file", file="x")


def ramp(count, side=64):
    return [np.full((side, side, 3), (20 * n % 256, 128, 255 - 20 * n % 256), np.uint8) for n in range(count)]


def read(path, **options):
    """Return the pictures of a video, or the error in place of the rest."""
    images = []
    with VideoFile(StreamSettings("file", file=path, **options)) as video:
        try:
            images.extend(frame.image for frame in video)
        except StreamError as error:
            images.append(error)
        return images, video.shortfall


# ---- what the decoder did not convert


@pytest.mark.parametrize("ending", ["avi", "mpg", "ts", "m2v"])
@pytest.mark.parametrize("first", [0, 6])
def test_interlaced_pictures_are_themselves_or_refused(tmp_path, ending, first):
    path = write_video(tmp_path / ("film." + ending), ramp(12), "mpg2")
    wanted, _ = read(path)
    assert len(wanted) >= 10
    interlace(path, first)
    images, _ = read(path)
    errors = [image for image in images if isinstance(image, StreamError)]
    for n, image in enumerate(images[: len(images) - len(errors)]):
        assert np.abs(image.astype(int) - wanted[n]).max() <= 8, "picture {} is another one".format(n)
    if errors:
        assert "interlaced" in str(errors[0])
        assert "\n" not in str(errors[0])
        assert isinstance(errors[0], UnusableStreamError) == (first == 0)
    else:
        assert len(images) == len(wanted)


@pytest.mark.parametrize("ending", ["avi", "ts"])
def test_pictures_that_stand_still_are_no_suspects(tmp_path, ending):
    still = [np.zeros((64, 64, 3), np.uint8)] * 6 + [np.full((64, 64, 3), 90, np.uint8)] * 6
    images, shortfall = read(write_video(tmp_path / ("still." + ending), still, "mpg2"))
    assert [bool(image.mean() > 45) for image in images] == [False] * 6 + [True] * (len(images) - 6)
    assert shortfall is None


class Unconverted(Capture):
    """Says as OpenCV does that a picture was retrieved, while FFmpeg complains."""

    complains = True

    def getBackendName(self):
        return "FFMPEG"

    def retrieve(self):
        self.retrieved = getattr(self, "retrieved", 0) + 1
        # FFmpeg's log is quiet but for who listens; the first time nobody does.
        if self.complains and self.retrieved % 2 == 0:
            for library in conversion.LOG.libraries():
                library.av_log(None, ctypes.c_int(16), b"cannot convert\n")
        return True, self.image


@pytest.fixture
def ffmpeg():
    if not conversion.LOG.libraries():
        pytest.skip("FFmpeg is no library of its own here")


def test_a_picture_that_ffmpeg_complains_of_is_refused(ffmpeg):
    pictures = Pictures(Unconverted([picture(0)]), CAMERA)
    assert pictures.grab()
    with pytest.raises(UnusableStreamError, match="OpenCV .* cannot convert its frames"):
        pictures.retrieve()


def test_a_picture_that_nobody_complains_of_is_taken(ffmpeg):
    capture = Unconverted([picture(0), picture(0), picture(1)])
    capture.complains = False
    pictures = Pictures(capture, CAMERA)
    for _ in range(3):
        assert pictures.grab()
        pictures.retrieve()
    assert capture.retrieved == 5, "the first and the one that equals it were looked at twice"


def test_a_camera_whose_pictures_cannot_be_converted_is_told_at_once(ffmpeg):
    stream = Stream(CAMERA, timing=QUICK, opener=Opener(lambda: Unconverted(endless=True, fps=50.0)))
    with stream, pytest.raises(UnusableStreamError, match="set the camera to progressive video"):
        stream.wait_live(GENEROUS)
    assert stream.latest() is None


# ---- what is lost


def lose():
    return False


def test_a_file_is_read_on_behind_damaged_pictures():
    script = [picture(0), lose, picture(2), lose, lose, picture(5)]
    with VideoFile(FILE, opener=Opener(Capture(script))) as video:
        assert video.shortfall is None
        frames = [(frame.number, number_of(frame)) for frame in video]
    assert frames == [(0, 0), (2, 2), (5, 5)], "a frame's number is its place in the file"
    assert video.shortfall == (3, 3, False)
    assert str(video.shortfall) == "3 of 6 frames lost (damaged or missing)"


def test_many_damaged_pictures_in_a_row_are_passed_over_where_the_file_says_that_there_are_more():
    capture = Capture([picture(0)] + [lose] * 1000 + [picture(9)])
    capture.get = lambda prop: {cv2.CAP_PROP_FPS: 25.0, cv2.CAP_PROP_FRAME_COUNT: 1002.0}.get(prop, 0.0)
    with VideoFile(FILE, opener=Opener(capture)) as video:
        assert [frame.number for frame in video] == [0, 1001]
    assert video.shortfall.lost == 1000


def test_the_search_for_more_pictures_has_an_end():
    capture = Capture([picture(0)])
    capture.get = lambda prop: 1e18 if prop == cv2.CAP_PROP_FRAME_COUNT else 0.0
    with VideoFile(FILE, opener=Opener(capture)) as video:
        assert len(list(video)) == 1
    assert capture.reads <= 300
    assert video.shortfall is None, "an estimate is no promise"


def test_a_playing_file_tells_what_it_lost(tmp_path):
    opener = Opener(Capture([picture(0), picture(1), lose, picture(3)], fps=100.0))
    with Stream(FILE, opener=opener, timing=QUICK) as stream:
        assert until(lambda: stream.state is State.ENDED)
    assert str(stream.shortfall) == "1 of 4 frames lost (damaged or missing)"


def test_a_camera_is_not_asked_twice():
    opener = Opener(Capture([picture(0), lose, picture(2)]), Capture(endless=True))
    with Stream(CAMERA, opener=opener, timing=QUICK) as stream:
        assert until(lambda: stream.losses == 1)
    assert stream.shortfall is None


def damaged(path, name):
    with open(path, "rb") as stream:
        data = bytearray(stream.read())
    if name == "cut":
        data = data[: len(data) * 2 // 3]
    elif name == "zeros":
        start = data.find(b"movi" if path.endswith("avi") else b"mdat")
        # Behind the first picture, before the index.
        data[start + 6000 : start + 9000] = bytes(3000)
    elif name == "end":
        start = data.find(b"idx1" if path.endswith("avi") else b"moov")
        data[start - 5000 : start - 8] = bytes(4992)
    with open(path, "wb") as stream:
        stream.write(bytes(data))


def noise(count, side=64):
    chance = np.random.RandomState(3)
    return [chance.randint(0, 256, (side, side, 3)).astype(np.uint8) for _ in range(count)]


@pytest.mark.parametrize(
    ("ending", "codec", "damage"),
    [
        ("avi", "MJPG", "cut"),
        ("avi", "MJPG", "zeros"),
        ("avi", "MJPG", "end"),
        ("avi", "mp4v", "cut"),
        ("mp4", "mp4v", "zeros"),
        ("mp4", "mp4v", "end"),
        ("mkv", "mp4v", "cut"),
        ("flv", "FLV1", "cut"),
    ],
)
def test_a_damaged_file_tells_that_it_lost_pictures(tmp_path, ending, codec, damage):
    path = write_video(tmp_path / ("film." + ending), noise(20), codec)
    images, shortfall = read(path)
    assert (len(images), shortfall) == (20, None)
    damaged(path, damage)
    images, shortfall = read(path)
    assert 1 <= len(images) <= 20
    assert shortfall is not None
    assert shortfall.cut == (damage == "cut")
    assert shortfall.lost or shortfall.cut or len(images) == 20
    if shortfall.lost:
        assert shortfall.read + shortfall.lost >= 20


GOOD = [
    ("avi", "MJPG"), ("avi", "mp4v"), ("avi", "FFV1"), ("avi", "HFYU"), ("avi", "mpg2"), ("mp4", "mp4v"), ("mov", "mp4v"),
    ("3gp", "mp4v"), ("mkv", "MJPG"), ("mkv", "mp4v"), ("webm", "VP80"), ("webm", "VP90"), ("ts", "mpg2"), ("mpg", "mpg2"),
    ("m2v", "mpg2"), ("flv", "FLV1"), ("wmv", "WMV2"),
]  # fmt: skip


@pytest.mark.parametrize(("ending", "codec"), GOOD)
@pytest.mark.parametrize("count", [1, 14])
def test_a_good_file_is_no_alarm(tmp_path, ending, codec, count):
    path = write_video(tmp_path / ("film." + ending), ramp(count, 64), codec)
    images, shortfall = read(path)
    assert shortfall is None
    assert all(isinstance(image, np.ndarray) for image in images)
    assert count - 1 <= len(images) <= count + 1


# ---- what an MP4 says: edit lists, the shape of its pixels, and how it is turned


def boxes(data, start, end):
    while start + 8 <= end:
        length = struct.unpack_from(">I", data, start)[0]
        yield data[start + 4 : start + 8], start, start + length
        start += length


def change(path, turned=None, hidden=None):
    """Turn an MP4's track by its matrix, or hide its first pictures by an edit list in place of its udta."""
    with open(path, "rb") as stream:
        data = bytearray(stream.read())
    moov = next((low, high) for name, low, high in boxes(data, 0, len(data)) if name == b"moov")
    trak = next((low, high) for name, low, high in boxes(data, moov[0] + 8, moov[1]) if name == b"trak")
    if turned is not None:
        place = data.find(b"tkhd", trak[0]) + 4 + 40
        one = 1 << 16
        matrix = {90: (0, one, 0, -one, 0), 180: (-one, 0, 0, 0, -one), 270: (0, -one, 0, one, 0)}[turned]
        struct.pack_into(">5i", data, place, *matrix)
    if hidden is not None:
        place = data.find(b"elst", trak[0]) + 4
        assert place > 3, "the writer makes edit lists"
        struct.pack_into(">i", data, place + 12, hidden)
    with open(path, "wb") as stream:
        stream.write(bytes(data))


def test_pictures_that_an_edit_list_hides_are_not_missed(tmp_path):
    path = write_video(tmp_path / "film.mp4", ramp(20), "mp4v")
    with open(path, "rb") as stream:
        data = stream.read()
    units = struct.unpack_from(">I", data, data.find(b"mdhd") + 4 + 12)[0]
    change(path, hidden=units * 6 // 25)
    images, shortfall = read(path)
    assert len(images) < 20
    assert shortfall is None


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_a_film_of_a_turned_phone_is_upright_in_every_opencv(tmp_path, turned):
    corner = np.zeros((48, 64, 3), np.uint8)
    corner[:24, :32] = 255
    path = write_video(tmp_path / "film.mp4", [corner] * 3, "mp4v")
    change(path, turned=turned)
    image = read(path)[0][0]
    wanted = np.rot90(corner, -turned // 90)
    assert image.shape == wanted.shape
    assert np.abs(image.astype(int) - wanted).mean() < 10


@pytest.mark.parametrize(
    ("across", "down", "shape"), [(4, 3, (48, 85)), (3, 4, (64, 64)), (0, 1, (48, 64)), (9, 1, (48, 64))]
)
def test_pixels_are_made_square_unless_that_is_switched_off(across, down, shape):
    values = {40: float(across), 41: float(down)}
    for settings, wanted in ((CAMERA, shape), (CAMERA._replace(square_pixels=False), (48, 64))):
        capture = Capture([picture(1, (64, 48))])
        capture.get = lambda prop: values.get(prop, 0.0)
        pictures = Pictures(capture, settings)
        assert pictures.grab()
        assert pictures.retrieve().shape[:2] == wanted


def test_square_pixels_fit_into_the_resolution():
    capture = Capture([picture(1, (64, 48))])
    capture.get = lambda prop: {40: 4.0, 41: 3.0}.get(prop, 0.0)
    pictures = Pictures(capture, CAMERA._replace(resolution=(160, 90)))
    assert pictures.grab()
    assert pictures.retrieve().shape == (90, 160, 3)


def test_the_search_behind_a_files_end_takes_no_time(tmp_path):
    path = write_video(tmp_path / "film.avi", ramp(5), "MJPG")
    with VideoFile(path) as video:
        list(video)
        begun = time.monotonic()
        assert not video._pictures.grab()
    assert time.monotonic() - begun < 2
