import time

import cv2
import numpy as np
import pytest
from stream_fakes import CAMERA, Capture, Opener, number_of, picture

from kface.errors import ConfigError
from kface.streams import State, Stream, StreamError, StreamSettings, VideoFile

FRAMES = 20


def write_clip(path, frames=FRAMES, fps=20.0):
    """A film whose picture n is of one colour: red 10 n, blue 255 - 10 n."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
    assert writer.isOpened()
    for n in range(frames):
        writer.write(np.full((48, 64, 3), (255 - 10 * n, 128, 10 * n), np.uint8))
    writer.release()
    return path


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "얼굴 %20#1.avi")


def test_every_frame_once_in_order_however_slow_the_caller(clip):
    with VideoFile("file:{}".format(clip)) as video:
        assert video.fps == pytest.approx(20)
        frames = []
        for frame in video:
            frames.append(frame)
            time.sleep(0.005)
    assert [frame.number for frame in frames] == list(range(FRAMES))
    for n, frame in enumerate(frames):
        assert frame.image.shape == (48, 64, 3)
        assert np.abs(frame.image[24, 32].astype(int) - (10 * n, 128, 255 - 10 * n)).max() <= 8
    assert all(later.time_monotonic >= earlier.time_monotonic for earlier, later in zip(frames, frames[1:]))


def test_frames_are_arrays_of_their_own(clip):
    with VideoFile(str(clip)) as video:
        images = [frame.image for frame in video]
    assert len({image[0, 0, 0] for image in images}) == FRAMES


def test_fewer_frames_and_another_resolution(clip):
    with VideoFile(StreamSettings("file", file=clip, fps=5, resolution=(32, 32))) as video:
        frames = list(video)
    assert [frame.number for frame in frames] == [0, 4, 8, 12, 16]
    assert {frame.image.shape for frame in frames} == {(24, 32, 3)}


def test_the_native_pace(clip):
    begun = time.monotonic()
    with VideoFile(str(clip), pace="native") as video:
        times = [frame.time_monotonic for frame in video]
    assert times[-1] - begun >= (FRAMES - 1) / 20.0 - 0.01
    assert times[10] - times[0] >= 0.4


def test_a_caller_that_falls_behind_is_not_chased():
    capture = Capture([picture(n) for n in range(10)], fps=20)
    video = VideoFile(StreamSettings("file", file="x"), "native", Opener(capture))
    times = []
    for frame in video:
        times.append(frame.time_monotonic)
        if frame.number == 3:
            time.sleep(0.6)
    assert times[-1] - times[5] >= 3.5 / 20


def test_leaving_in_the_middle_releases_the_file():
    capture = Capture([picture(n) for n in range(10)])
    with VideoFile(StreamSettings("file", file="x"), opener=Opener(capture)) as video:
        assert number_of(next(iter(video))) == 0
    assert capture.released_by is not None
    assert list(video) == []


def test_what_it_is_not_for(tmp_path):
    with pytest.raises(ConfigError, match="is not a video file; open it as a Stream"):
        VideoFile(CAMERA)
    with pytest.raises(ConfigError, match="pace: must be fast or native"):
        VideoFile("x.mp4", pace="slow")
    with pytest.raises(ConfigError, match="No such file"):
        VideoFile(str(tmp_path / "absent.mp4"))


def test_a_film_without_a_picture_and_one_that_cannot_be_decoded():
    def opened(capture):
        return VideoFile(StreamSettings("file", file="x"), opener=Opener(capture))

    with pytest.raises(StreamError, match="has no frame"):
        list(opened(Capture()))
    broken = Capture([picture(0), picture(1)])
    broken.retrieve = lambda: (broken.reads < 2, broken.image)
    frames = iter(opened(broken))
    assert next(frames).number == 0
    with pytest.raises(StreamError, match="cannot be decoded at frame 1"):
        next(frames)


def test_a_film_that_is_cut_off_gives_what_is_left(clip, tmp_path):
    cut = tmp_path / "cut.avi"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size * 4 // 5])
    with VideoFile(str(cut)) as video:
        frames = list(video)
    assert 1 <= len(frames) < FRAMES
    assert [frame.number for frame in frames] == list(range(len(frames)))


def test_a_stream_of_a_real_file_ends(clip):
    with Stream(str(clip)) as stream:
        numbers = [frame.number for frame in stream]
        assert stream.state is State.ENDED
    assert numbers[-1] == FRAMES - 1
    assert len(numbers) >= 5


@pytest.mark.parametrize(
    ("name", "count"),
    [("face-demographics-walking-and-pause.gif", 41), ("head-pose-face-detection-female-and-male.gif", 56)],
)
def test_the_real_clips_without_loss(shared_data, name, count):
    path = shared_data / "video" / name
    if not path.is_file():
        pytest.skip("the clip {} is absent".format(name))
    with VideoFile(str(path)) as video:
        frames = list(video)
    assert [frame.number for frame in frames] == list(range(count))
    assert all(frame.image.shape == frames[0].image.shape for frame in frames)
    assert any((earlier.image != later.image).any() for earlier, later in zip(frames, frames[1:]))
