"""`transcriber resume`: all that is unfinished, each session as it was begun, whatever becomes of the others."""

import json
import os
import signal
import sqlite3
import sys
from contextlib import closing

import pytest

from transcriber.adapters.engine.scripted import ScriptedEngine, say
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_index import SessionState, state_of
from transcriber.cli import main

pytestmark = pytest.mark.usefixtures("_scripted_engine")


@pytest.fixture
def parent(tmp_path, monkeypatch):
    """A folder of sessions, which the environment names."""
    parent = tmp_path / "recordings"
    monkeypatch.setenv("TRANSCRIBER_SESSION__FOLDER", str(parent))
    return parent


@pytest.fixture
def resume(capsys):
    """Run `transcriber resume`; return its exit code, its events and what it said beside them."""

    def run(*args: str):
        code = main(["resume", "--format", "jsonl", "--log-level", "error", *args])
        told = capsys.readouterr()
        return code, [json.loads(line) for line in told.out.splitlines()], told.err

    return run


def heard(events) -> list[tuple[str, str]]:
    """Return what kinds of events came that matter here: the sessions, and what was said in them."""
    return [
        (event["event"], event["id"].split("-")[-1] if event["event"] == "session" else event.get("text", ""))
        for event in events
        if event["event"] in {"session", "segment", "summary"}
    ]


def make_newer(folder) -> None:
    """Give a session the transcript of a program from the future."""
    (folder / "transcript.db").unlink()
    with closing(sqlite3.connect(folder / "transcript.db")) as database:
        database.execute("PRAGMA application_id = 0x54534352")
        database.execute("PRAGMA user_version = 99")


def test_all_that_are_unfinished_are_finished_oldest_first(parent, leave_unfinished, resume):
    second = leave_unfinished(parent, "second", say(["two"]), day=2)
    first = leave_unfinished(parent, "first", say(["one"]), day=1)
    code, events, _ = resume()
    assert code == 0
    assert heard(events) == [
        *(("session", "first"), ("segment", "one"), ("summary", "")),
        *(("session", "second"), ("segment", "two"), ("summary", "")),
    ]
    assert [state_of(folder) for folder in (first, second)] == [SessionState.CLEAN] * 2


def test_each_is_finished_with_the_model_and_the_language_that_it_was_begun_with(parent, leave_unfinished, resume):
    leave_unfinished(parent, "first", say(["one"]), day=1, model="small", language="de")
    leave_unfinished(parent, "second", say(["two"]), day=2, model="base.en", language="en")
    _, events, _ = resume()
    assert [event["model"] for event in events if event["event"] == "session"] == ["small", "base.en"]
    assert [event["language"] for event in events if event["event"] == "segment"] == ["de", "en"]
    leave_unfinished(parent, "third", say(["three"]), day=3, language="de")
    _, events, _ = resume("--model", "base.en", "--language", "en")
    assert [event["model"] for event in events if event["event"] == "session"] == ["base.en"]


def test_what_fails_is_told_and_the_next_goes_on_and_the_first_failure_is_the_exit_code(
    parent, leave_unfinished, resume
):
    make_newer(leave_unfinished(parent, "newer", say(["one"]), day=1))
    leave_unfinished(parent, "mistaken", say(["two"]), day=2, model="smal")
    last = leave_unfinished(parent, "last", say(["three"]), day=3)
    code, events, told = resume()
    assert code == 5
    assert ("segment", "three") in heard(events)
    assert state_of(last) is SessionState.CLEAN
    errors = [line for line in told.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert "has format 99" in errors[0]
    assert "smal" in errors[1]
    assert told.splitlines()[-1] == "2 sessions of 3 still to be finished: transcriber resume"


def test_nothing_to_do_is_said_and_no_failure(parent, leave_unfinished, resume):
    assert resume() == (0, [], f"nothing to resume in {parent}\n")
    running = SessionFolder.open(leave_unfinished(parent, "running", say(["one"]), day=1))
    with closing(running):
        assert resume() == (0, [], f"nothing to resume in {parent}\n")
    assert resume("running")[0] == 0
    code, events, told = resume("running")
    assert (code, events) == (0, [])
    assert told == f"{running.id} is complete: there is nothing to resume\n"


@pytest.mark.skipif(sys.platform == "win32", reason="the signals are those of POSIX")
def test_an_interrupt_ends_after_the_one_in_hand(parent, leave_unfinished, resume, monkeypatch):
    first = leave_unfinished(parent, "first", say(["one"]), day=1)
    second = leave_unfinished(parent, "second", say(["two"]), day=2)
    decode = ScriptedEngine.decode

    async def interrupted(self, request, *, urgency=0):
        os.kill(os.getpid(), signal.SIGINT)
        return await decode(self, request, urgency=urgency)

    monkeypatch.setattr(ScriptedEngine, "decode", interrupted)
    code, _, told = resume("first", "second")
    assert code == 0
    assert [state_of(folder) for folder in (first, second)] == [SessionState.CLEAN, SessionState.UNFINISHED]
    assert told.splitlines()[-1] == "1 session of 2 still to be finished: transcriber resume"
