from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.alerts import Alert


def alert(sustain: float = 10.0) -> Alert:
    return Alert("lag", threshold=30.0, clear=24.0, sustain=sustain)


def changes(alert: Alert, *readings: tuple[float, float]) -> list[tuple[float, bool]]:
    return [(now, alert.raised) for now, value in readings if alert.take(value, now)]


def test_it_is_raised_once_the_value_was_above_for_long_enough():
    assert changes(alert(), *((now, 31) for now in range(30))) == [(10, True)]


def test_a_dip_begins_the_wait_anew():
    readings = [(now, 30 if now == 9 else 31) for now in range(30)]
    assert changes(alert(), *readings) == [(20, True)]


def test_it_is_over_only_well_below_the_threshold():
    subject = alert(sustain=0)
    assert changes(subject, (0, 31), (1, 29), (2, 25), (3, 31), (4, 24), (5, 31)) == [(0, True), (4, False), (5, True)]


def test_without_a_wait_it_is_raised_at_once_and_never_at_the_threshold_itself():
    assert changes(alert(sustain=0), (0, 30), (1, 30.1)) == [(1, True)]


@given(st.lists(st.floats(0, 60), max_size=60))
def test_raised_and_over_alternate(values):
    states = [raised for _, raised in changes(alert(2.0), *enumerate(values))]
    assert all(one != two for one, two in pairwise(states))
    assert states[:1] in ([], [True])
