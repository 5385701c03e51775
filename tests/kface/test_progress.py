"""Progress: a line that renews itself on a terminal, one every half minute elsewhere, never a failure."""

import io
import re
import threading
import time

import pytest

from kface.progress import Progress, clock, progressing


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Broken(io.StringIO):
    def write(self, text):
        raise OSError(32, "Broken pipe")


def wait_for(stream, text):
    until = time.monotonic() + 10
    while text not in stream.getvalue() and time.monotonic() < until:
        time.sleep(0.01)
    assert text in stream.getvalue()


def test_lines_come_while_one_step_takes_long():
    stream = io.StringIO()
    with Progress(4, "faces", "images", stream=stream, every=0.05) as progress:
        progress.update()
        wait_for(stream, "faces: 1/4 images, 25 %")
        progress.note = "loss 1.5"
        wait_for(stream, "loss 1.5")
        progress.update(3)
    lines = stream.getvalue().splitlines()
    assert re.fullmatch(r"faces: 4/4 images, 100 %, finished in 0:\d\d, loss 1.5", lines[-1])
    assert "\r" not in stream.getvalue()
    assert not [thread for thread in threading.enumerate() if thread.name == "kface-progress"]


def test_work_without_steps():
    stream = io.StringIO()
    with Progress(None, "converting", stream=stream, every=0.05):
        wait_for(stream, "converting: 0:00 elapsed\n")


def test_short_work_prints_nothing_outside_a_terminal():
    stream = io.StringIO()
    assert list(progressing(range(5), "counting", stream=stream)) == [0, 1, 2, 3, 4]
    assert stream.getvalue() == ""


def test_a_terminal_gets_one_line_that_renews_itself():
    stream = Terminal()
    with Progress(2, "faces", "images", stream=stream, every=0.02) as progress:
        wait_for(stream, "\rfaces: 0/2 images")
        progress.milestone("epoch 1")
        wait_for(stream, "\repoch 1\x1b[K\n\rfaces: ")
        progress.update(2)
        wait_for(stream, "2/2")
    assert stream.getvalue().endswith("\x1b[K\n")
    assert stream.getvalue().count("\n") == 2


def test_milestones_are_lines_everywhere():
    stream = io.StringIO()
    with Progress(2, "faces", stream=stream) as progress:
        progress.milestone("epoch 1")
    assert stream.getvalue().startswith("epoch 1\n")


def test_disabled_it_prints_nothing():
    stream = io.StringIO()
    with Progress(1, "faces", enabled=False, stream=stream, every=0.01) as progress:
        progress.milestone("epoch 1")
        time.sleep(0.05)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("make", [Broken, lambda: io.TextIOWrapper(io.BytesIO(), encoding="ascii")])
def test_an_output_that_fails_does_not_disturb_the_work(make):
    stream = make()
    with Progress(1, "\uc5bc\uad74", stream=stream, every=0.01) as progress:
        time.sleep(0.05)
        progress.milestone("\uc5bc\uad74")
    if not isinstance(stream, Broken):
        stream.seek(0)
        assert stream.readline().startswith("\\uc5bc")


def test_a_failure_goes_through_and_is_not_called_finished():
    stream = io.StringIO()

    def fail():
        with Progress(2, "faces", stream=stream, every=0.01):
            wait_for(stream, "faces")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert "finished" not in stream.getvalue()


def test_clock():
    assert [clock(value) for value in (0, 59.9, 61, 3600 + 62, -1)] == ["0:00", "0:59", "1:01", "1:01:02", "0:00"]
