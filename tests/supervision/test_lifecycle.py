import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcriber.core.state_machine import HISTORY
from transcriber.supervision import IllegalTransition, Lifecycle, State, Transition
from transcriber.supervision.lifecycle import TRANSITIONS


def test_a_refused_transition_leaves_the_state_and_is_recorded():
    lifecycle = Lifecycle(0.0)
    with pytest.raises(IllegalTransition, match="pending to running"):
        lifecycle.move(State.RUNNING, 1.0)
    assert (lifecycle.state, lifecycle.since) == (State.PENDING, 0.0)
    assert lifecycle.history == (Transition(1.0, State.PENDING, State.RUNNING, accepted=False),)


def test_roll_back_restores_the_state_and_since_when():
    lifecycle = Lifecycle(0.0)
    lifecycle.move(State.STARTING, 1.0)
    lifecycle.roll_back(2.0)
    assert (lifecycle.state, lifecycle.since) == (State.PENDING, 0.0)
    assert lifecycle.history[-1] == Transition(2.0, State.STARTING, State.PENDING, accepted=True)
    lifecycle.roll_back(3.0)
    assert lifecycle.state is State.PENDING


def test_a_state_is_called_by_its_name_in_lower_case():
    assert [state.value for state in State] == [state.name.lower() for state in State]


def test_what_is_finished_or_failed_stays_so():
    assert [state for state, after in TRANSITIONS.items() if not after] == [State.FINISHED, State.FAILED]


@settings(deadline=None)
@given(st.lists(st.sampled_from(State), max_size=100))
def test_the_table_decides_and_the_history_is_bounded_and_true(wanted):
    lifecycle = Lifecycle(0.0)
    made = []
    for at, after in enumerate(wanted):
        before = lifecycle.state
        try:
            lifecycle.move(after, at)
        except IllegalTransition:
            assert after not in TRANSITIONS[before]
            assert lifecycle.state is before
        else:
            assert after in TRANSITIONS[before]
            assert (lifecycle.state, lifecycle.since) == (after, at)
        made.append((before, after))
    assert [(step.before, step.after) for step in lifecycle.history] == made[-HISTORY:]
