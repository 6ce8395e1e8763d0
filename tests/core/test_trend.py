import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.trend import Trend


def after(*readings: tuple[float, float]) -> Trend:
    trend = Trend(30.0)
    for now, value in readings:
        trend.take(value, now)
    return trend


@pytest.mark.parametrize("readings", [[], [(5, 100)], [(5, 100), (5, 90)]])
def test_without_two_moments_there_is_no_slope(readings):
    assert after(*readings).slope() is None


@given(st.integers(-1000, 1000), st.integers(-1000, 1000), st.integers(2, 100))
def test_the_slope_of_a_line_is_its_own(offset, slope, count):
    readings = ((now, offset + slope * now) for now in range(count))
    assert after(*readings).slope() == pytest.approx(slope)


def test_what_is_older_than_the_window_does_not_count():
    old = [(now, 1000 * now) for now in range(60)]
    new = [(60 + now, 5.0 * now) for now in range(31)]
    assert after(*old, *new).slope() == pytest.approx(5)


def test_memory_is_bounded():
    trend = after(*((now, 5.0) for now in range(1000)))
    assert len(trend._readings) <= 31


def test_the_rise_is_what_was_added_within_the_window():
    trend = Trend(10)
    assert trend.rise() == 0
    for now in range(31):
        trend.take(float(now * 2), now)
    assert trend.rise() == 20
