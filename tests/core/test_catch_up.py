import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.catch_up import CatchUp


def after(*readings: tuple[float, float]) -> CatchUp:
    catch_up = CatchUp()
    for now, lag in readings:
        catch_up.take(lag, now)
    return catch_up


def test_without_a_trend_there_is_no_estimate():
    assert after().estimate() is None
    assert after((5, 100)).estimate() is None
    assert after((5, 100), (5, 90)).estimate() is None, "two readings at one moment are no trend"


@pytest.mark.parametrize(("lag", "estimate"), [(80, 40), (95, 190), (0.5, 0.5 / 9.95)])
def test_a_lag_that_shrinks_is_gone_in_proportion(lag, estimate):
    assert after((0, 100), (10, lag)).estimate() == pytest.approx(estimate)


def test_half_a_minute_is_a_trend():
    assert after((0, 100), (30, 40)).estimate() == pytest.approx(20)


@pytest.mark.parametrize("lag", [100, 120])
def test_a_lag_that_does_not_shrink_is_never_gone(lag):
    assert after((0, 100), (10, lag)).estimate() == math.inf


def test_no_lag_is_gone_now():
    assert after((0, 1), (10, 0)).estimate() == 0.0
    assert after((0, 0), (10, 0)).estimate() == 0.0


def test_only_the_last_half_minute_counts():
    old = [(now, 1000 + 10 * now) for now in range(60)]
    new = [(60 + now, 500 - 10 * now) for now in range(31)]
    assert after(*old, *new).estimate() == pytest.approx(20)


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=50))
def test_an_estimate_is_never_negative(lags):
    estimate = after(*enumerate(lags)).estimate()
    assert estimate is None or estimate >= 0
