import random

import pytest

from kface.streams.clock import ArrivalClock, Backoff, Limiter


def test_waits_double_to_the_longest_and_are_shortened_by_chance():
    backoff = Backoff(0.5, 10.0, random.Random(1))
    waits = [backoff.wait() for _ in range(8)]
    for wait, whole in zip(waits, [0.5, 1, 2, 4, 8, 10, 10, 10]):
        assert whole / 2 <= wait <= whole
    assert len({wait / whole for wait, whole in zip(waits[5:], [10, 10, 10])}) == 3
    backoff.reset()
    assert backoff.wait() <= 0.5


def test_a_first_wait_longer_than_the_longest():
    assert Backoff(5.0, 1.0).wait() <= 1.0


@pytest.mark.parametrize(
    ("source", "limit", "wanted"), [(30, 10, 100), (30, 30, 300), (25, 30, 250), (30, 20, 200), (30, 1, 10)]
)
def test_the_limit_holds_on_average_and_does_not_halve_a_jittering_source(source, limit, wanted):
    limiter, chance = Limiter(limit), random.Random(2)
    taken = sum(limiter.take(n / float(source) + chance.uniform(-0.004, 0.004)) for n in range(10 * source))
    assert abs(taken - wanted) <= 0.03 * wanted + 1


def test_after_a_pause_the_limiter_does_not_catch_up():
    limiter = Limiter(10)
    assert limiter.take(0.0)
    taken = [time for time in (5.0 + n / 100.0 for n in range(100)) if limiter.take(time)]
    assert 9 <= len(taken) <= 11


def test_no_limit():
    limiter = Limiter(None)
    assert all(limiter.take(time) for time in (0.0, 0.0, 0.001))


def test_a_steady_source_is_at_the_live_edge_also_with_jitter():
    clock, chance = ArrivalClock(0.04, 0.0), random.Random(3)
    for n in range(200):
        arrival = 0.04 * n + chance.uniform(0, 0.015)
        assert arrival - clock.stamp(arrival) < 0.05


def test_a_burst_after_a_stuck_line_is_dated_back_until_the_live_edge():
    clock = ArrivalClock(0.04, 0.0)
    for n in range(50):
        clock.stamp(0.04 * n)
    # Picture 50 was due at 2.00; all up to 100 come at once at 4.00.
    burst = [clock.stamp(4.0 + 0.001 * n) for n in range(51)]
    wanted = [2.0 + 0.04 * n for n in range(51)]
    assert burst == pytest.approx(wanted, abs=0.01)
    assert clock.stamp(4.08) == pytest.approx(4.08, abs=0.05)
    later = [4.12 + 0.04 * n for n in range(20)]
    assert [clock.stamp(arrival) for arrival in later][10:] == later[10:]


def test_a_busy_machines_pauses_in_a_burst_are_not_the_live_edge():
    clock, chance = ArrivalClock(0.04, 0.0), random.Random(4)
    for n in range(50):
        clock.stamp(0.04 * n)
    arrival, errors = 4.0, []
    for n in range(50):
        errors.append(abs(clock.stamp(arrival) - (2.0 + 0.04 * n)))
        arrival += 0.1 if chance.random() < 0.15 else 0.002
    assert max(errors) < 0.1


def test_a_source_that_dropped_what_it_could_not_send_is_soon_live_again():
    clock = ArrivalClock(0.04, 0.0)
    for n in range(50):
        clock.stamp(0.04 * n)
    assert clock.stamp(4.0) == pytest.approx(2.0, abs=0.01)
    later = [4.04 + 0.04 * n for n in range(20)]
    assert [clock.stamp(arrival) for arrival in later][8:] == later[8:]


def test_a_source_that_becomes_slower_or_faster():
    for interval in (0.4, 0.01):
        clock, arrival = ArrivalClock(0.04, 0.0), 0.0
        for _ in range(50):
            arrival += 0.04
            clock.stamp(arrival)
        ages = []
        for _ in range(int(10 / interval)):
            arrival += interval
            ages.append(arrival - clock.stamp(arrival))
        assert max(ages[len(ages) // 2 :]) < 0.05
        burst = [clock.stamp(arrival + 10 + 0.001 * n) for n in range(10)]
        assert burst == pytest.approx([arrival + interval * (n + 1) for n in range(10)], abs=0.01)


@pytest.mark.parametrize("together", [3, 12])
def test_a_source_that_sends_in_groups_is_live_in_the_end(together):
    clock = ArrivalClock(0.04, 0.0)
    ages = []
    for n in range(500):
        arrival = 2.0 + 0.04 * together * (n // together) + 0.001 * (n % together)
        ages.append(arrival - clock.stamp(arrival))
    assert max(ages[150:]) < 0.04 * together + 0.1


def test_what_a_decoder_collected_before_its_first_picture_is_as_old_as_the_opening():
    clock = ArrivalClock(0.04, 10.0)
    ages = [11.2 + 0.001 * n - clock.stamp(11.2 + 0.001 * n) for n in range(30)]
    assert ages[0] == pytest.approx(1.2)
    assert ages[10] == pytest.approx(0.81, abs=0.01)
    later = [11.27 + 0.04 * n for n in range(20)]
    assert [clock.stamp(arrival) for arrival in later][10:] == later[10:]


def test_a_source_slower_than_the_gap_is_not_stuck():
    clock = ArrivalClock(0.04, 0.0)
    arrivals = [1.5 * n for n in range(1, 20)]
    ages = [arrival - clock.stamp(arrival) for arrival in arrivals]
    assert ages[2:] == [0.0] * 17


def test_a_wrong_guess_of_the_interval_heals():
    clock = ArrivalClock(0.2, 0.0)
    ages = [0.02 * n - clock.stamp(0.02 * n) for n in range(1, 100)]
    assert max(ages[5:]) < 0.1
    burst = [clock.stamp(10 + 0.001 * n) for n in range(10)]
    assert burst == pytest.approx([0.02 * (100 + n) for n in range(10)], abs=0.01)
