"""Sessions that a crash left are brought to their end beside one that records, and cost it nothing."""

import sqlite3
import threading
from contextlib import closing, suppress

import anyio
import pytest
from msgspec.structs import replace

from transcriber import Transcriber, TranscriberError
from transcriber.adapters.engine.scripted import ScriptedEngine, say, silence
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_index import SessionState, state_of
from transcriber.adapters.session_folder_lock import is_locked
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.app import resuming
from transcriber.app.backlog import URGENCY, Backlog
from transcriber.errors import EngineError
from transcriber.events import Committed, Envelope, SegmentClosed, StateChanged, Summary

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("_scripted_engine")]

CLEAN, UNFINISHED = SessionState.CLEAN, SessionState.UNFINISHED
ONE_TWO = say(["one", "two"])
PATIENCE = 60


@pytest.fixture
def parent(tmp_path):
    return tmp_path / "sessions"


@pytest.fixture
def leave(leave_unfinished, parent):
    """Make a session of the folder as a killed program leaves it."""
    return lambda name, pcm=ONE_TWO, **more: leave_unfinished(parent, name, pcm, **more)


def text(folder) -> list[str]:
    """Return what is in the transcript of a session."""
    with closing(TranscriptDatabase.view(folder / "transcript.db")) as database:
        return [word for segment in database.segments() for word in segment.text.split()]


def backlog(envelopes: list[Envelope]) -> list[tuple[str, str]]:
    """Return what was told of the backlog: the state, and the name of the session."""
    told = [one.event for one in envelopes if isinstance(one.event, StateChanged) and one.event.component == "backlog"]
    return [(change.after, change.reason.split(": ")[0].rsplit("-", 1)[-1]) for change in told]


def reason(envelopes: list[Envelope], state: str) -> str:
    [told] = [one.event.reason for one in envelopes if isinstance(one.event, StateChanged) and one.event.after == state]
    return told


async def record(settings, *, until: str = "", **more) -> list[Envelope]:
    """Record until a state of the backlog was told so often, or to the end of the source; return all events."""
    seen = []
    with suppress(TranscriberError):
        async with Transcriber(settings, **{"backlog": True, **more}) as transcriber:
            async for envelope in transcriber.events():
                seen.append(envelope)
                if isinstance(envelope.event, StateChanged) and envelope.event.after == until:
                    transcriber.stop()
    return seen


async def test_what_a_crash_left_is_repaired_and_finished_beside_the_recording_oldest_first(play, settings_for, leave):
    second, first = leave("second", say(["three"]), day=2), leave("first", day=1)
    play([silence(PATIENCE)], live=True)
    seen = []
    async with Transcriber(settings_for(), backlog=True) as transcriber:
        async for envelope in transcriber.events():
            seen.append(envelope)
            if backlog(seen).count(("finished", "second")):
                transcriber.stop()
    assert backlog(seen) == [
        *(("repaired", "first"), ("finished", "first")),
        *(("repaired", "second"), ("finished", "second")),
    ]
    assert "1 s still to transcribe" in next(one.event.reason for one in seen if backlog([one]))
    assert [text(first), text(second)] == [["one", "two"], ["three"]]
    for folder in (first, second, transcriber.folder):
        assert state_of(folder) is CLEAN
        assert verify(SessionFolder.view(folder)).ok
    assert not [one for one in seen if isinstance(one.event, SegmentClosed | Committed)], "they are told in their own"


async def test_all_that_is_live_goes_first(play, settings_for, leave, monkeypatch):
    leave("long", b"".join([say(["one"]), silence(1)] * 30))
    play([silence(0.5), *[say(["two"] * 3), silence(1)] * 2], live=True)
    urgencies: dict[int, int] = {}
    overtaken: list[list[int]] = []
    decode = ScriptedEngine.decode

    async def watched(self, request, *, urgency=0):
        self.took = 0.1
        urgencies[id(request)] = urgency
        begun = len(self.requests)  # the last of them may be running, and is not waited for longer than that
        hypothesis = await decode(self, request, urgency=urgency)
        if urgency < URGENCY:
            before = self.requests[begun : self.requests.index(request)]
            overtaken.append([urgencies[id(other)] for other in before])
        return hypothesis

    monkeypatch.setattr(ScriptedEngine, "decode", watched)
    seen = await record(settings_for())
    said = [one.event.segment.text for one in seen if isinstance(one.event, SegmentClosed)]
    assert " ".join(said).split() == ["two"] * 6
    assert len([urgency for urgency in urgencies.values() if urgency >= URGENCY]) > 2
    assert len(overtaken) > 4
    assert not [urgency for before in overtaken for urgency in before if urgency >= URGENCY]


@pytest.mark.parametrize(
    ("begun", "left"),
    [
        ({"model": "base"}, True),
        ({"model": "small", "language": "de"}, False),
        ({"model": "auto", "language": "de"}, True),
        ({"model": "auto"}, False),
    ],
)
async def test_a_session_that_needs_another_model_is_repaired_and_left_and_that_is_said(
    play, settings_for, leave, begun, left
):
    folder = leave("other", **begun)
    play([silence(PATIENCE)], live=True)
    model = "auto" if begun["model"] == "auto" else "small"
    seen = await record(settings_for(model=model), until="left" if left else "finished")
    assert state_of(folder) is (UNFINISHED if left else CLEAN)
    if left:
        assert f"model {begun['model']}" in reason(seen, "left")
        assert f"transcriber resume {folder}" in reason(seen, "left")


async def test_they_may_be_repaired_only(play, settings_for, leave):
    folder, settings = leave("left"), settings_for()
    (folder / "journal" / "t0").write_bytes(b"")
    play([silence(PATIENCE)], live=True)
    settings = replace(settings, session=replace(settings.session, backlog="repair"))
    seen = await record(settings, until="repaired")
    assert backlog(seen) == [("repaired", "left")]
    assert "repairs: " in reason(seen, "repaired")
    assert (state_of(folder), text(folder)) == (UNFINISHED, [])
    assert (folder / "journal" / "t0").read_bytes()


@pytest.mark.parametrize("asked", [True, False], ids=["by the settings", "by a host that did not ask"])
async def test_they_may_be_left_alone(play, settings_for, leave, asked):
    folder, settings = leave("left"), settings_for()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    if asked:
        settings = replace(settings, session=replace(settings.session, backlog="leave"))
    play([silence(1)], live=True)
    assert backlog(await record(settings, backlog=asked)) == []
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


async def test_one_that_another_writes_is_not_touched(play, settings_for, leave):
    play([silence(1)], live=True)
    with closing(SessionFolder.open(leave("running"))):
        assert backlog(await record(settings_for())) == []


async def test_what_fails_is_told_and_the_next_has_its_turn(play, settings_for, leave):
    broken, last = leave("broken", day=1), leave("last", day=2)
    (broken / "transcript.db").unlink()
    with closing(sqlite3.connect(broken / "transcript.db")) as database:
        database.execute("PRAGMA application_id = 0x54534352")
        database.execute("PRAGMA user_version = 99")
    play([silence(PATIENCE)], live=True)
    seen = await record(settings_for(), until="finished")
    assert backlog(seen) == [("left", "broken"), ("repaired", "last"), ("finished", "last")]
    assert "has format 99" in reason(seen, "left")
    assert [state_of(folder) for folder in (broken, last)] == [UNFINISHED, CLEAN]


@pytest.mark.parametrize("words", [["three"], []], ids=["speech", "silence"])
async def test_the_end_of_the_recording_does_not_wait_for_the_backlog_and_what_is_left_is_resumed(
    play, settings_for, leave, monkeypatch, words
):
    folder = leave("left", say(["one"]) + silence(1) + say(["two"]))
    engines = []
    decode = ScriptedEngine.decode

    async def decode_one(self, request, *, urgency=0):
        engines.append(urgency)
        if urgency > 1 and len([each for each in engines if each > 1]) > 1:
            await anyio.sleep_forever()
        return await decode(self, request, urgency=urgency)

    with monkeypatch.context() as patched:
        patched.setattr(ScriptedEngine, "decode", decode_one)
        play([silence(1), say(words), silence(1)], live=True)
        seen = await record(settings_for())
    assert isinstance(seen[-1].event, Summary)
    assert seen[-1].event.complete
    assert backlog(seen) == [("repaired", "left")]
    assert state_of(folder) is UNFINISHED
    async with Transcriber(settings_for(), resume=folder) as resumed:
        await resumed.wait()
    assert text(folder) == ["one", "two"]
    assert verify(SessionFolder.view(folder)).ok


async def test_a_host_that_is_cancelled_lets_go_of_all(play, settings_for, leave, monkeypatch):
    folder = leave("left")
    hangs = anyio.Event()

    async def hang(*_, **__):
        hangs.set()
        await anyio.sleep_forever()

    monkeypatch.setattr(ScriptedEngine, "decode", hang)
    play([silence(PATIENCE)], live=True)
    with anyio.CancelScope() as scope:
        async with Transcriber(settings_for(), backlog=True):
            await hangs.wait()
            scope.cancel()
            await anyio.sleep_forever()
    assert state_of(folder) is UNFINISHED


async def test_a_repair_that_takes_long_holds_nobody_up_and_its_lock_goes_with_it(leave, monkeypatch):
    folder = leave("left")
    begun, over = anyio.Event(), threading.Event()
    recover = resuming.recover

    def slow(session):
        anyio.from_thread.run_sync(begun.set)
        over.wait(PATIENCE)
        return recover(session)

    monkeypatch.setattr(resuming, "recover", slow)

    async def hold():
        async with resuming.repaired(folder):
            pytest.fail("it was repaired")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hold)
        await begun.wait()
        tasks.cancel_scope.cancel()
    assert is_locked(folder / "lock"), "the thread is at work, and nobody else may be"
    over.set()
    with anyio.fail_after(PATIENCE):
        while is_locked(folder / "lock"):  # noqa: ASYNC110 - a thread tells nobody
            await anyio.sleep(0.01)


async def test_without_an_engine_they_are_repaired_and_left(play, settings_for, leave, monkeypatch):
    folder = leave("left")
    play([silence(PATIENCE)], live=True)
    run = Backlog.run

    async def without_engine(self):
        self.session.supply.error = EngineError("there is no engine")
        await run(self)

    monkeypatch.setattr(Backlog, "run", without_engine)
    seen = await record(settings_for(), until="left")
    assert backlog(seen) == [("repaired", "left"), ("left", "left")]
    assert "there is no engine; finish it with: transcriber resume" in reason(seen, "left")
    assert state_of(folder) is UNFINISHED
