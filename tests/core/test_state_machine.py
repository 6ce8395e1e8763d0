from contextlib import suppress
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.state_machine import HISTORY, IllegalTransition, StateMachine, Transition


class Light(StrEnum):
    RED = "red"
    GREEN = "green"
    AMBER = "amber"
    OFF = "off"


TABLE = {
    Light.RED: frozenset({Light.GREEN, Light.OFF}),
    Light.GREEN: frozenset({Light.AMBER, Light.OFF}),
    Light.AMBER: frozenset({Light.RED, Light.OFF}),
    Light.OFF: frozenset(),
}


def red(**options):
    return StateMachine(TABLE, Light.RED, 0.0, **options)


class Failed(Exception):  # noqa: N818 - what a block does
    pass


def test_a_refused_move_leaves_the_state_and_is_remembered():
    light = red()
    with pytest.raises(IllegalTransition, match="red to amber"):
        light.move(Light.AMBER, 1.0, "a fault")
    assert (light.state, light.since) == (Light.RED, 0.0)
    assert light.history == (Transition(1.0, Light.RED, Light.AMBER, accepted=False, reason="a fault"),)


def test_what_is_allowed_can_be_asked_without_an_attempt():
    light = red()
    assert [state for state in Light if light.allows(state)] == [Light.GREEN, Light.OFF]
    assert light.history == ()


def test_roll_back_restores_the_state_and_since_when():
    light = red()
    light.move(Light.GREEN, 1.0)
    light.move(Light.AMBER, 2.0)
    for _ in range(2):
        light.roll_back(3.0, "too early")
        assert (light.state, light.since) == (Light.GREEN, 1.0)
    assert light.history[2] == Transition(3.0, Light.AMBER, Light.GREEN, accepted=True, reason="too early")


def test_a_reason_need_not_be_given():
    light = red()
    light.move(Light.GREEN, 1.0)
    light.roll_back(2.0)
    assert light.history == (
        Transition(1.0, Light.RED, Light.GREEN, accepted=True),
        Transition(2.0, Light.GREEN, Light.RED, accepted=True),
    )
    assert {step.reason for step in light.history} == {""}


def test_a_roll_back_of_nothing_changes_nothing():
    light = red()
    light.roll_back(1.0)
    assert (light.state, light.since) == (Light.RED, 0.0)


def test_a_transition_whose_block_ends_well_stays():
    light = red()
    with light.moving(Light.GREEN, lambda: 1.0, "go"):
        assert light.state is Light.GREEN
    assert (light.state, light.since) == (Light.GREEN, 1.0)
    assert light.history == (Transition(1.0, Light.RED, Light.GREEN, accepted=True, reason="go"),)


@pytest.mark.parametrize("then", [(), (Light.AMBER,), (Light.AMBER, Light.OFF)])
def test_a_transition_whose_block_fails_is_taken_back_with_all_that_followed_in_it(then):
    light = red()
    light.move(Light.GREEN, 1.0)
    light.move(Light.AMBER, 2.0)
    light.move(Light.RED, 3.0)
    with suppress(Failed), light.moving(Light.GREEN, lambda: 5.0):
        for step in then:
            light.move(step, 6.0)
        raise Failed
    assert (light.state, light.since) == (Light.RED, 3.0)
    last = light.history[-1]
    assert (last.after, last.accepted, last.reason) == (Light.RED, True, "Failed")


def test_a_cancelled_transition_was_not_made_either():
    light = red()
    with pytest.raises(KeyboardInterrupt), light.moving(Light.OFF, lambda: 1.0):
        raise KeyboardInterrupt
    assert light.state is Light.RED


def test_a_refused_transition_does_not_begin_its_block():
    light, begun = red(), []
    with pytest.raises(IllegalTransition), light.moving(Light.AMBER, lambda: 1.0):
        begun.append(1)
    assert not begun
    assert light.state is Light.RED


STEPS = st.lists(st.tuples(st.sampled_from(["move", "roll back", "fail"]), st.sampled_from(Light)), max_size=60)


@given(STEPS, st.integers(1, HISTORY))
def test_any_sequence_of_attempts_agrees_with_the_model(steps, kept):
    light = red(history=kept)
    model = Model()
    for at, (how, after) in enumerate(steps, start=1):
        match how:
            case "roll back":
                light.roll_back(at)
                model.roll_back()
            case "move" if model.move(after, at):
                light.move(after, at)
            case "fail" if model.move(after, at):
                with suppress(Failed), light.moving(after, lambda at=at: at):
                    raise Failed
                model.roll_back()
            case _:
                with pytest.raises(IllegalTransition):
                    light.move(after, at)
        assert (light.state, light.since) == model.place
    assert [(step.before, step.after, step.accepted) for step in light.history] == model.attempts[-kept:]


class Model:
    """What a machine is in so many words: where it is, where it came from, and every attempt."""

    def __init__(self):
        self.place = self.came_from = (Light.RED, 0.0)
        self.attempts = []

    def move(self, after, at):
        allowed = after in TABLE[self.place[0]]
        self.attempts.append((self.place[0], after, allowed))
        if allowed:
            self.came_from, self.place = self.place, (after, at)
        return allowed

    def roll_back(self):
        self.attempts.append((self.place[0], self.came_from[0], True))
        self.place = self.came_from
