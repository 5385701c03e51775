"""What is told about people: once when it is decided, again when it changes, and that they have left."""

import datetime
import threading
import time

import numpy as np
import pytest
from deploy_fakes import (
    identity,
    result,
    track,
)
from waiting import GENEROUS

from deploy.events import ABSENT_FRAMES, Event, EventLog, Observer, box_of, wall_time
from deploy.status import Meter
from kface.recognizer import RECOGNISED, UNDECIDED, UNKNOWN

KIM = identity(RECOGNISED, "Kim", 0.81234)
PARK = identity(RECOGNISED, "Park")
NOBODY = identity(UNKNOWN, None, 0.1)
OPEN = identity(UNDECIDED, "Kim", 0.5)


@pytest.fixture
def observer():
    return Observer(EventLog())


def told(events):
    return [(event.kind, event.track, event.name) for event in events]


def test_a_decision_is_told_once(observer):
    found = observer.observe(result(7, [track(3, KIM, (10, 20.04, 60, 80))], age=2.0), 1e-4)
    assert told(found) == [("recognised", 3, "Kim")]
    event = found[0]
    assert (event.score, event.fmr, event.box, event.frame) == (0.8123, 1e-4, (10.0, 20.0, 60.0, 80.0), 7)
    # The frame's time, not the moment at which it was looked at.
    ago = time.time() - datetime.datetime.strptime(event.time[:23], "%Y-%m-%dT%H:%M:%S.%f").timestamp()
    assert 1.9 < ago < 2.0 + GENEROUS
    for number in range(8, 12):
        assert observer.observe(result(number, [track(3, KIM)]), 1e-4) == []


def test_what_is_open_is_not_told_and_takes_nothing_back(observer):
    assert observer.observe(result(0, [track(1, OPEN)]), None) == []
    assert told(observer.observe(result(1, [track(1, KIM)]), None)) == [("recognised", 1, "Kim")]
    assert observer.observe(result(2, [track(1, OPEN)]), None) == []
    assert observer.observe(result(3, [track(1, KIM)]), None) == []


def test_a_change_is_told(observer):
    observer.observe(result(0, [track(1, NOBODY)]), 1e-4)
    found = observer.observe(result(1, [track(1, KIM)]), 1e-4)
    found += observer.observe(result(2, [track(1, PARK)]), 1e-4)
    found += observer.observe(result(3, [track(1, NOBODY)]), 1e-4)
    assert told(found) == [("recognised", 1, "Kim"), ("recognised", 1, "Park"), ("unknown", 1, None)]
    # The false match rate is the threshold's, and means nothing about somebody unknown.
    assert [event.fmr for event in found] == [1e-4, 1e-4, None]


def test_somebody_who_is_missing_is_told_when_seen_again(observer):
    assert observer.observe(result(0, [track(1, KIM, missing=1)]), None) == []
    assert told(observer.observe(result(1, [track(1, KIM)]), None)) == [("recognised", 1, "Kim")]


def test_several_are_told_in_order(observer):
    found = observer.observe(result(0, [track(1, KIM), track(2, OPEN), track(3, NOBODY), track(4, PARK)]), None)
    assert told(found) == [("recognised", 1, "Kim"), ("unknown", 3, None), ("recognised", 4, "Park")]
    assert [event.number for event in found] == [1, 2, 3]


def test_leaving_is_told_of_those_who_were_told(observer):
    observer.observe(result(0, [track(1, KIM), track(2, OPEN), track(3, NOBODY)]), None)
    found = observer.observe(result(9, [], [track(1, KIM), track(2, OPEN), track(3, NOBODY)]), None)
    assert told(found) == [("left", 1, "Kim"), ("left", 3, None)]
    assert found[0].box is not None
    assert found[0].frame == 9
    assert observer.finish() == []


def test_a_takeover_is_a_leaving_and_a_coming(observer):
    observer.observe(result(0, [track(1, KIM)]), None)
    found = observer.observe(result(1, [track(2, PARK)], [track(1, KIM)]), None)
    assert told(found) == [("left", 1, "Kim"), ("recognised", 2, "Park")]


def test_at_the_end_everybody_has_left(observer):
    observer.observe(result(0, [track(2, PARK), track(1, KIM), track(3, OPEN)]), None)
    assert told(observer.finish()) == [("left", 1, "Kim"), ("left", 2, "Park")]
    assert observer.finish() == []


def test_without_tracks_somebody_is_told_again_after_an_absence(observer):
    alone = [((10, 20, 60, 80), KIM)]
    assert told(observer.observe(result(0, alone=alone), None)) == [("recognised", None, "Kim")]
    for number in range(1, 40):
        assert observer.observe(result(number, alone=alone), None) == []
    assert observer.observe(result(39 + ABSENT_FRAMES, alone=alone), None) == []
    later = 39 + ABSENT_FRAMES + ABSENT_FRAMES + 1
    assert observer.observe(result(later - 1), None) == []
    assert told(observer.observe(result(later, alone=alone), None)) == [("recognised", None, "Kim")]


def test_without_tracks_each_is_told_for_itself_and_strangers_together(observer):
    alone = [((0, 0, 20, 20), NOBODY), ((30, 0, 50, 20), KIM), ((60, 0, 80, 20), NOBODY), ((90, 0, 110, 20), OPEN)]
    found = observer.observe(result(0, alone=alone), None)
    assert told(found) == [("unknown", None, None), ("recognised", None, "Kim")]
    assert found[1].box == (30.0, 0.0, 50.0, 20.0)
    assert told(observer.observe(result(1, alone=[((0, 0, 20, 20), PARK)]), None)) == [("recognised", None, "Park")]
    # A film that begins again.
    assert told(observer.observe(result(0, alone=[((0, 0, 20, 20), PARK)]), None)) == [("recognised", None, "Park")]


def test_a_face_without_any_vote_has_no_score(observer):
    found = observer.observe(result(0, [track(1, identity(UNKNOWN, None, -2.0))]), None)
    assert found[0].score is None


def test_an_event_as_json_has_what_there_is():
    event = Event(1, "t", "recognised", track=2, score=0.0, box=(1.0, 2.0, 3.0, 4.0), frame=0)
    assert event.as_dict() == {
        "number": 1,
        "time": "t",
        "kind": "recognised",
        "track": 2,
        "score": 0.0,
        "box": (1.0, 2.0, 3.0, 4.0),
        "frame": 0,
    }
    assert box_of(np.array([1.26, 2, 3, 4], np.float32)) == (1.3, 2.0, 3.0, 4.0)


def test_times_are_local_with_their_offset(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Seoul")
    time.tzset()
    try:
        assert wall_time().endswith("+09:00")
        assert len(wall_time()) == len("2026-01-02T03:04:05.678+09:00")
        earlier = wall_time(time.monotonic() - 3600)
        assert earlier[:19] != wall_time()[:19]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_log_keeps_the_newest():
    log = EventLog(kept=3)
    assert log.newest == 0
    assert log.wait(0, 0) == []
    for _ in range(5):
        log.add("stream")
    assert [event.number for event in log.wait(0, 0)] == [3, 4, 5]
    assert [event.number for event in log.wait(4, 0)] == [5]
    assert log.newest == 5


def test_a_reader_is_woken_by_news_and_by_the_end():
    log = EventLog()
    threading.Timer(0.05, lambda: log.add("stream", reason="lost")).start()
    assert [event.reason for event in log.wait(0, GENEROUS)] == ["lost"]
    begun = time.monotonic()
    assert log.wait(1, 0.02) == []
    threading.Timer(0.05, log.close).start()
    assert log.wait(1, GENEROUS) == []
    assert log.wait(1, GENEROUS) == []
    assert time.monotonic() - begun < GENEROUS


def test_events_of_several_threads_have_numbers_without_gaps():
    log = EventLog(kept=4000)
    many = [threading.Thread(target=lambda: [log.add("stream") for _ in range(500)]) for _ in range(4)]
    for thread in many:
        thread.start()
    for thread in many:
        thread.join()
    assert [event.number for event in log.wait(0, 0)] == list(range(1, 2001))


class Clock(object):
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


def test_rate_and_latency_are_those_of_the_last_seconds(monkeypatch):
    import deploy.status

    clock = Clock()
    monkeypatch.setattr(deploy.status, "time", clock)
    meter = Meter(window=5.0)
    assert meter.read() == (0.0, None, None)
    meter.take(clock.now - 0.1)
    assert meter.read() == (0.0, 100.0, 100.0)
    # Ten a second, each 50 ms old, one in ten of them 250 ms.
    for number in range(100):
        clock.now += 0.1
        meter.take(clock.now - (0.25 if number % 10 == 9 else 0.05))
    rate, p50, p95 = meter.read()
    assert rate == pytest.approx(10, abs=0.3)
    assert p50 == pytest.approx(50, abs=1)
    assert p95 == pytest.approx(250, abs=1)
    clock.now += 6
    assert meter.read() == (0.0, None, None)


def test_what_has_just_begun_has_its_rate_already(monkeypatch):
    import deploy.status

    clock = Clock()
    monkeypatch.setattr(deploy.status, "time", clock)
    meter = Meter()
    for _ in range(11):
        meter.take(clock.now)
        clock.now += 0.1
    assert meter.read()[0] == pytest.approx(10, rel=0.15)
