"""Three threads: side by side, the newest only, a clean end, and no failure that the caller does not hear of."""

import queue
import threading
import time

import numpy as np
import pytest
from recognizer_fakes import POINT, FakeDetector, FakeEmbedder, Gallery, faces_at, grey, unit
from waiting import until

from kface.errors import ImageError, KFaceError
from kface.recognizer import FaceRecognizer, Pipeline, PipelineSettings, Runner
from kface.slot import ClosedError, Slot
from kface.streams import Frame, ReadAhead

LONG = 20.0


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline and leftovers():
        time.sleep(0.01)
    assert leftovers() == []


def leftovers():
    return [thread.name for thread in threading.enumerate() if thread.name in NAMES]


NAMES = ("kface-capture", "kface-inference", "kface-output")


class Echo(object):
    """A pipeline that gives each frame back, when it may."""

    def __init__(self, gate=None):
        self.gate = gate
        self.seen = []

    def process(self, frame):
        self.seen.append(frame.number)
        if self.gate is not None:
            assert self.gate.wait(LONG)
        return frame


class Camera(ReadAhead):
    """Gives frames one by one as it is told, waits in between, and returns once it is closed."""

    def __init__(self, complains=False, drop=True):
        super(Camera, self).__init__(self, drop, wake=self.wake)
        self._change = threading.Condition()
        self._left = 0
        self._given = 0
        self._closed = False
        self._complains = complains
        self.waiting = threading.Event()

    def give(self, count):
        with self._change:
            self._left += count
            self._change.notify_all()

    def frames(self):
        return self

    def wake(self):
        with self._change:
            self._closed = True
            self._change.notify_all()

    def __iter__(self):
        return self

    def __next__(self):
        with self._change:
            while not self._left and not self._closed:
                self.waiting.set()
                self._change.wait()
            self.waiting.clear()
            if self._closed and self._complains:
                raise ValueError("read of closed camera")
            if self._closed:
                raise StopIteration
            self._left -= 1
            self._given += 1
            return Frame(None, 0.0, self._given - 1)


def test_a_file_is_read_without_loss_and_in_order():
    shown = []

    def slow(result):
        time.sleep(0.001)
        shown.append(result.number)

    with Runner([grey(0)] * 50, Echo(), slow, drop=False) as runner:
        assert runner.wait(LONG)
        assert not runner.running
    assert shown == list(range(50))
    assert runner.counts == (50, 0, 50, 0, 50)


def test_a_slow_pipeline_sees_the_newest_frame_only():
    gate, camera, shown = threading.Event(), Camera(), []
    pipeline = Echo(gate)
    with Runner(camera, pipeline, lambda frame: shown.append(frame.number)) as runner:
        camera.give(1)
        assert until(lambda: pipeline.seen == [0])
        camera.give(9)
        assert until(lambda: runner.counts.captured == 10 and camera.waiting.is_set())
        gate.set()
        assert until(lambda: 9 in shown)
        assert pipeline.seen == [0, 9]
        # The first result may have given way to the second as well.
        assert shown in ([0, 9], [9])
        assert runner.counts[:3] == (10, 8, 2)


def test_a_slow_output_sees_the_newest_result_only():
    gate, camera, shown = threading.Event(), Camera(), []

    def show(frame):
        shown.append(frame.number)
        assert gate.wait(LONG)

    with Runner(camera, Echo(), show) as runner:
        for number in range(6):
            camera.give(1)
            assert until(lambda: runner.counts.processed == number + 1)  # noqa: B023
            assert until(lambda: len(shown) == 1)
        gate.set()
        assert until(lambda: 5 in shown)
        assert shown == [0, 5]
        assert runner.counts.unseen == 4


def test_the_steps_overlap():
    """Each step waits until the other two are at work as well, which they can only be at the same time."""
    barrier = threading.Barrier(3)

    class Meeting(object):
        def process(self, frame):
            if frame.number == 1:
                barrier.wait(LONG)
            return frame

    def frames():
        for number in range(3):
            if number == 2:
                barrier.wait(LONG)
            yield grey(0)

    def show(frame):
        if frame.number == 0:
            barrier.wait(LONG)

    with Runner(frames(), Meeting(), show, drop=False) as runner:
        assert runner.wait(LONG)
    assert runner.counts.shown == 3


@pytest.mark.parametrize("drop", [True, False])
def test_stopping_wakes_everybody(drop):
    gate, camera = threading.Event(), Camera(drop=drop)
    pipeline = Echo(gate)
    runner = Runner(camera, pipeline, lambda frame: None, drop=drop).start()
    camera.give(5)
    assert until(lambda: pipeline.seen)
    assert runner.wait(0.05) is False
    threading.Timer(0.05, gate.set).start()
    runner.stop()
    assert not runner.running
    assert len(pipeline.seen) == 1
    assert runner.counts.shown == 0
    runner.stop()
    assert runner.wait(LONG)


def test_a_source_that_complains_about_being_closed_is_not_heard():
    camera = Camera(complains=True)
    with Runner(camera, Echo(), lambda frame: None) as runner:
        assert until(camera.waiting.is_set)
    assert not runner.running


def test_a_generator_is_closed_by_the_thread_that_runs_it():
    closed = []

    def frames():
        try:
            while True:
                yield grey(0)
        finally:
            closed.append(threading.current_thread().name)

    with Runner(frames(), Echo(), lambda frame: None) as runner:
        assert until(lambda: runner.counts.shown > 3)
    assert closed == ["kface-capture"]


def failing(at):
    def source():
        for number in range(100):
            if at == "source" and number == 3:
                raise OSError("no camera")
            yield grey(number)

    class Failing(Echo):
        def process(self, frame):
            if at == "pipeline" and frame.number == 3:
                raise ImageError("cannot be processed")
            return super(Failing, self).process(frame)

    def show(frame):
        if at == "output" and frame.number == 3:
            raise KeyboardInterrupt()

    return Runner(source(), Failing(), show, drop=False)


FAILURES = {"source": OSError, "pipeline": ImageError, "output": KeyboardInterrupt}


@pytest.mark.parametrize("at", sorted(FAILURES))
def test_a_failure_ends_all_and_reaches_who_waits(at):
    with pytest.raises(FAILURES[at]), failing(at) as runner:
        runner.wait(LONG)
    assert not runner.running
    # It is told once.
    runner.stop()


@pytest.mark.parametrize("at", sorted(FAILURES))
def test_a_failure_reaches_who_stops(at):
    runner = failing(at).start()
    assert until(lambda: not runner.running)
    with pytest.raises(FAILURES[at]):
        runner.stop()


def test_a_failure_is_told_even_while_the_source_waits():
    class Stuck(object):
        """Has no way to be closed."""

        def __init__(self):
            self.release = threading.Event()

        def __iter__(self):
            yield grey(0)
            assert self.release.wait(LONG)

    def show(frame):
        raise ImageError("cannot be shown")

    source = Stuck()
    runner = Runner(source, Echo(), show, patience=0.1).start()
    with pytest.raises(ImageError):
        runner.wait(LONG)
    with pytest.raises(KFaceError, match="kface-capture: did not end within 0.1 s") as caught:
        runner.stop()
    assert "\n" not in str(caught.value)
    source.release.set()


def test_a_source_that_cannot_be_closed_is_told():
    class Broken(Camera):
        def wake(self):
            super(Broken, self).wake()
            raise OSError("cannot be closed")

    with pytest.raises(OSError, match="cannot be closed"), Runner(Broken(), Echo(), lambda frame: None):
        pass


def test_the_first_failure_is_the_one_that_is_told():
    class Broken(Camera):
        def wake(self):
            super(Broken, self).wake()
            raise OSError("cannot be closed")

    def show(frame):
        raise ImageError("cannot be shown")

    camera = Broken()
    camera.give(1)
    runner = Runner(camera, Echo(), show).start()
    assert until(lambda: not runner.running)
    with pytest.raises(ImageError):
        runner.wait(LONG)


def test_the_callers_own_failure_counts_more():
    camera = Camera()
    with pytest.raises(ZeroDivisionError), Runner(camera, Echo(), lambda frame: None) as runner:
        raise ZeroDivisionError()
    assert not runner.running


def test_it_runs_once():
    runner = Runner([], Echo(), lambda frame: None)
    with pytest.raises(KFaceError, match="not started"):
        runner.wait()
    with runner:
        assert runner.wait(LONG)
    with pytest.raises(KFaceError, match="started before"):
        runner.start()


def test_a_slot():
    slot = Slot(drop=True)
    for item in (1, 2, 3):
        slot.put(item)
    assert (slot.get(), slot.dropped) == (3, 2)
    slot.put(4)
    slot.close()
    with pytest.raises(ClosedError):
        slot.put(5)
    assert slot.get() == 4
    with pytest.raises(ClosedError):
        slot.get()
    slot = Slot(drop=False)
    slot.put(1)
    slot.close(discard=True)
    with pytest.raises(ClosedError):
        slot.get()
    assert slot.dropped == 1
    assert slot.over


def test_a_slot_that_stays_empty_is_waited_for_as_long_as_that_is_wanted():
    slot = Slot(drop=False)
    with pytest.raises(queue.Empty):
        slot.get(0.01)
    assert not slot.over
    threading.Timer(0.02, slot.put, (1,)).start()
    assert slot.get(LONG) == 1
    threading.Timer(0.02, slot.close).start()
    with pytest.raises(ClosedError):
        slot.get(LONG)


def test_a_pipeline_gives_the_same_in_threads_as_in_a_loop():
    recognizer = FaceRecognizer(FakeDetector({10: faces_at([(150, 100, 90)])}), FakeEmbedder(), "f", POINT)
    frames = [grey(10)] * 4 + [grey(99)] * 3 + [grey(10)] * 3
    gallery = Gallery({"ann": unit(1)})
    settings = PipelineSettings(tracks=None)
    alone = Pipeline(recognizer, gallery, settings)
    expected = [alone.process(frame) for frame in frames]
    results = []
    with Runner(frames, Pipeline(recognizer, gallery, settings), results.append, drop=False) as runner:
        assert runner.wait(LONG)
    assert [result.identities for result in results] == [result.identities for result in expected]
    for one, other in zip(results, expected):
        np.testing.assert_array_equal(one.faces.boxes, other.faces.boxes)
