import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcriber.core.budget import RestartBudget

TIMES = st.lists(st.floats(0.0, 100.0), max_size=40).map(sorted)


def test_the_fourth_failure_within_the_window_is_one_too_many():
    budget = RestartBudget(max_restarts=3, window=60.0)
    assert [budget.spend(at) for at in (0.0, 1.0, 2.0, 3.0)] == [True, True, True, False]
    assert budget.spent == 3


def test_failures_farther_apart_than_the_window_are_always_forgiven():
    budget = RestartBudget(max_restarts=1, window=60.0)
    assert all(budget.spend(at * 60.1) for at in range(100))


def test_a_restart_exactly_a_window_ago_still_counts():
    budget = RestartBudget(max_restarts=1, window=60.0)
    assert budget.spend(0.0)
    assert not budget.spend(60.0)


def test_a_healthy_life_clears_the_count_and_a_shorter_one_does_not():
    budget = RestartBudget(max_restarts=2, window=60.0, healthy_after=10.0)
    assert budget.spend(0.0)
    assert budget.spend(1.0)
    assert not budget.spend(11.0, healthy=9.9)
    assert budget.spend(12.0, healthy=10.0)
    assert budget.spent == 1


def test_failures_are_forgotten_one_by_one():
    budget = RestartBudget(max_restarts=2, window=60.0)
    assert [budget.spend(at) for at in (0.0, 50.0, 70.0, 75.0)] == [True, True, True, False]


def test_a_window_may_be_short():
    budget = RestartBudget(max_restarts=1, window=0.5, healthy_after=0.25)
    assert [budget.spend(at) for at in (0.0, 0.4, 0.6)] == [True, False, True]


def test_no_restarts_at_all_means_the_first_failure_is_one_too_many():
    assert not RestartBudget(max_restarts=0, window=60.0).spend(0.0)


@pytest.mark.parametrize("wrong", [{"max_restarts": -1}, {"window": 0.0}, {"healthy_after": 0.0}])
def test_limits_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        RestartBudget(**{"max_restarts": 3, "window": 60.0} | wrong)


@settings(deadline=None)
@given(TIMES, st.integers(0, 5), st.floats(0.1, 50.0))
def test_it_equals_counting_the_granted_restarts_of_the_last_window(times, limit, window):
    budget = RestartBudget(max_restarts=limit, window=window)
    granted = []
    for at in times:
        expected = sum(at - before <= window for before in granted) < limit
        assert budget.spend(at) is expected
        if expected:
            granted.append(at)


@settings(deadline=None)
@given(TIMES, st.floats(-86_400.0, 86_400.0))
def test_only_differences_of_time_matter(times, shift):
    # Whole and binary fractions, so that the shift itself does not round.
    exact = [int(at * 8) / 8 for at in times]
    moved = int(shift * 8) / 8
    here, there = (RestartBudget(max_restarts=2, window=5.0) for _ in range(2))
    assert [here.spend(at) for at in exact] == [there.spend(at + moved) for at in exact]
