"""What a session says of its own state: each step once it is made, in its stream, in its folder and in its log."""

from contextlib import suppress

import anyio
import pytest

from transcriber import StorageError, Transcriber, TranscriberError
from transcriber.actors.transcription import Transcription
from transcriber.adapters.engine.scripted import say, silence
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_index import SessionState, state_of
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.app.reporting import SilentLog
from transcriber.core.session_states import SessionStates, told
from transcriber.core.state_machine import IllegalTransition
from transcriber.events import SessionStarted, StateChanged, Summary

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("_scripted_engine")]


class Lines(SilentLog):
    def __init__(self):
        self.events = []

    def info(self, event, /, **fields):
        self.events.append((event, fields.get("component"), fields.get("after")))

    warning = error = info


async def run(transcriber, *, act=lambda: None):
    """Return all that was told, after doing something in the session."""
    seen = []
    with suppress(TranscriberError):
        async with transcriber:
            events = transcriber.events()
            act()
            seen = [envelope async for envelope in events]
    return seen


async def cut_short(transcriber):
    """End a run at once, as a crash would: what was captured is on disk, and nothing more is said."""
    with anyio.CancelScope() as scope:
        async with transcriber:
            with anyio.fail_after(60):
                while not transcriber.session.tracks[0].recording.durable:  # noqa: ASYNC110 - the disk tells nobody
                    await anyio.sleep(0.01)
            scope.cancel()
            await anyio.sleep_forever()


def course(envelopes):
    """Return the states of the session that were told; each begins where the one before it ended."""
    changes = [
        one.event for one in envelopes if isinstance(one.event, StateChanged) and one.event.component == "session"
    ]
    for before, change in zip([None, *changes], changes, strict=False):
        assert before is None or before.after == change.before
    return [*(change.before for change in changes[:1]), *(change.after for change in changes)]


def stored(folder):
    """Return how the session says it was left."""
    database = TranscriptDatabase.view(folder / "transcript.db")
    lines = [line for _, line in database.events()]
    database.close()
    states = SessionStates.of(told(lines), {None: SessionFolder.view(folder).manifest.created})
    return states.as_left(written=False, clean=(folder / "clean").exists()).session.state


async def broken(_self):
    raise ZeroDivisionError


async def test_a_session_is_complete_before_its_summary_and_after_everything_else(play, settings_for):
    play([say(["one", "two"])])
    transcriber = Transcriber(settings_for())
    envelopes = await run(transcriber)
    assert course(envelopes) == ["recording", "finishing", "complete"]
    *_, complete, summary = envelopes
    assert complete.event == StateChanged("session", "finishing", "complete", "every sample is accounted for")
    assert isinstance(summary.event, Summary)
    assert stored(transcriber.folder) == "complete"
    assert state_of(transcriber.folder) is SessionState.CLEAN


async def test_a_session_that_is_asked_to_stop_says_so_once_and_by_whom(play, settings_for):
    play([silence(30)], live=True)
    transcriber = Transcriber(settings_for())

    def stop_twice():
        transcriber.session.stop("the user has had enough")
        transcriber.session.stop("again")

    envelopes = await run(transcriber, act=stop_twice)
    assert course(envelopes) == ["recording", "finishing", "complete"]
    reasons = [one.event.reason for one in envelopes if isinstance(one.event, StateChanged)]
    assert reasons == ["the user has had enough", "every sample is accounted for"]


async def test_a_folder_that_cannot_be_marked_as_complete_is_told_and_the_session_is_incomplete(
    play, settings_for, monkeypatch
):
    def fail(_self):
        raise StorageError("no space left on the disk; make room")

    log = Lines()
    play([silence(1)])
    monkeypatch.setattr(SessionFolder, "mark_clean", fail)
    transcriber = Transcriber(settings_for(), log=log)
    envelopes = await run(transcriber)
    assert course(envelopes) == ["recording", "finishing", "incomplete"]
    assert isinstance(envelopes[-1].event, Summary)
    assert ("transition_rolled_back", "session", "complete") in log.events
    assert ("state_changed", "session", "incomplete") in log.events
    assert isinstance(transcriber.session.fault(), StorageError)
    assert stored(transcriber.folder) == "incomplete"
    assert state_of(transcriber.folder) is SessionState.UNFINISHED


async def test_an_incomplete_session_is_resumed_from_there(play, settings_for, monkeypatch):
    play([say(["one", "two"])])
    with monkeypatch.context() as patch:
        patch.setattr(Transcription, "run", broken)
        transcriber = Transcriber(settings_for())
        assert course(await run(transcriber)) == ["recording", "finishing", "incomplete"]
    assert stored(transcriber.folder) == "incomplete"
    resumed = Transcriber(settings_for(), resume=transcriber.folder)
    assert course(await run(resumed)) == ["incomplete", "recovering", "finishing", "complete"]
    assert stored(transcriber.folder) == "complete"


async def test_a_session_that_was_cut_short_is_found_interrupted_and_recovered(play, settings_for):
    play([say(["one", "two"] * 40)], live=True)
    transcriber = Transcriber(settings_for())
    await cut_short(transcriber)
    assert stored(transcriber.folder) == "interrupted"
    again = Transcriber(settings_for(), resume=transcriber.folder)
    envelopes = await run(again)
    assert isinstance(envelopes[0].event, SessionStarted)
    assert course(envelopes) == ["recording", "interrupted", "recovering", "finishing", "complete"]
    assert stored(transcriber.folder) == "complete"


async def test_a_resumed_session_can_be_stopped_and_resumed_again(play, settings_for, monkeypatch):
    play([say(["one", "two"])])
    with monkeypatch.context() as patch:
        patch.setattr(Transcription, "run", broken)
        transcriber = Transcriber(settings_for())
        await run(transcriber)
        resumed = Transcriber(settings_for(), resume=transcriber.folder)
        resumed.stop("no patience")  # before it is open: it stops as soon as it is
        envelopes = await run(resumed)
    assert course(envelopes) == ["incomplete", "recovering", "finishing", "incomplete"]
    again = Transcriber(settings_for(), resume=transcriber.folder)
    assert course(await run(again)) == ["incomplete", "recovering", "finishing", "complete"]


async def test_a_complete_session_that_a_program_resumes_is_checked_and_complete_again(play, settings_for):
    play([silence(1)])
    transcriber = Transcriber(settings_for())
    await run(transcriber)
    again = Transcriber(settings_for(), resume=transcriber.folder)
    assert course(await run(again)) == ["complete", "recovering", "finishing", "complete"]


async def test_the_times_of_a_resumed_session_go_on_from_its_beginning(play, settings_for):
    play([silence(1)])
    transcriber = Transcriber(settings_for())
    first = await run(transcriber)
    again = await run(Transcriber(settings_for(), resume=transcriber.folder))
    emitted = [envelope.emitted for envelope in (*first, *again) if envelope.event]
    assert again[0].emitted >= first[-1].emitted - 0.1  # two clocks: the wall's has led from the one to the other
    assert max(emitted) < 60


async def test_a_stop_that_fails_is_rolled_back_and_can_be_asked_for_again(play, settings_for, monkeypatch):
    play([silence(30)], live=True)
    transcriber = Transcriber(settings_for())

    def fail():
        raise OSError

    def stop_in_vain_and_then_well():
        [track] = transcriber.session.tracks
        with monkeypatch.context() as patch:
            patch.setattr(type(track), "stop", lambda _self: fail())
            with pytest.raises(OSError):  # noqa: PT011 - it has no message
                transcriber.session.stop("in vain")
        transcriber.session.stop("in earnest")

    envelopes = await run(transcriber, act=stop_in_vain_and_then_well)
    assert course(envelopes) == ["recording", "finishing", "complete"]
    [finishing] = [
        one.event for one in envelopes if isinstance(one.event, StateChanged) and one.event.after == "finishing"
    ]
    assert finishing.reason == "in earnest"


async def test_nothing_is_said_of_a_session_after_its_end(play, settings_for):
    play([silence(1)])
    transcriber = Transcriber(settings_for())
    await run(transcriber)
    transcriber.session.stop("too late")
    [session, *_] = transcriber.session.services.reporter.states()
    assert session.state == "complete"
    with (
        pytest.raises(IllegalTransition),
        transcriber.session.services.reporter.moving("session", "recording", "once more"),
    ):
        pass
