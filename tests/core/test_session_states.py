from datetime import UTC, datetime, timedelta

import pytest

from transcriber.core import session_states
from transcriber.core.session_states import SessionStates, StoredChange, tells_states, told
from transcriber.core.wire import encode
from transcriber.events import Envelope, GapFound, Partial, SessionStarted, StateChanged
from transcriber.types import Gap, GapReason, Position, TrackName

BEGAN = datetime(2026, 11, 23, 9, 15, tzinfo=UTC)
ME = TrackName("me")
ORIGINS = {None: BEGAN, ME: BEGAN + timedelta(seconds=2)}
STARTED = SessionStarted("id", "folder", BEGAN, (), "auto")
RESUMED = SessionStarted("id", "folder", BEGAN, (), "auto", resumed=True)


def at(second, track=None):
    return ORIGINS[track] + timedelta(seconds=second)


def session(before, after, reason=""):
    return StateChanged("session", before, after, reason)


def capture(before, after, reason=""):
    return StateChanged("capture", before, after, reason, ME)


def read(*events):
    """Read events of which the n-th was told n seconds after the beginning."""
    return SessionStates.of((Envelope(10 * n, float(n), event) for n, event in enumerate(events, start=1)), ORIGINS)


def course(states):
    return [(one.component, one.state) for one in (states.session, *states.components)]


def test_without_events_a_session_has_just_begun_to_record():
    states = SessionStates.of([], ORIGINS)
    assert course(states) == [("session", "recording")]
    assert states.session.since == states.last == BEGAN
    assert (states.session.reason, states.session.restarts) == ("", 0)


def test_the_latest_state_of_each_component_counts_with_its_time_and_reason():
    engine = StateChanged("engine", "starting", "loading", "tiny.en")
    states = read(STARTED, engine, capture("running", "failed", "gone"), session("recording", "finishing", "asked to"))
    assert course(states) == [("session", "finishing"), ("engine", "loading"), ("capture", "failed")]
    assert (states.session.since, states.session.reason) == (at(4), "asked to")
    assert (states.components[1].since, states.components[1].track) == (at(3, ME), ME)
    assert (states.components[1].reason, states.components[0].reason) == ("gone", "tiny.en")


def test_tracks_do_not_share_states():
    other = StateChanged("capture", "running", "failed", "gone", TrackName("them"))
    states = read(capture("running", "finished"), other)
    assert [(one.track, one.state) for one in states.components] == [("me", "finished"), ("them", "failed")]
    assert states.components[1].since == at(2)  # without a clock of its own, the session's


def test_every_new_life_counts_as_a_restart():
    lives = ["failed", "restarting", "running", "failed", "fallback"]
    states = read(*(capture(before, after) for before, after in zip(["running", *lives], lives, strict=False)))
    assert states.components[0].restarts == 2
    assert read(capture("running", "failed")).components[0].restarts == 0


def test_a_resumed_session_goes_on_and_its_components_begin_anew():
    first = (STARTED, capture("running", "failed"), session("recording", "finishing"))
    again = (RESUMED, session("finishing", "interrupted"), session("interrupted", "recovering"))
    states = read(*first, *again)
    assert course(states) == [("session", "recovering")]
    assert [step.change.after for step in states.history] == ["failed", "finishing", "interrupted", "recovering"]


def test_the_history_has_the_latest_changes_and_no_more_than_it_may(monkeypatch):
    monkeypatch.setattr(session_states, "HISTORY", 2)
    changes = [capture("running", "failed"), capture("failed", "restarting"), session("recording", "finishing")]
    states = read(*changes, Partial(ME, Position(0), "not of interest"))
    assert states.history == (StoredChange(20, at(2, ME), changes[1]), StoredChange(30, at(3), changes[2]))


END = GapFound(ME, Gap(Position(0), Position(16_000), GapReason.DEVICE))
FINISHED = (STARTED, session("recording", "finishing"))


@pytest.mark.parametrize(
    ("events", "written", "clean", "state"),
    [
        ((STARTED, END), True, False, "recording"),
        ((STARTED, END), False, False, "interrupted"),
        ((*FINISHED, END), False, False, "interrupted"),
        ((*FINISHED, session("finishing", "incomplete")), False, False, "incomplete"),
        ((*FINISHED, session("finishing", "complete")), False, True, "complete"),
        # The folder was marked, and the event did not come to the disk any more.
        (FINISHED, False, True, "complete"),
        # The mark is gone again: it was being checked anew.
        ((*FINISHED, session("finishing", "complete")), False, False, "interrupted"),
        ((*FINISHED, session("finishing", "complete")), True, False, "complete"),
        ((RESUMED, session("recording", "interrupted")), False, False, "interrupted"),
    ],
)
def test_what_the_folder_says_decides_how_a_session_was_left(events, written, clean, state):
    assert read(*events).as_left(written=written, clean=clean).session.state == state


def test_an_interrupted_session_is_so_since_the_last_that_was_heard_of_it():
    left = read(*FINISHED, END).as_left(written=False, clean=False).session
    assert left.since == at(3, ME)
    assert left.reason == "nobody writes it, and the last that it told is that it was finishing"


QUOTING = Partial(ME, Position(0), '{"event":"state"} and "event":"session"')


def test_the_lines_that_matter_are_told_apart_without_decoding():
    told_apart = [tells_states(encode(Envelope(1, 0.0, event))) for event in (STARTED, capture("a", "b"), END, QUOTING)]
    assert told_apart == [True, True, False, False]


@pytest.mark.parametrize("last", [END, capture("a", "b")])
def test_stored_lines_are_read_as_far_as_they_matter_and_can_be(last):
    events = [Envelope(n, 0.0, event) for n, event in enumerate([STARTED, END, capture("a", "b"), QUOTING, last])]
    lines = [*map(encode, events[:3]), '{"v":1,"event":"state","a newer":"one"}', *map(encode, events[3:])]
    assert list(told(lines)) == [events[0], events[2], events[4]]


def test_of_no_lines_nothing_is_told():
    assert list(told([])) == []
