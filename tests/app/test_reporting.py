import anyio
import pytest

from transcriber.app.reporting import Reporter, SilentLog
from transcriber.errors import DeviceLost, StorageError
from transcriber.events import StateChanged
from transcriber.supervision import ChildFailed, ChildFellBack, ChildGivenUp, ChildReady, ChildRestarting
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


async def told(report, *, broken=False):
    transcript = Told(broken=broken)
    reporter = Reporter(SilentLog(), transcript)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reporter.run)
        report(reporter)
        reporter.end()
        report(reporter)
    return transcript.events


async def test_each_state_follows_from_the_one_before_it():
    def life(reporter):
        lost = DeviceLost("the headset is gone")
        reporter.supervised(ChildReady("track me", "capture"), ME)
        reporter.supervised(ChildFailed("track me", "capture", lost), ME)
        reporter.supervised(ChildRestarting("track me", "capture", 1, 3, 0.5), ME)
        reporter.supervised(ChildReady("track me", "capture"), ME)
        reporter.supervised(ChildFailed("track me", "capture", lost), ME)
        reporter.supervised(ChildFellBack("track me", "capture", 1, 0.5), ME)
        reporter.supervised(ChildReady("track me", "capture"), ME)
        reporter.supervised(ChildFailed("track me", "capture", lost), ME)
        reporter.supervised(ChildGivenUp("track me", "capture", lost), ME)

    events = await told(life)
    states = ["running", "failed", "restarting", "running", "failed", "fallback", "running", "failed"]
    assert [event.before for event in events] == states
    assert [event.after for event in events] == [*states[1:], "given up"]
    assert {(event.component, event.track) for event in events} == {("capture", ME)}
    assert events[0].reason == "the headset is gone"


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


async def test_a_state_that_cannot_be_stored_ends_nothing():
    assert await told(lambda reporter: reporter.changed("engine", "ready", "tiny.en"), broken=True) == []


def test_an_alert_is_logged_even_where_it_cannot_be_stored():
    lines = []

    class Log(SilentLog):
        def info(self, event, /, **fields):
            lines.append({"event": event, **fields})

    Reporter(Log(), None).tell(StateChanged("lag", "normal", "alert", "40 s behind", ME))
    changed = {"component": "lag", "before": "normal", "after": "alert", "reason": "40 s behind", "track": ME}
    assert lines == [{"event": "state_changed", **changed}]
