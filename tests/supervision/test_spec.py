import math

import pytest

from transcriber.supervision import ChildSpec, Recall, Restart, Supervisor, Watch


def refused(message, *children, **options):
    with pytest.raises(ValueError, match=message):
        Supervisor("root", children, **options)


def child(name="a", **spec):
    return ChildSpec(name=name, start=pytest.fail, **spec)


def test_a_name_that_is_used_twice_is_refused_before_any_start():
    refused("'a' is empty or used twice", child("a"), child("b"), child("a"))


def test_an_empty_name_is_refused():
    refused("'' is empty", child(""))


@pytest.mark.parametrize(
    "spec",
    [
        {"start_timeout": 0.0},
        {"start_timeout": math.nan},
        {"stop_timeout": -1.0},
        {"watch": Watch(pending=lambda: True, progress=lambda: 0, timeout=0.0)},
        {"recall": Recall(probe=pytest.fail, interval=0.0)},
    ],
)
def test_a_timeout_that_is_no_time_is_refused(spec):
    refused("a: a time must be more than 0 s", child(**spec))


def test_a_child_may_have_no_time_to_clean_up():
    Supervisor("root", [child(stop_timeout=0.0)])


@pytest.mark.parametrize("initial", [-1, 2])
def test_to_begin_with_a_fallback_that_is_not_there_is_refused(initial):
    refused(f"no fallback number {initial}", child(fallbacks=(pytest.fail,), initial=initial))


def test_a_permanent_child_cannot_be_significant():
    refused("cannot be significant", child(restart=Restart.PERMANENT, significant=True))


@pytest.mark.parametrize(
    "options",
    [
        {"max_restarts": -1},
        {"window": 0.0},
        {"window": math.nan},
        {"healthy_after": 0.0},
        {"delay": -0.5},
        {"delay": math.inf},
    ],
)
def test_limits_that_mean_nothing_are_refused(options):
    refused("must be", child(), **options)


def test_a_window_in_which_a_start_that_times_out_would_never_escalate_is_refused():
    refused("the window must exceed", child(reports_ready=True), window=16.5)
    Supervisor("root", [child(reports_ready=True)], window=16.6)
    Supervisor("root", [child()], window=1.0)


def test_a_window_in_which_a_hung_child_would_be_restarted_for_ever_is_refused():
    watch = Watch(pending=lambda: True, progress=lambda: 0, timeout=30.0)
    refused("the window must exceed", child(watch=watch), window=60.0)
    Supervisor("root", [child(watch=watch)], window=120.0)
