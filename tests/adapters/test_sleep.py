import pytest

from transcriber.adapters import sleep
from transcriber.adapters.sleep import GLANCE, SHORTEST, AwakeClock, SleepWatch


class Clocks:
    """Stands for the module `time`."""

    CLOCK_BOOTTIME = CLOCK_MONOTONIC = 7

    def __init__(self):
        self.awake, self.asleep = 1_000.0, 0.0
        self.reading = 0.0
        """Seconds that pass before a clock is read, in turn short and long."""
        self.reads = 0

    def monotonic(self):
        return self.awake

    def clock_gettime(self, _clock):
        self.reads += 1
        self.awake += self.reading if self.reads % 3 else 0.0
        return self.awake + self.asleep


@pytest.fixture
def clocks(monkeypatch):
    clocks = Clocks()
    monkeypatch.setattr(sleep, "time", clocks)
    monkeypatch.setattr(sleep.sys, "platform", "linux")
    return clocks


def test_who_looks_often_sees_time_as_it_passes_and_what_nobody_saw_counts_for_a_glance(clocks):
    clock = AwakeClock()
    before = clock.now()
    for _ in range(20):
        clocks.awake += 0.25
        clock.now()
    assert clock.now() - before == 5.0
    clocks.awake += 3_600
    assert clock.now() - before == 5.0 + GLANCE
    clocks.awake += 0.5
    assert clock.now() - before == 5.5 + GLANCE


def test_a_sleep_is_told_once_it_is_over_and_adds_up_with_others(clocks):
    watch = SleepWatch()
    clocks.awake += 500
    assert watch.slept() == 0
    clocks.asleep += 30
    assert watch.slept() == watch.slept() == 30
    clocks.awake += 500
    clocks.asleep += 3_600
    assert watch.slept() == 3_630


def test_what_reading_two_clocks_takes_is_no_sleep(clocks):
    watch = SleepWatch()
    clocks.reading = 0.9
    assert watch.slept() == 0
    clocks.asleep += SHORTEST / 2
    assert watch.slept() == 0


def test_where_the_monotonic_clock_goes_on_there_is_no_sleep_to_add(clocks, monkeypatch):
    monkeypatch.setattr(sleep.sys, "platform", "win32")
    watch = SleepWatch()
    clocks.asleep += 30
    assert watch.slept() == 0


def test_the_systems_own_clocks_can_be_read():
    assert SleepWatch().slept() == 0
    assert AwakeClock().now() >= 0
