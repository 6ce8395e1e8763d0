"""Killed in the middle: what was acknowledged is there, nothing is left behind, and `resume` makes it whole."""

import json
import shutil
import subprocess
import sys
import wave
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from transcriber.adapters.transcript_db import TranscriptDatabase

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(sys.platform == "win32", reason="the signals are those of POSIX"),
]

SPEECH = Path(__file__).parents[2] / "examples" / "speech.flac"
RATE = 16_000


def frames(folder: Path) -> int:
    with wave.open(str(folder / "audio" / "speech" / "000001.wav")) as file:
        assert file.getnframes() * 2 == len(file.readframes(file.getnframes()))
        return file.getnframes()


def run_live(start, model: str, name: str):
    """Start a run at the pace of speech, and wait until words of it are stored."""
    program = start("run", "--source", f"file:{SPEECH}", "--model", model, "--name", name, "--format", "jsonl")
    program.until(lambda: '"event":"commit"' in program.output)
    return program


@pytest.fixture(scope="module")
def killed(start, model, session_of):
    """A live session whose core was killed; then the process that resumed it was killed, too."""
    program = run_live(start, model, "killed")
    folder = session_of("killed")
    [engine] = program.children("engine.worker")
    engine.suspend()  # so that there is something left to transcribe
    program.until(lambda: frames(folder) > 6 * RATE)
    program.kill()
    engine.resume()
    program.end(orphans=True)
    after_the_first = frames(folder)
    again = start("resume", "killed", "--format", "jsonl")
    again.until(lambda: '"event":"segment"' in again.output)
    again.kill()
    again.end(orphans=True)
    return folder, after_the_first, program.output + again.output


@pytest.fixture(scope="module")
def left(killed, transcriber):
    """What is shown of the session after both kills, before anything else is done with it."""
    return json.loads(transcriber("sessions", "show", str(killed[0]), "--json").stdout)


@pytest.fixture(scope="module")
def resumed(killed, left, start, transcriber):  # noqa: ARG001 - what was left is looked at before it is resumed
    """The end of a second resume, and what a third said that was started while it ran."""
    second = start("resume", str(killed[0]), "--format", "jsonl")
    [engine] = second.until(lambda: second.children("engine.worker"))
    engine.suspend()
    refused = transcriber("resume", "killed")
    engine.resume()
    return second.end(), refused


def test_what_was_recorded_plays(killed, home):
    folder, samples, _ = killed
    assert samples >= RATE
    for player in (["ffmpeg", "-v", "error", "-i"], ["sox"]):
        if shutil.which(player[0]):
            audio, played = folder / "audio" / "speech" / "000001.wav", home / f"{player[0]}.wav"
            subprocess.run([*player, str(audio), str(played)], check=True, timeout=30)
            with wave.open(str(played)) as file:
                assert file.getnframes() == samples


def test_resume_finishes_what_two_kills_left(killed, resumed, transcriber):
    folder, samples, _ = killed
    ended, _ = resumed
    assert ended.code == 0, ended.stderr
    assert ended.summary["complete"]
    assert ended.summary["samples"]["captured"] == frames(folder) >= samples
    assert transcriber("sessions", "verify", "killed").code == 0


def test_the_session_is_interrupted_until_it_is_resumed_and_then_complete(killed, left, resumed, transcriber):
    assert (left["session"]["state"], left["states"][0]["state"]) == ("unfinished", "interrupted")
    ended, _ = resumed
    shown = json.loads(transcriber("sessions", "show", str(killed[0]), "--json").stdout)
    assert (shown["session"]["state"], shown["states"][0]["state"]) == ("clean", "complete")
    steps = [change for change in shown["history"] if change["component"] == "session"]
    assert [step["to"] for step in steps] == [
        *("interrupted", "recovering"),  # by the resume that was killed
        *("interrupted", "recovering", "finishing", "complete"),
    ]
    told = [event for event in ended.of("state") if event["component"] == "session"]
    assert [event["seq"] for event in told] == [step["seq"] for step in steps[2:]]


def test_no_segment_is_missing_or_there_twice(killed, resumed, transcriber):
    _, _, before = killed
    assert resumed[0].code == 0
    exported = json.loads(transcriber("sessions", "export", "killed", "--format", "json").stdout)
    segments = exported["segments"]
    assert len({segment["id"] for segment in segments}) == len(segments)
    spans = [(segment["start"], segment["end"]) for segment in segments]
    assert spans == sorted(spans)
    told = [json.loads(line) for line in before.splitlines() if line.endswith("}")]
    words = [word for event in told if event["event"] == "commit" for word in event["words"]]
    kept = [word for segment in segments for word in segment["words"]]
    # What was told before the kills was stored before it was told.
    assert [word["word"] for word in kept[: len(words)]] == [word["word"] for word in words]


def test_the_numbers_of_events_go_on_after_a_crash(killed, resumed):
    last = json.loads(killed[2].splitlines()[-1])["seq"]
    assert resumed[0].events[0]["seq"] > last


def test_a_session_that_is_being_written_is_refused(resumed):
    resumed[1].failed(5, "is being written by process")


def test_a_run_that_is_killed_while_it_finishes_another_session_repeats_no_word_of_it(
    start, model, session_of, leave_unfinished, tmp_path
):
    quiet, sessions = tmp_path / "quiet.wav", tmp_path / "sessions"
    with wave.open(str(quiet), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(bytes(2 * RATE * 120))
    recorded = start("run", "--source", f"file:{SPEECH}", "--pace", "fast", "--name", "taken", "--model", "small").end()
    assert recorded.code == 4, "there is no such model here"
    with wave.open(str(session_of("taken") / "audio" / "speech" / "000001.wav")) as file:
        left = leave_unfinished(sessions, "left", file.readframes(file.getnframes()), model=model)

    def segments() -> list[str]:
        with closing(TranscriptDatabase.view(left / "transcript.db")) as database:
            return [segment.id for segment in database.segments()]

    program = start("run", "--source", f"file:{quiet}", "--sessions", sessions, "--model", model)
    program.until(segments)
    program.kill()
    program.end(orphans=True)
    there = segments()
    ended = start("resume", "--sessions", sessions, "--format", "jsonl").end()
    assert ended.code == 0, ended.stderr
    assert len(ended.of("summary")) == 2, "the one that recorded is finished as well"
    assert segments()[: len(there)] == there
    assert len(set(segments())) == len(segments())
    assert start("sessions", "verify", left).end().code == 0
    text = start("sessions", "export", left).end().stdout
    for words in ("And so my fellow", "country can do for you", "do for your country"):
        assert text.count(words) == 1


def test_the_engine_and_the_core_killed_at_once(start, transcriber, model):
    program = run_live(start, model, "both")
    [engine] = program.children("engine.worker")
    program.kill()
    engine.kill()
    program.end(orphans=True)
    assert transcriber("resume", "both").code == 0
    assert transcriber("sessions", "verify", "both").code == 0


SAYS = {"kill": "was killed by SIGKILL", "suspend": "hangs: no answer"}


@pytest.mark.parametrize("fault", SAYS)
def test_an_engine_that_is_killed_or_hangs_is_replaced_and_no_word_is_lost(start, transcriber, model, home, fault):
    impatient = home / "impatient.toml"
    impatient.write_text("[engine]\nping_interval = 0.2\nping_deadline = 1.0\n")
    program = start(
        *("run", "--source", f"file:{SPEECH}", "--model", model, "--name", f"engine-{fault}", "--pace", "fast"),
        *("--format", "jsonl", "--config", impatient),
    )
    program.until_told("model_loaded")
    [engine] = program.children("engine.worker")
    getattr(engine, fault)()
    ended = program.end()
    assert ended.code == 0, ended.stderr
    said = " ".join(segment["text"] for segment in ended.of("segment"))
    assert said.count("fellow Americans") == 1
    assert said.count("what you can do for your country") == 1
    assert ended.summary["restarts"] == 1
    changes = [event for event in ended.of("state") if event["component"] == "engine"]
    [failed] = [event for event in changes if event["to"] == "failed"]
    assert SAYS[fault] in failed["reason"]
    assert [event["to"] for event in changes[-4:]] == ["failed", "restarting", "loading", "ready"]
    assert not psutil.pid_exists(engine.pid) or psutil.Process(engine.pid).status() == psutil.STATUS_ZOMBIE
    assert transcriber("sessions", "verify", f"engine-{fault}").code == 0
