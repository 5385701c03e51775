import threading
import time

import pytest
from stream_fakes import (
    CAMERA,
    QUICK,
    Capture,
    Opener,
    number_of,
    picture,
)
from waiting import GENEROUS, until

from kface.errors import ConfigError
from kface.streams import State, Stream, StreamError, StreamRefusedError, StreamSettings, Timing


@pytest.fixture
def play():
    """Starts streams, and sees to it that none of their threads outlives the test."""
    streams = []
    before = threading.enumerate()

    def start(opener, **options):
        streams.append(
            Stream(options.pop("settings", CAMERA), opener=opener, timing=options.pop("timing", QUICK), **options)
        )
        return streams[-1].start()

    yield start
    for stream in streams:
        stream.close()

    def left():
        return [one.name for one in threading.enumerate() if one not in before and one.name.startswith("kface-")]

    assert until(lambda: not left()), left()


class Blocker(object):
    """A read that blocks until it is let go, then claims success."""

    def __init__(self):
        self.go = threading.Event()
        self.reached = threading.Event()

    def __call__(self):
        self.reached.set()
        self.go.wait(30)
        return True


def test_a_frame_is_rgb_and_carries_time_and_number(play):
    stream = play(Opener(Capture(endless=True)))
    stream.wait_live(GENEROUS)
    before = time.monotonic()
    frame = stream.read(GENEROUS)
    assert frame.image.shape == (24, 32, 3)
    assert frame.image.dtype.name == "uint8"
    assert frame.image[0, 0, 0] == 200, "red comes first"
    assert number_of(frame) == frame.number
    assert before - 1 <= frame.time_monotonic <= time.monotonic()


def test_a_slow_consumer_gets_the_newest_and_never_one_twice(play):
    stream = play(Opener(Capture(endless=True, fps=50)))
    numbers = []
    for _ in range(4):
        numbers.append(stream.read(GENEROUS).number)
        time.sleep(0.15)
    assert all(later > earlier for earlier, later in zip(numbers, numbers[1:]))
    assert numbers[-1] >= 6, "what came between was dropped"


def test_the_same_frame_comes_again_only_when_asked_for(play):
    blocker = Blocker()
    stream = play(Opener(Capture([picture(7), blocker])), timing=QUICK._replace(stall=3.0))
    frame = stream.read(GENEROUS)
    assert stream.read(0.05) is None
    assert stream.latest() is frame
    assert stream.read(0.05, after=-1) is frame
    blocker.go.set()


def test_two_consumers_do_not_take_frames_from_each_other(play):
    blocker = Blocker()
    stream = play(Opener(Capture([picture(7), blocker])), timing=QUICK._replace(stall=3.0))
    first = stream.read(GENEROUS, after=-1)
    assert stream.read(0.05, after=-1) is first
    assert stream.read(0.05, after=first.number) is None
    blocker.go.set()


def test_no_frame_older_than_the_limit_is_handed_out(play):
    blocker = Blocker()
    stream = play(Opener(Capture([picture(7), blocker])), timing=QUICK._replace(stall=4.0, oldest=0.3))
    assert stream.read(GENEROUS) is not None
    assert stream.latest() is not None
    assert blocker.reached.wait(GENEROUS)
    time.sleep(0.35)
    assert stream.state is State.LIVE, "the line is slow, not yet lost"
    assert stream.latest() is None
    assert stream.read(0.0, after=-1) is None
    blocker.go.set()


def test_a_blocked_read_is_a_loss_although_it_later_succeeds(play):
    blocker = Blocker()
    stuck = Capture([picture(0), picture(1), blocker], endless=True, mark=100)
    changes = []
    stream = play(Opener(stuck, Capture(endless=True)), on_state=changes.append)
    assert blocker.reached.wait(GENEROUS)
    begun = time.monotonic()
    assert until(lambda: stream.losses == 1)
    assert time.monotonic() - begun < 5
    assert until(lambda: any("no frame" in change.reason for change in changes if change.state is State.LOST))
    stream.wait_live(GENEROUS)
    assert stream.blocked == 1, "the thread that is stuck in the decoder is not waited for"
    assert stuck.released_by is None
    before = stream.read(GENEROUS).number
    blocker.go.set()
    assert until(lambda: stuck.released_by is not None)
    assert stuck.released_by == "kface-capture-rtsp", "a capture is released by the thread that was in it, and no other"
    assert stuck.reads == 3, "it reads no further"
    assert until(lambda: stream.blocked == 0)
    frames = [stream.read(GENEROUS) for _ in range(3)]
    assert stream.losses == 1
    assert all(frame.number > before and number_of(frame) < 100 for frame in frames)


def test_a_slow_success_is_a_loss_even_where_the_watchdog_slept(play):
    # Deadlines far away for the watching thread: only the reading thread's own measure is left.
    stuck = Capture([picture(0), lambda: time.sleep(0.6) or True], endless=True)
    stream = play(Opener(stuck, Capture(endless=True)))
    stream._watch = lambda worker: until(lambda: worker.over, 60) and worker.failure
    assert until(lambda: stream.losses == 1)
    assert stuck.reads == 2


def test_the_number_of_blocked_threads_is_capped(play):
    blockers = []

    def stuck():
        blockers.append(Blocker())
        return Capture([picture(0), blockers[-1]])

    opener = Opener(stuck)
    stream = play(opener)
    assert until(lambda: stream.blocked == QUICK.abandoned)
    time.sleep(1.0)
    assert len(opener.times) == QUICK.abandoned, "no attempt while the decoder holds so many"
    assert stream.state is State.LOST
    blockers[0].go.set()
    assert until(lambda: len(opener.times) == QUICK.abandoned + 1), "one that returned makes room"
    stream.close()
    for blocker in blockers:
        blocker.go.set()


def test_an_opening_that_hangs_is_given_up(play):
    blocker = Blocker()
    late = Capture(endless=True)
    stream = play(Opener(lambda: blocker() and late, Capture(endless=True)))
    stream.wait_live(GENEROUS)
    assert stream.blocked == 1
    assert stream.losses == 0, "it had never been live"
    blocker.go.set()
    assert until(lambda: stream.blocked == 0)
    assert late.released_by is not None
    assert late.reads == 0


def test_states_in_order_with_reasons_and_the_numbers_go_on(play):
    changes = []
    opener = Opener(Capture([picture(0)] * 3), StreamError("cannot be reached", CAMERA.uri), Capture(endless=True))
    stream = play(opener, on_state=changes.append)
    assert until(lambda: len(changes) >= 6)
    wanted = ["connecting", "live", "lost", "connecting", "lost", "connecting", "live"]
    assert until(lambda: [change.state.value for change in changes] == wanted)
    assert changes[2].reason == "rtsp://127.0.0.1:554/live: stopped; check that the camera is on"
    assert changes[4].reason == "rtsp://127.0.0.1:554/live: cannot be reached"
    assert (changes[1].reason, changes[6].reason, stream.reason) == ("", "", "")
    assert stream.read(GENEROUS).number >= 3
    stream.close()
    assert stream.state is State.CLOSED
    assert until(lambda: changes[-1].state is State.CLOSED)
    with pytest.raises(StreamError, match="has closed"):
        stream.wait_live(0)
    assert all(later.time_monotonic >= earlier.time_monotonic for earlier, later in zip(changes, changes[1:]))


def test_a_lost_streams_last_frame_is_withdrawn(play):
    stream = play(Opener(Capture([picture(0)]), StreamError("is off")))
    assert until(lambda: stream.losses == 1)
    assert stream.latest() is None


def test_waits_grow_up_to_the_longest(play):
    opener = Opener(StreamError("is off"))
    play(opener, timing=QUICK._replace(first_wait=0.1, longest_wait=0.4))
    assert until(lambda: len(opener.times) >= 6)
    waits = [later - earlier for earlier, later in zip(opener.times, opener.times[1:])]
    least = [0.05, 0.1, 0.2, 0.2, 0.2]
    assert all(wait >= low for wait, low in zip(waits, least)), waits


def test_a_stream_that_had_settled_is_tried_again_soon(play):
    captures = [StreamError("is off")] * 6 + [Capture(endless=True), StreamError("is off")]
    captures[6].script = [lambda: time.sleep(0.05) or True] * 20
    captures[6].endless = False
    opener = Opener(*captures)
    play(opener, timing=QUICK._replace(first_wait=0.02, longest_wait=2.0, settled=0.5))
    # 0.02, 0.04 ... 1.28: without a reset the next wait would be at least 0.64 s.
    assert until(lambda: len(opener.times) >= 8, 30)
    assert opener.times[7] - opener.times[6] < 20 * 0.05 + 0.5


def test_refused_credentials_are_told_at_once_and_not_tried_again_soon(play):
    opener = Opener(StreamRefusedError("rejected the id or the password", CAMERA.uri, "correct them"))
    stream = play(opener, timing=QUICK._replace(refused_wait=30.0))
    begun = time.monotonic()
    with pytest.raises(StreamRefusedError) as caught:
        stream.wait_live(20.0)
    assert time.monotonic() - begun < 15
    assert str(caught.value) == "rtsp://127.0.0.1:554/live: rejected the id or the password; correct them"
    time.sleep(0.5)
    assert len(opener.times) == 1
    assert stream.state is State.LOST


@pytest.mark.parametrize("where", ["open", "grab", "retrieve", "release"])
def test_what_a_decoder_raises_is_a_loss_without_credentials(play, where):
    def fail(*_):
        raise RuntimeError("no route to rtsp://watcher:hush-hush@127.0.0.1/live\n (hush-hush)")

    capture = Capture([picture(0)])
    if where != "open":
        setattr(capture, where, fail)
    changes = []
    stream = play(Opener(fail if where == "open" else capture, Capture(endless=True)), on_state=changes.append)
    stream.wait_live(GENEROUS)
    assert until(lambda: len(changes) >= 4)
    reasons = [change.reason for change in changes]
    assert any(reasons)
    assert not any("hush" in reason or "watcher" in reason or "\n" in reason for reason in reasons)
    if where != "release":
        assert any("the decoder failed (RuntimeError: no route" in reason for reason in reasons)


def test_a_release_that_fails_is_told_without_credentials(play, clip):
    def fail():
        raise RuntimeError("cannot free rtsp://watcher:hush-hush@127.0.0.1/live")

    capture = Capture([picture(0)])
    capture.release = fail
    stream = play(Opener(capture), settings=clip)
    assert until(lambda: stream.state is State.ENDED)
    assert stream.reason.endswith("clip.mp4: cannot be released (cannot free rtsp://***@127.0.0.1/live)")


def test_a_picture_of_a_worker_that_was_given_up_goes_nowhere(play):
    blocker = Blocker()
    stream = play(Opener(Capture([picture(0), blocker])), timing=QUICK._replace(stall=4.0))
    frame = stream.read(GENEROUS)
    stream._take(object(), picture(9), time.monotonic(), 9)
    assert stream.latest() is frame
    blocker.go.set()


def test_a_closed_stream_has_no_frame(play):
    stream = play(Opener(Capture(endless=True)))
    assert stream.read(GENEROUS) is not None
    stream.close()
    assert stream.latest() is None
    assert stream.read(GENEROUS) is None


@pytest.mark.parametrize("image", [None, picture(0)[:0], picture(0).astype("float32"), picture(0)[:, :, :2]])
def test_an_empty_picture_is_a_loss(play, image):
    opener = Opener(lambda: Capture([image], endless=True))
    stream = play(opener)
    assert until(lambda: len(opener.times) >= 2)
    assert "delivered a frame" in stream.reason


def test_pictures_after_a_stuck_line_are_as_old_as_the_wait(play):
    steps = [lambda: time.sleep(0.04) or True] * 10 + [lambda: time.sleep(1.2) or True] + [lambda: True] * 15
    blocker = Blocker()
    capture = Capture(steps + [lambda: time.sleep(0.04) or True, blocker], fps=25.0)
    stream = play(Opener(capture), timing=QUICK._replace(stall=4.0, oldest=0.5))
    seen = []
    while not blocker.reached.is_set():
        frame = stream.read(0.1)
        if frame is not None:
            assert time.monotonic() - frame.time_monotonic <= 0.6
            seen.append(frame.number)
    blocker.go.set()
    assert 5 in seen
    assert not set(range(10, 20)) & set(seen), "they come at once, and are up to 1.2 s old"
    assert stream.latest() is None or stream.latest().number >= 22


def test_the_limit_of_frames_a_second_and_the_resolution(play):
    capture = Capture(endless=True, fps=100)
    stream = play(Opener(capture), settings=CAMERA._replace(fps=10, resolution=(16, 16)))
    stream.wait_live(GENEROUS)
    begun, frames = time.monotonic(), []
    while time.monotonic() - begun < 1.5:
        frame = stream.read(0.2)
        if frame is not None:
            frames.append(frame)
    assert 4 <= len(frames) <= 17
    assert frames[0].image.shape == (12, 16, 3), "it fits into the resolution, with its aspect"
    assert frames[-1].number > 2 * len(frames)


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"not read by the fakes")
    return StreamSettings("file", file=path)


def test_a_file_plays_at_its_own_speed_and_ends(play, clip):
    changes = []
    begun = time.monotonic()
    stream = play(Opener(Capture([picture(n) for n in range(10)], fps=20)), settings=clip, on_state=changes.append)
    numbers = [frame.number for frame in stream]
    assert time.monotonic() - begun >= 9 / 20.0
    assert numbers[-1] == 9
    assert numbers == sorted(set(numbers))
    assert len(numbers) >= 3
    assert stream.state is State.ENDED
    assert stream.reason == ""
    assert [change.state.value for change in changes] == ["connecting", "live", "ended"]
    with pytest.raises(StreamError, match="has ended"):
        stream.wait_live(0)


def test_a_file_goes_on_at_its_pace_after_a_delay_and_slow_ones_are_no_loss(play, clip):
    pause = [lambda: time.sleep(0.3) or True]
    stream = play(Opener(Capture(pause + [picture(n) for n in range(7)], fps=20)), settings=clip)
    begun = time.monotonic()
    assert list(stream)
    assert time.monotonic() - begun >= 0.3 + 6 / 20.0 - 0.01
    slow = play(Opener(Capture([picture(0)] * 3, fps=1.5)), settings=clip)
    assert until(lambda: slow.state is State.ENDED)
    assert slow.losses == 0, "the wait between two pictures is ours"


def test_a_file_that_is_not_there_is_refused_at_once(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        Stream(str(tmp_path / "absent.mp4"))


def test_the_last_frame_is_not_missed(clip):
    stream = Stream(clip, opener=Opener(Capture()))
    wait = stream.read

    def read(timeout, after):
        if stream.state is not State.ENDED:
            # Between the timeout of this call and a look at the state, the last picture comes and the file ends.
            stream._take(stream._worker, picture(0), time.monotonic(), 0)
            stream._become(State.ENDED)
            return None
        return wait(timeout, after)

    stream.read = read
    assert [frame.number for frame in stream] == [0]


def test_a_stream_is_live_with_its_first_fresh_picture(play):
    def open_slowly():
        time.sleep(0.7)
        return Capture(endless=True, fps=50)

    seen = []
    stream = play(
        Opener(open_slowly),
        timing=QUICK._replace(oldest=0.5, opening=4.0),
        on_state=lambda change: seen.append((change.state, stream.latest())),
    )
    stream.wait_live(GENEROUS)
    assert until(lambda: len(seen) == 2)
    assert seen[1][0] is State.LIVE
    assert seen[1][1].number > 0, "what the decoder collected while it opened is too old"


def test_a_picture_that_cannot_be_decoded_is_a_loss(play):
    broken = Capture([picture(0)], endless=True)
    broken.retrieve = lambda: (False, picture(0))
    changes = []
    play(Opener(broken, StreamError("is off")), on_state=changes.append)
    assert until(lambda: any("cannot be decoded" in change.reason for change in changes))


def test_a_file_can_begin_again(play, clip):
    opener = Opener(lambda: Capture([picture(n) for n in range(5)], fps=100))
    changes = []
    stream = play(opener, settings=clip, loop=True, on_state=changes.append)
    assert until(lambda: len(opener.times) >= 4)
    assert stream.losses == 0
    assert [change.state.value for change in changes] == ["connecting", "live"]
    assert stream.read(GENEROUS).number >= 10


def test_a_file_without_a_picture_ends_with_the_reason(play, clip):
    opener = Opener(Capture())
    stream = play(opener, settings=clip, loop=True)
    with pytest.raises(StreamError, match="has no frame that can be decoded"):
        stream.wait_live(GENEROUS)
    assert stream.state is State.ENDED
    assert len(opener.times) == 1


def test_a_file_on_a_drive_that_hangs_is_lost_and_comes_back(play, clip):
    blocker = Blocker()
    stream = play(Opener(Capture([picture(0), blocker]), Capture(endless=True)), settings=clip)
    assert until(lambda: stream.losses == 1)
    stream.wait_live(GENEROUS)
    blocker.go.set()


def test_a_file_whose_read_was_too_slow_is_lost_not_ended(play, clip):
    slow = Capture([picture(0), lambda: time.sleep(0.6) or True], endless=True)
    changes = []
    stream = play(Opener(slow, Capture(endless=True)), settings=clip, on_state=changes.append)
    stream._watch = lambda worker: until(lambda: worker.over, 60) and worker.failure
    assert until(lambda: stream.losses == 1)
    assert until(lambda: len(changes) >= 3)
    assert [change.state for change in changes[:3]] == [State.CONNECTING, State.LIVE, State.LOST]


def test_closing_interrupts_every_wait_and_is_final(play):
    changes = []
    stream = play(
        Opener(StreamError("is off")),
        timing=QUICK._replace(first_wait=60.0, longest_wait=60.0),
        on_state=changes.append,
    )
    assert until(lambda: stream.state is State.LOST)
    reader = threading.Thread(target=lambda: stream.read(60.0))
    reader.start()
    begun = time.monotonic()
    stream.close()
    reader.join(GENEROUS)
    assert time.monotonic() - begun < GENEROUS
    assert not reader.is_alive()
    stream.close()
    assert [change.state for change in changes].count(State.CLOSED) == 1
    assert stream.start().state is State.CLOSED
    with pytest.raises(StreamError, match=r"is off"):
        stream.wait_live(0.1)


def test_closing_does_not_wait_for_a_blocked_decoder(play):
    blocker = Blocker()
    stream = play(Opener(Capture([picture(0), blocker])), timing=QUICK._replace(stall=4.0))
    assert blocker.reached.wait(GENEROUS)
    begun = time.monotonic()
    stream.close()
    assert time.monotonic() - begun < GENEROUS
    assert until(lambda: stream.blocked == 1)
    blocker.go.set()
    assert until(lambda: stream.blocked == 0)


def test_a_callback_may_close_the_stream_and_its_failure_harms_nothing(play, caplog):
    def on_state(change):
        if change.state is State.LIVE:
            stream.close()
        raise ValueError("a front end's mistake")

    stream = Stream(CAMERA, on_state, QUICK, opener=Opener(Capture(endless=True)))
    with stream:
        assert until(lambda: stream.state is State.CLOSED)
        assert until(lambda: len(caplog.records) == 3)
    assert "a front end's mistake" in caplog.text


def test_nothing_that_a_stream_shows_holds_credentials(play):
    stream = play(Opener(StreamError("is off", CAMERA.uri)))
    assert until(lambda: stream.state is State.LOST)
    shown = [repr(stream), str(stream.settings), repr(stream.settings), stream.reason]
    shown += [thread.name for thread in threading.enumerate()]
    assert not any("hush" in text or "watcher" in text for text in shown)


def test_wait_live_says_that_nothing_came(play):
    blocker = Blocker()
    stream = play(Opener(lambda: blocker() and Capture()), timing=QUICK._replace(opening=30.0))
    with pytest.raises(StreamError, match=r"no frame within 0\.1 s"):
        stream.wait_live(0.1)
    blocker.go.set()


@pytest.mark.parametrize("change", [{"stall": 4.6}, {"stall": 0}, {"first_wait": -1}, {"oldest": float("nan")}])
def test_impatience_and_too_much_patience_are_refused(change):
    with pytest.raises(ConfigError, match=r"stream\.timing\." + next(iter(change))):
        Stream(CAMERA, timing=Timing()._replace(**change), opener=Opener(Capture()))


def test_credentials_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("KFACE_STREAM_ID", "watcher")
    monkeypatch.setenv("KFACE_STREAM_PASSWORD", "hush-hush")
    stream = Stream("rtsp://127.0.0.1/live", opener=Opener(Capture()))
    assert stream.settings == CAMERA
