"""What every source does: it starts, gives frames, says where it stands, and wakes up whoever reads when it is closed."""

import threading
import time

import numpy as np
import pytest
from stream_fakes import (
    CAMERA,
    Capture,
    Opener,
    picture,
)
from waiting import until

from kface.errors import ConfigError
from kface.streams import (
    ReadAhead,
    State,
    Stream,
    StreamError,
    StreamRefusedError,
    StreamSettings,
    Timing,
    VideoFile,
    VideoSource,
)

LONG = 20.0
FILE = StreamSettings("file", file="x")
QUICK = Timing(stall=0.6, opening=2.0, first_wait=0.02, longest_wait=0.1, refused_wait=0.5, settled=5.0)


def stream():
    return Stream(FILE, opener=Opener(Capture([picture(n) for n in range(5)], fps=50)))


def video_file():
    return VideoFile(FILE, opener=Opener(Capture([picture(n) for n in range(5)])))


def read_ahead():
    return ReadAhead([picture(n) for n in range(5)])


EVERY = [stream, video_file, read_ahead]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert until(
        lambda: not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("kface-")]
    )


@pytest.mark.parametrize("make", EVERY)
def test_it_gives_its_frames_and_ends(make):
    source = make()
    assert isinstance(source, VideoSource)
    assert source.state is State.CONNECTING
    assert source.start() is source
    source.start()
    numbers = [frame.number for frame in VideoSource.__iter__(source)]
    assert numbers == sorted(numbers)
    assert numbers[-1] == 4
    assert source.state is State.ENDED
    assert source.read(0.01) is None
    assert (source.reason, source.losses, source.shortfall, source.refusal) == ("", 0, None, None)
    assert source.captured == 5
    assert source.skipped + len(numbers) == 5
    source.close()
    source.close()
    assert source.state is State.CLOSED
    for thread in source.threads:
        thread.join(LONG)
        assert not thread.is_alive()


@pytest.mark.parametrize("make", EVERY)
def test_one_that_is_closed_before_its_start_never_starts(make):
    source = make()
    source.close()
    source.start()
    assert source.state is State.CLOSED
    assert source.read(0.01) is None
    assert list(source) == []


@pytest.mark.parametrize("make", EVERY)
def test_in_a_with_statement_it_gives_its_frames_and_is_closed(make):
    with make() as source:
        assert [frame.number for frame in source][-1] == 4
    assert source.state is State.CLOSED


class Waiting(object):
    """A camera that gives nothing until it is woken."""

    def __init__(self):
        self.waits, self.go_on = threading.Event(), threading.Event()

    def __iter__(self):
        yield picture(0)
        self.waits.set()
        assert self.go_on.wait(LONG)
        raise ValueError("read of a closed camera")


def test_closing_wakes_who_reads_and_what_is_read():
    camera, got = Waiting(), []
    source = ReadAhead(camera, wake=camera.go_on.set).start()
    assert source.read(LONG).number == 0
    reader = threading.Thread(target=lambda: got.append(source.read(LONG)))
    reader.start()
    assert camera.waits.wait(LONG)
    source.close()
    reader.join(LONG)
    assert got == [None]
    # That it complained about being closed is nobody's business.
    assert source.reason == ""
    assert source.read(0.01) is None


def test_only_what_was_read_in_time_is_kept_where_frames_may_be_dropped():
    gate = threading.Event()

    def frames():
        for number in range(10):
            yield picture(number)
        assert gate.wait(LONG)

    source = ReadAhead(frames(), drop=True).start()
    assert until(lambda: source.captured == 10)
    assert until(lambda: source.skipped == 9)
    assert source.read().number == 9
    gate.set()
    assert source.read() is None


def test_images_are_numbered_and_dated():
    begun = time.monotonic()
    frames = list(ReadAhead([np.zeros((2, 2, 3), np.uint8)] * 3).start())
    assert [frame.number for frame in frames] == [0, 1, 2]
    assert all(begun <= frame.time_monotonic <= time.monotonic() for frame in frames)


def test_a_failure_is_told_once_and_is_the_end():
    def frames():
        yield picture(0)
        raise StreamError("cannot be decoded", "file:x")

    source = ReadAhead(frames()).start()
    assert source.read(LONG).number == 0
    with pytest.raises(StreamError, match="cannot be decoded"):
        source.read(LONG)
    assert source.read(LONG) is None
    assert (source.state, source.reason) == (State.ENDED, "file:x: cannot be decoded")
    source.close()


def test_a_file_is_released_by_the_thread_that_reads_it():
    capture = Capture([picture(n) for n in range(3)])
    source = VideoFile(FILE, opener=Opener(capture)).start()
    assert len(list(source)) == 3
    assert capture.released_by == "kface-capture"
    source.close()


def test_a_file_that_nobody_has_read_is_released_by_who_closes_it():
    capture = Capture([picture(0)])
    VideoFile(FILE, opener=Opener(capture)).close()
    assert capture.released_by == threading.current_thread().name


# ---- what a camera adds


def refuse(error):
    def opener(settings):
        raise error

    return opener


@pytest.mark.parametrize(
    ("error", "hopeless"),
    [
        (StreamRefusedError("does not accept the id or the password", "rtsp://x"), True),
        (ConfigError("makes OpenCV log passwords", "OPENCV_VIDEOIO_DEBUG"), True),
        (StreamError("cannot be reached", "rtsp://x"), False),
    ],
)
def test_why_it_will_hardly_ever_play(error, hopeless):
    with Stream(CAMERA, timing=QUICK, opener=refuse(error)) as source:
        assert until(lambda: source.state is State.LOST)
        assert (source.refusal is error) is hopeless


def test_a_file_without_a_picture_says_why_it_has_ended():
    with Stream(FILE, timing=QUICK, opener=Opener(Capture())) as source:
        assert until(lambda: source.state is State.ENDED)
        assert "has no frame" in str(source.refusal)


def test_frames_that_nobody_read_are_counted():
    with Stream(FILE, opener=Opener(Capture([picture(n) for n in range(8)], fps=100))) as source:
        assert until(lambda: source.state is State.ENDED)
        assert (source.captured, source.skipped) == (8, 7)
        assert source.read(0).number == 7
        assert source.skipped == 7
