"""A queue and a thread for each output: a slow one misses something of a live stream, and holds up a file."""

import threading
import time

import pytest
from deploy_fakes import (
    KIM,
    Film,
    NoGallery,
    event,
    picture,
    play,
    result,
    shown,
    watch,
)
from waiting import GENEROUS, until

from deploy import publishing
from deploy import subscription as subscription_module
from deploy.outputs import Output
from deploy.subscription import Subscription
from kface.errors import KFaceError

pytestmark = pytest.mark.usefixtures("no_thread_is_left")
PICTURE = 320 * 180 * 3


class Slow(Output):
    """Is in its first write until it is told to go on, or sleeps in each."""

    name = "slow.avi"

    def __init__(self, seconds=None, failing=None):
        self.seconds = seconds
        self.failing = failing
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.numbers, self.events, self.writers, self.closed = [], [], set(), None

    def write(self, shown, events):
        self.writers.add(threading.current_thread().name)
        self.begun.set()
        if self.seconds is None:
            assert self.go_on.wait(GENEROUS)
        else:
            time.sleep(self.seconds)
        if self.failing is not None:
            raise self.failing
        self.numbers.append(shown.frame.number)
        self.events += events

    def close(self, events):
        self.writers.add(threading.current_thread().name)
        self.closed = list(events)


class Heard(object):
    """What a subscription has called."""

    def __init__(self):
        self.failed, self.crashed, self.late = [], [], []

    def subscribe(self, output, **how):
        return Subscription(
            output,
            lambda *given: self.failed.append(given),
            self.crashed.append,
            self.late.append,
            **how,
        )


@pytest.fixture
def heard():
    return Heard()


def fill(subscription, output, numbers, eventful=(), complete=False):
    """Publish results while the output is in the write of result 0."""
    subscription.put(result(0), [], complete)
    assert output.begun.wait(GENEROUS)
    for number in numbers:
        subscription.put(result(number), [event(number=number)] if number in eventful else [], complete)


def end(subscription, output, events=(), **how):
    output.go_on.set()
    subscription.close(events, **how)
    subscription.join()


def test_what_is_queued_is_written_in_order_by_one_thread_and_then_the_end(heard):
    output = Slow()
    subscription = heard.subscribe(output)
    fill(subscription, output, range(1, 20), eventful=(4, 9))
    end(subscription, output, [event("left", number=20)])
    assert output.numbers == list(range(20))
    assert [one.number for one in output.events] == [4, 9]
    assert [one.number for one in output.closed] == [20]
    assert output.writers == {"kface-write-slow"}
    assert (subscription.published, subscription.dropped) == (20, 0)
    assert (heard.failed, heard.crashed, heard.late) == ([], [], [])


@pytest.mark.parametrize("bound", [{"largest": 3 * PICTURE}, {"most": 3}])
def test_of_a_full_queue_the_oldest_in_which_nothing_happened_go_first(heard, bound):
    output = Slow()
    subscription = heard.subscribe(output, **bound)
    fill(subscription, output, range(1, 9), eventful=(2, 5))
    assert subscription.dropped == 5
    assert heard.late == [output]
    end(subscription, output)
    assert output.numbers == [0, 2, 5, 8]
    assert [one.number for one in output.events] == [2, 5]
    assert subscription.published == 9


def test_where_something_happened_in_all_of_them_the_oldest_go(heard):
    output = Slow()
    subscription = heard.subscribe(output, most=3)
    fill(subscription, output, range(1, 7), eventful=range(1, 7))
    end(subscription, output)
    assert output.numbers == [0, 4, 5, 6]


def test_a_picture_larger_than_the_queue_is_written_all_the_same(heard):
    output = Slow()
    subscription = heard.subscribe(output, largest=PICTURE // 2)
    fill(subscription, output, (1, 2))
    end(subscription, output)
    assert output.numbers == [0, 2]


def test_an_output_that_looks_at_no_pictures_keeps_none_waiting(heard):
    class Lines(Slow):
        pictures = False

        def write(self, shown, events):
            assert shown.frame.image.nbytes == 0
            super(Lines, self).write(shown, events)

    output = Lines()
    subscription = heard.subscribe(output, largest=PICTURE)
    fill(subscription, output, range(1, 100))
    end(subscription, output)
    assert output.numbers == list(range(100))
    assert heard.crashed == []


def test_a_file_waits_for_room_until_the_end_is_asked_for(heard):
    output = Slow()
    subscription = heard.subscribe(output, most=2)
    fill(subscription, output, (1, 2), complete=True)
    waits = threading.Thread(target=subscription.put, args=(result(3), [], True))
    waits.start()
    waits.join(0.1)
    assert waits.is_alive()
    subscription.release()
    waits.join(GENEROUS)
    assert not waits.is_alive()
    end(subscription, output)
    assert output.numbers == [0, 1, 2, 3]
    assert subscription.dropped == 0


def test_who_waits_for_room_is_woken_by_a_failure(heard):
    output = Slow(failing=OSError("gone"))
    subscription = heard.subscribe(output, most=1)
    fill(subscription, output, (1,), complete=True)
    waits = threading.Thread(target=subscription.put, args=(result(2), [], True))
    waits.start()
    output.go_on.set()
    waits.join(GENEROUS)
    assert not waits.is_alive()
    assert [(given[0], str(given[1])) for given in heard.failed] == [(output, "gone")]
    assert output.closed == []
    # It gets nothing any more.
    subscription.put(result(3), [], True)
    subscription.close([event()])
    subscription.join()
    assert output.closed == []


def test_a_mistake_is_no_failure(heard):
    output = Slow(0.0, failing=ZeroDivisionError())
    subscription = heard.subscribe(output)
    subscription.put(result(0), [], False)
    assert until(lambda: heard.crashed)
    assert heard.failed == []
    subscription.join()


def test_what_cannot_be_written_in_time_at_the_end_is_dropped_and_the_output_closed(heard):
    output = Slow()
    subscription = heard.subscribe(output)
    fill(subscription, output, range(1, 5))
    end(subscription, output, [event("left")], seconds=0)
    assert output.numbers == [0]
    assert [one.kind for one in output.closed] == ["left"]
    assert subscription.dropped == 4


def test_a_write_that_does_not_return_is_given_up(heard):
    output = Slow()
    subscription = heard.subscribe(output)
    fill(subscription, output, range(1, 5))
    subscription.close([])
    with pytest.raises(KFaceError) as caught:
        subscription.join(0.2)
    assert str(caught.value) == ("slow.avi: write blocked for 0.2 s; 4 queued frames lost; check the disk")
    assert subscription.dropped == 4
    output.go_on.set()


def test_an_output_of_nothing_is_closed_as_well(heard):
    output = Slow()
    subscription = heard.subscribe(output)
    subscription.close([event("left")])
    subscription.close([])
    subscription.join()
    assert [one.kind for one in output.closed] == ["left"]


# ---- in a session


class Fast(Slow):
    name = "fast.jsonl"


def test_a_slow_output_slows_neither_the_session_nor_the_other_outputs(camera, monkeypatch):
    """It sleeps half a second a frame, the camera gives fifty a second."""
    # No room for more than two pictures, and no time for them at the end.
    monkeypatch.setattr(publishing, "DRAIN_S", 0.0)
    monkeypatch.setattr(subscription_module, "LARGEST", 2 * PICTURE)
    slow, fast = Slow(0.5), Fast(0.0)
    session = watch(camera, NoGallery())
    session.add_output(slow)
    session.add_output(fast)
    with session:
        assert slow.begun.wait(GENEROUS)
        first, seen, written = (
            session.status.processed,
            shown(session, lambda view: view.live).number,
            len(fast.numbers),
        )
        before = len(slow.numbers)
        assert until(lambda: session.status.processed - first >= 60)
        # While one has written some frames, everybody else has got almost all of them.
        assert until(lambda: len(fast.numbers) - written >= 55)
        assert shown(session, lambda view: view.live).number > seen
        assert len(slow.numbers) - before < 50
        assert session.status.dropped > 0
    told = [one.reason for one in session.wait_events(0, 0) if one.kind == "output"]
    assert told[0] == "slow.avi: too slow; dropping frames"
    assert told[1] == "slow.avi: {} of {} frames dropped: output too slow".format(
        session.status.dropped, len(slow.numbers) + session.status.dropped
    )
    assert len(told) == 2
    assert session.failures == []
    assert slow.closed is not None
    # What happened in it is never what is left out.
    assert [(one.kind, one.track) for one in slow.events] == [(one.kind, one.track) for one in fast.events]
    assert slow.events


def test_a_file_without_loss_waits_for_a_slow_output(monkeypatch):
    monkeypatch.setattr(subscription_module, "LARGEST", 2 * PICTURE)
    output, other = Slow(), Fast(0.0)
    session = play(Film([picture((KIM, 80, 90, 60))] * 40), NoGallery())
    session.add_output(output)
    session.add_output(other)
    with session:
        assert output.begun.wait(GENEROUS)
        # In the write, queued, waiting for room, and in the places between the threads.
        assert until(lambda: len(other.numbers) == 3)
        assert session.wait(0.2) is False
        assert session.status.captured < 10
        output.go_on.set()
        assert session.wait(GENEROUS)
    assert output.numbers == other.numbers == list(range(40))
    assert session.status.dropped == 0
    assert output.closed is not None


def test_what_is_queued_is_written_before_the_end(camera):
    output = Slow()
    session = watch(camera, NoGallery())
    session.add_output(output)
    session.start()
    assert output.begun.wait(GENEROUS)
    assert until(lambda: session.status.processed >= 10)
    stopper = threading.Thread(target=session.stop)
    stopper.start()
    stopper.join(0.2)
    assert stopper.is_alive()
    output.go_on.set()
    stopper.join(GENEROUS)
    assert not stopper.is_alive()
    assert len(output.numbers) >= 9
    assert output.closed is not None
    assert session.status.dropped == 0


def test_a_mistake_with_what_is_queued_at_the_end_is_not_swallowed(camera):
    output = Slow(failing=ZeroDivisionError())
    session = watch(camera, NoGallery())
    session.add_output(output)
    session.start()
    assert output.begun.wait(GENEROUS)
    threading.Timer(0.1, output.go_on.set).start()
    with pytest.raises(ZeroDivisionError):
        session.stop()
