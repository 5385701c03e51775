"""The estimate: its arithmetic by hand, and that the published points lie within it."""

import pytest

from benchmarks.nano import counting, estimate
from benchmarks.nano.counting import Count
from benchmarks.nano.estimate import Assumed
from benchmarks.nano.probe import FrameWork, Observed
from kface.mtcnn import pyramid

#: Round figures: all of the peak or half of it, and so on.
SIMPLE = Assumed((0.5, 1.0), (0.25, 0.5), (0.5, 1.0), (20.0, 10.0), (2.0, 1.0), (10.0, 5.0))
#: 236 million multiply-accumulates are a millisecond at the FP16 peak, 12.8 million half numbers at the memory's.
COUNT = Count(236000000, 12800000, 0, 12800000, 10, 20)


def test_milliseconds_by_hand():
    low, high = estimate.network_ms(COUNT, 1, "fp16", SIMPLE.large, SIMPLE)
    # At best the arithmetic hides the weights' way (1 ms both), ten layers start in 0.1 ms, the call takes 1 ms.
    assert low == pytest.approx(1.0 + 0.1 + 1.0)
    # At worst half the peak (2 ms), weights and numbers at half the bandwidth (4 ms), 20 layers in 0.4 ms, 2 ms.
    assert high == pytest.approx(2.0 + 4.0 + 0.4 + 2.0)


def test_a_batch_reads_the_weights_once():
    low, high = estimate.network_ms(COUNT, 3, "fp16", SIMPLE.large, SIMPLE)
    assert low == pytest.approx(3.0 + 0.1 + 1.0)
    assert high == pytest.approx(6.0 + 2.0 + 3 * 2.0 + 0.4 + 2.0)


def test_where_memory_is_the_limit():
    many = COUNT._replace(macs=1000)
    assert estimate.network_ms(many, 1, "fp16", SIMPLE.large, SIMPLE)[0] == pytest.approx(1.0 + 0.1 + 1.0)


def test_full_precision_takes_twice():
    half = estimate.network_ms(COUNT, 1, "fp16", SIMPLE.large, SIMPLE)
    full = estimate.network_ms(COUNT, 1, "fp32", SIMPLE.large, SIMPLE)
    assert full[0] - 1.1 == pytest.approx(2 * (half[0] - 1.1))
    assert full[1] - 2.4 == pytest.approx(2 * (half[1] - 2.4))


def test_what_is_not_called_costs_nothing_and_what_is_called_now_and_then_a_part():
    assert estimate.network_ms(COUNT, 0, "fp16", SIMPLE.large, SIMPLE) == (0.0, 0.0)
    low, _ = estimate.network_ms(COUNT, 0.5, "fp16", SIMPLE.large, SIMPLE)
    # Half of the frames have one: half of the arithmetic, the weights and the call.
    assert low == pytest.approx(0.5 * (1.0 + 0.1 + 1.0))


def test_the_canvas_is_the_one_that_the_cascade_packs():
    height, width = estimate.pnet_canvas((640, 360), 39.8)
    scales = pyramid.scales(360, 640, 39.8, 0.709)
    area = sum(int(360 * scale) * int(640 * scale) for scale in scales)
    assert area < height * width < 1.35 * area
    assert height >= int(360 * scales[0])
    assert estimate.pnet_canvas((1280, 720), 39.8)[0] > height
    assert estimate.pnet_canvas((640, 360), 20.0)[0] > height


def test_every_published_point_lies_within_the_estimate():
    points = estimate.calibration()
    assert len(points) == 4
    for point in points:
        assert point.met, point
        assert point.estimated[0] < point.estimated[1] < 6 * point.estimated[0]
    assert any("about 30" in point.what and point.published == (30.0, 30.0) for point in points)


def test_the_processor_is_calibrated_with_the_papers_opencv():
    # The paper: 340 to 360 ms at 640x360, 1300 to 1400 at 1280x720.
    assert estimate.assumed([((640, 360), 35.0)]).host == (10.0, 5.0)
    assert estimate.assumed([((640, 360), 35.0), ((1280, 720), 90.0)]).host == (15.0, 7.5)
    assert estimate.assumed([((320, 240), 5.0)]) == Assumed()
    assert estimate.assumed() == Assumed()


def observed(host=1.0, share=0.25, following=0.2):
    return Observed(3, share, FrameWork(host, 20, 5, 0.5), None if share == 1 else FrameWork(following, 0, 3, 0.5))


def test_a_stream_by_hand():
    row = estimate.stream(observed(), (640, 360), 39.8, COUNT, SIMPLE)
    pnet = estimate.network_ms(counting.pnet(*estimate.pnet_canvas((640, 360), 39.8)), 1, "fp16", SIMPLE.small, SIMPLE)
    assert row.detection.pnet == pnet
    assert row.detection.host == (5.0, 10.0)
    assert row.detection.rnet == estimate.network_ms(counting.rnet(), 20, "fp16", SIMPLE.small, SIMPLE)
    assert row.detection.onet == estimate.network_ms(counting.onet(), 5, "fp16", SIMPLE.small, SIMPLE)
    assert row.following.pnet == row.following.rnet == (0.0, 0.0)
    for frames in (row.detection, row.following):
        for end in (0, 1):
            assert frames.total[end] == pytest.approx(sum(part[end] for part in frames[:5]))
            assert frames.total[end] > frames.host[end]
    for end in (0, 1):
        mean = 0.25 * row.detection.total[end] + 0.75 * row.following.total[end]
        assert row.ms[end] == pytest.approx(mean)
        assert row.fps[1 - end] == pytest.approx(1000 / mean)


@pytest.mark.parametrize(("host", "reached"), [(0.5, "yes"), (12.0, "perhaps"), (40.0, "no")])
def test_whether_ten_frames_a_second_are_reached(host, reached):
    row = estimate.stream(observed(host, share=1.0), (640, 360), 39.8, COUNT, SIMPLE)
    assert row.following is None
    assert row.reached == reached
    assert (row.fps[0] >= 10, row.fps[1] >= 10) == {
        "yes": (True, True),
        "perhaps": (False, True),
        "no": (False, False),
    }[reached]


def test_the_report_says_what_it_is():
    row = estimate.stream(observed(), (640, 360), 39.8, COUNT, SIMPLE)
    made = estimate.report([row], (640, 360), 39.8, {"embedder": COUNT.as_dict()}, SIMPLE)
    assert made["note"] == "estimate, not measured"
    assert made["counts"]["embedder"]["macs"] == COUNT.macs
    assert made["assumed"]["host"] == [10.0, 5.0]
    assert made["streams"][0]["detection_ms"]["host"] == [5.0, 10.0]
    assert made["streams"][0]["fps"] == [round(row.fps[0], 2), round(row.fps[1], 2)]
