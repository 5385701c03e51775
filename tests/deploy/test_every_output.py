"""What holds for every output: a slow one stops no stream, a failing one no other, and closing twice is harmless.

An output that is added has its example in :data:`EXAMPLES`.
"""

import errno
import os
import threading

import pytest
from deploy_fakes import event, result
from waiting import until

from deploy.outputs import Output, OutputStream, outputs
from deploy.publishing import OUTPUT, Publisher
from deploy.settings import DeploySettings
from deploy.subscription import Subscription
from kface.errors import ConfigError, KFaceError

#: For each output, by its first setting, what turns it on; a path is in the test's own folder.
EXAMPLES = {"json": "events.jsonl", "snapshots": "faces", "video": "out.avi"}
STREAM = OutputStream(25.0, True)

every_output = pytest.mark.parametrize("output", outputs(), ids=lambda output: output.options._fields[0])


@pytest.fixture
def opened(output, tmp_path, monkeypatch):
    """Return the output as its settings open it."""
    monkeypatch.chdir(str(tmp_path))
    key = output.options._fields[0]
    chosen = DeploySettings.from_mapping({"bundle": "b", "outputs": {key: EXAMPLES[key]}}).outputs.chosen
    assert [(one.output, one.options[0]) for one in chosen] == [(output, EXAMPLES[key])]
    return output.open(chosen[0].options, STREAM)


def results(count):
    return [result(number) for number in range(count)]


class Heard(object):
    """What a subscription reports."""

    def __init__(self):
        self.failed, self.crashed, self.late = [], [], []

    def subscription(self, output, **limits):
        return Subscription(
            output, lambda _, error: self.failed.append(error), self.crashed.append, self.late.append, **limits
        )


def test_every_output_has_an_example():
    assert set(EXAMPLES) == {output.options._fields[0] for output in outputs()}


@every_output
def test_no_output_is_on_by_default(output):
    assert output.options()[0] is None
    assert DeploySettings.from_mapping({"bundle": "b"}).outputs.chosen == ()


@every_output
def test_results_are_written_and_closing_twice_is_harmless(output, opened, tmp_path):
    for one in results(4):
        opened.write(one, [event(number=one.frame.number + 1)])
    opened.close([event("left", number=9)])
    before = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert before
    assert all(before.values())
    opened.close()
    opened.close([event("left", number=10)])
    assert {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@every_output
def test_an_output_that_gets_no_result_can_be_closed(output, opened):
    with opened:
        pass
    opened.close()


@every_output
def test_a_slow_output_holds_up_nothing_and_loses_results_that_are_counted(output, opened, monkeypatch):
    heard, may_write = Heard(), threading.Event()
    write = opened.write
    monkeypatch.setattr(opened, "write", lambda *given: (may_write.wait(30), write(*given)))
    subscription = heard.subscription(opened, most=3)
    # All of these return while the output is in its first write.
    for one in results(12):
        subscription.put(one, [], False)
    assert subscription.dropped >= 12 - 3 - 1
    assert heard.late == [opened]
    may_write.set()
    subscription.close([event("left", number=9)])
    subscription.join()
    assert subscription.published == 12
    assert (heard.failed, heard.crashed) == ([], [])


@every_output
def test_a_failing_output_is_let_go_and_the_others_go_on(output, opened, monkeypatch):
    class Counting(Output):
        name = "counting"

        def __init__(self):
            self.written = 0

        def write(self, result, events):
            self.written += 1

    def full(result, events):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(opened, "write", full)
    publisher, other = Publisher((640, 360), lambda: ("live", ""), pytest.fail), Counting()
    publisher.subscribe(opened)
    publisher.subscribe(other)
    for one in results(6):
        publisher.publish(one, None, True)
    assert until(lambda: other.written == 6 and publisher.failures)
    publisher.close([], True)
    (failure,) = publisher.failures
    assert isinstance(failure, KFaceError)
    assert str(failure) == "{}: cannot be written (No space left on device); make room".format(opened.name)
    assert [one.reason for one in publisher.log.wait(0, 0) if one.kind == OUTPUT] == [str(failure)]


@every_output
def test_settings_of_an_output_that_is_off_are_checked_all_the_same(output):
    for key, default in output.options()._asdict().items():
        if default is not None:
            with pytest.raises(ConfigError, match=r"outputs\.{}: must be ".format(key)):
                DeploySettings.from_mapping({"bundle": "b", "outputs": {key: object()}})
