"""Ctrl-C and SIGTERM: once ends the recording and finishes the transcript, twice ends at once, and nothing is lost."""

import shlex
import signal
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(sys.platform == "win32", reason="the signals are those of POSIX"),
]

SPEECH = Path(__file__).parents[2] / "examples" / "speech.flac"


@pytest.fixture(scope="module")
def interrupted(start, model):
    """Three runs side by side: interrupted, terminated, and interrupted before the model was loaded."""
    runs = {}
    for name in ("early", "INT", "TERM"):
        runs[name] = start(
            *("run", "--source", f"file:{SPEECH}", "--model", model, "--name", name, "--format", "jsonl")
        )
    runs["early"].until(lambda: runs["early"].output)
    runs["early"].signal()
    for name in ("INT", "TERM"):
        runs[name].until(lambda program=runs[name]: '"event":"commit"' in program.output)
        runs[name].signal(signal.Signals[f"SIG{name}"])
    return {name: program.end() for name, program in runs.items()}


@pytest.mark.parametrize("name", ["early", "INT", "TERM"])
def test_once_ends_in_order_and_transcribes_what_was_captured(interrupted, session_of, transcriber, name):
    ended = interrupted[name]
    assert ended.code == 0, ended.stderr
    assert ended.summary["complete"]
    assert ended.summary["samples"]["captured"] == ended.summary["samples"]["covered"] < 176_000
    [finishing] = [event for event in ended.of("state") if event["to"] == "finishing"]
    assert finishing["component"] == "session"
    assert "transcriber resume" in finishing["reason"]
    assert (session_of(name) / "clean").exists()
    assert transcriber("sessions", "verify", name).code == 0


def test_it_need_not_wait_for_the_model(interrupted):
    told = [event["to"] for event in interrupted["early"].of("state")]
    assert "ready" not in told[: told.index("finishing")]


def test_twice_ends_at_once_and_says_how_to_finish(start, transcriber, model):
    program = start("run", "--source", f"file:{SPEECH}", "--model", model, "--name", "twice")
    program.until_told("loading → ready")
    [engine] = program.children("engine.worker")
    engine.suspend()  # from here on nothing will ever be transcribed
    program.signal()
    program.until_told("recording → finishing")
    program.signal()
    ended = program.end()
    line = ended.failed(1, "transcriber resume ")
    # The command works as it stands there.
    _, _, command = line.partition("finish it with: transcriber ")
    resumed = transcriber(*shlex.split(command), "--format", "jsonl")
    assert resumed.code == 0, resumed.stderr
    assert resumed.summary["complete"]
    assert resumed.summary["samples"]["captured"] > 0
    assert not resumed.stderr.startswith("repaired")
    assert transcriber("sessions", "verify", "twice").code == 0
