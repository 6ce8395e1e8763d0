from itertools import pairwise

import anyio
import pytest

from transcriber.app.reporting import UNTOLD, Reporter, SilentLog
from transcriber.core.state_machine import IllegalTransition
from transcriber.errors import DeviceLost, StorageError
from transcriber.events import StateChanged
from transcriber.supervision import (
    ChildBecameZombie,
    ChildFailed,
    ChildFellBack,
    ChildFinished,
    ChildGivenUp,
    ChildReady,
    ChildRecalled,
    ChildRestarting,
    ChildStarted,
    ChildStopped,
)
from transcriber.types import TrackName

pytestmark = pytest.mark.anyio

ME = TrackName("me")


class Told:
    """A transcript that remembers what was published; a broken one refuses."""

    def __init__(self, *, broken=False):
        self.events = []
        self.broken = broken

    async def publish(self, event):
        if self.broken:
            raise StorageError("the disk is full; free some space")
        self.events.append(event)


class Lines(SilentLog):
    """A log that remembers its lines."""

    def __init__(self):
        self.lines = []

    def info(self, event, /, **fields):
        self.lines.append({"event": event, **fields})

    warning = error = info

    def of(self, event):
        return [line for line in self.lines if line["event"] == event]


async def told(report, *, broken=False, log=None):
    transcript = Told(broken=broken)
    reporter = Reporter(log or SilentLog(), transcript)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reporter.run)
        report(reporter)
        reporter.end()
        reporter.tell(StateChanged("cpu", "normal", "alert", "too late to be told"))
    return transcript.events


LOST = DeviceLost("the headset is gone")


def course(*steps, child="capture", track=ME):
    """Report what a supervisor says of a child."""
    names = ("track me", child)
    says = {
        "ready": ChildReady(*names),
        "failed": ChildFailed(*names, LOST),
        "restarting": ChildRestarting(*names, 1, 3, 0.5),
        "fell back": ChildFellBack(*names, 1, 0.5),
        "back": ChildRecalled(*names, 0),
        "better": ChildRecalled(*names, 1),
        "given up": ChildGivenUp(*names, LOST),
        "finished": ChildFinished(*names),
        "stopped": ChildStopped(*names, None),
        "started": ChildStarted(*names, 1),
        "fallback started": ChildStarted(*names, 2, 1),
    }

    def report(reporter):
        for step in steps:
            if step in says:
                reporter.supervised(says[step], track)
            else:
                reporter.changed(child, step, "it says so", track=track)

    return report


def chain(events):
    """Return the states that were told, the first `from` included; each event begins where the last one ended."""
    assert all(event.after == following.before for event, following in pairwise(events))
    return [event.before for event in events[:1]] + [event.after for event in events]


async def test_each_state_follows_from_the_one_before_it():
    life = ["started", "ready", "failed", "restarting", "started", "ready", "failed", "restarting", "started", "failed"]
    events = await told(course(*life, "given up"))
    states = ["running", "failed", "restarting", "running", "failed", "restarting", "failed", "given up"]
    assert chain(events) == states
    assert {(event.component, event.track) for event in events} == {("capture", ME)}
    assert events[0].reason == "the headset is gone"


@pytest.mark.parametrize(
    ("life", "states"),
    [
        # It stands in until what was meant works again, through restarts of its own.
        (
            (
                "started, ready, failed, fell back, fallback started, ready, failed, restarting, fallback started, "
                "ready, stopped, back, started, ready, finished"
            ),
            ["running", "failed", "fallback", "failed", "restarting", "fallback", "running"],
        ),
        # There is no device at all, then the second best, then what was meant.
        (
            (
                "started, ready, failed, fell back, waiting, fallback started, ready, stopped, better, "
                "fallback started, ready, stopped, back, started, ready, stopped"
            ),
            ["running", "failed", "fallback", "waiting", "fallback", "running"],
        ),
        ("fallback started, ready, stopped, back, started, ready", ["starting", "fallback", "running"]),
        ("waiting, fallback started, ready, finished", ["starting", "waiting", "finished"]),
    ],
)
async def test_a_fallback_stays_known_as_one_until_the_child_is_recalled(life, states):
    assert chain(await told(course(*life.split(", ")))) == states


@pytest.mark.parametrize("end", ["finished", "stopped"])
async def test_what_goes_by_plan_is_no_news_and_its_state_is_known(end):
    log = Lines()
    transcript = Told()
    reporter = Reporter(log, transcript)
    course("started", "ready", end, "started", "ready", end)(reporter)
    [capture] = [status for status in reporter.states() if status.component == "capture"]
    assert (capture.state, capture.track) == (end, ME)
    assert [step.after for step in capture.history] == ["running", end, "starting", "running", end]
    assert not log.of("state_changed")


async def test_a_whole_that_is_started_anew_brings_its_parts_back_to_life():
    for state, life in {
        "failed": ["ready", "failed"],
        "given up": ["ready", "failed", "given up"],
        "suspended": ["ready", "suspended", "finished"],
        "restarting": ["ready", "failed", "restarting", "stopped"],
    }.items():
        events = await told(course("started", *life, "started", "ready"))
        assert chain(events)[-2:] == [state, "running"]


async def test_the_readiness_of_the_engines_process_is_not_that_of_its_model():
    life = ["ready", "loading", "failed", "restarting", "ready", "loading", "failed"]
    # Its own supply tells when there is none, and when it is tried again.
    without = ["fell back", "absent", "fallback started", "ready", "stopped", "back", "restarting", "started", "ready"]
    assert chain(await told(course(*life, *without, "loading", child="engine", track=None))) == [
        *("starting", "loading", "failed", "restarting", "loading", "failed"),
        *("absent", "restarting", "loading"),
    ]


async def test_a_change_that_makes_no_sense_is_refused_logged_and_remembered():
    log = Lines()

    def report(reporter):
        reporter.changed("engine", "ready", "a model that was never loaded")
        reporter.changed("engine", "loading", "tiny.en")
        [engine] = [status for status in reporter.states() if status.component == "engine"]
        assert [(step.after, step.accepted) for step in engine.history] == [("ready", False), ("loading", True)]

    [event] = await told(report, log=log)
    assert (event.before, event.after) == ("starting", "loading")
    fields = {"component": "engine", "track": None, "before": "starting", "after": "ready"}
    assert log.of("transition_refused") == [
        {"event": "transition_refused", **fields, "reason": "a model that was never loaded"}
    ]


async def test_a_transition_is_told_once_it_is_made():
    def report(reporter):
        with reporter.moving("session", "finishing", "asked to stop"):
            assert reporter.states()[0].state == "finishing"
            reporter.changed("engine", "loading", "meanwhile")

    assert [event.component for event in await told(report)] == ["engine", "session"]


async def test_a_transition_that_fails_is_rolled_back_and_never_told():
    log = Lines()

    def report(reporter):
        with pytest.raises(StorageError), reporter.moving("session", "finishing", "asked to stop"):
            raise StorageError("the disk is full")
        session = reporter.states()[0]
        assert session.state == "recording"
        assert [(step.before, step.after) for step in session.history] == [
            ("recording", "finishing"),
            ("finishing", "recording"),
        ]

    assert await told(report, log=log) == []
    [line] = log.of("transition_rolled_back")
    assert (line["component"], line["after"], line["reason"]) == ("session", "finishing", "the disk is full")


async def test_a_transition_that_makes_no_sense_does_not_begin():
    log, begun = Lines(), []

    def report(reporter):
        assert not reporter.allows("session", "complete")
        with pytest.raises(IllegalTransition), reporter.moving("session", "complete", "so soon"):
            begun.append(1)

    assert await told(report, log=log) == []
    assert not begun
    assert [line["after"] for line in log.of("transition_refused")] == ["complete"]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (ChildBecameZombie("track me", "storage"), "actor_hangs"),
        (ChildStopped("track me", "storage", LOST), "actor_clean_up_failed"),
    ],
)
async def test_trouble_that_changes_no_state_is_in_the_log_alone(event, line):
    log = Lines()
    assert await told(lambda reporter: reporter.supervised(event, ME), log=log) == []
    assert [(found["component"], found["track"]) for found in log.of(line)] == [("storage", ME)]


@pytest.mark.parametrize(("left", "found"), [("finishing", "finishing"), ("from the future", "interrupted")])
async def test_a_session_on_disk_goes_on_from_where_it_was_left(left, found):
    reporter = Reporter(SilentLog(), Told())
    reporter.found(left)
    assert reporter.states()[0].state == found


async def test_a_first_start_is_no_news_and_tracks_do_not_share_states():
    def life(reporter):
        reporter.supervised(ChildReady("track me", "capture"), ME)
        reporter.supervised(ChildReady("track them", "capture"), TrackName("them"))
        reporter.supervised(ChildReady("session", "engine"))
        reporter.changed("engine", "loading", "tiny.en")
        reporter.changed("session", "finishing", "asked to stop")

    assert await told(life) == [
        StateChanged("engine", "starting", "loading", "tiny.en", None),
        StateChanged("session", "recording", "finishing", "asked to stop", None),
    ]


async def test_an_error_that_may_quote_what_was_said_is_told_by_its_type_alone():
    def life(reporter):
        for error in (ValueError("no such word: secret"), ExceptionGroup("", [KeyError("secret")])):
            reporter.supervised(ChildFailed("track me", "transcription", error), ME)

    assert [event.reason for event in await told(life)] == ["ValueError", "KeyError"]


async def test_in_a_storm_the_changes_of_a_component_become_one_and_its_last_state_is_told():
    def storm(reporter):
        reporter.changed("engine", "loading", "tiny.en")
        for _ in range(2 * UNTOLD):
            reporter.tell(StateChanged("lag", "normal", "alert", "behind", ME))
            reporter.tell(StateChanged("lag", "alert", "normal", "caught up", ME))
        reporter.changed("engine", "ready", "loaded")
        reporter.tell(StateChanged("lag", "normal", "alert", "behind for good", ME))
        for after in ("failed", "restarting", "loading", "ready") * UNTOLD:
            reporter.changed("engine", after, "it goes round and round")

    events = await told(storm)
    assert len(events) <= UNTOLD
    assert chain([event for event in events if event.component == "engine"])[-1] == "ready"
    lag = [event for event in events if event.component == "lag"]
    assert chain(lag)[-1] == "alert"
    assert lag[-1].reason == "behind for good"


async def test_as_many_changes_as_may_wait_are_told_each_by_itself():
    def many(reporter):
        for number in range(UNTOLD):
            reporter.tell(StateChanged("lag", "", "normal" if number % 2 else "alert", str(number), ME))

    assert [event.reason for event in await told(many)] == [str(number) for number in range(UNTOLD)]


async def test_a_state_that_cannot_be_stored_ends_nothing():
    assert await told(lambda reporter: reporter.changed("engine", "loading", "tiny.en"), broken=True) == []


def test_an_alert_is_logged_even_where_it_cannot_be_stored():
    log = Lines()
    reporter = Reporter(log, None, now=lambda: 0.0)
    reporter.tell(StateChanged("lag", "normal", "alert", "40 s behind", ME))
    changed = {"component": "lag", "before": "normal", "after": "alert", "reason": "40 s behind", "track": ME}
    assert log.lines == [{"event": "state_changed", **changed}]


def test_an_alert_that_is_over_cannot_end_again():
    log = Lines()
    reporter = Reporter(log, None, now=lambda: 0.0)
    for after in ("alert", "normal", "normal"):
        reporter.tell(StateChanged("lag", "normal", after, "", ME))
    assert [(line["event"], line["before"], line["after"]) for line in log.lines] == [
        ("state_changed", "normal", "alert"),
        ("state_changed", "alert", "normal"),
        ("transition_refused", "normal", "normal"),
    ]
