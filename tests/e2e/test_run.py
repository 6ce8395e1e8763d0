"""`transcriber run` as a user has it: the contract of its output, and of what it leaves on disk."""

import itertools
import json
import subprocess
import wave
from pathlib import Path

import pytest

pytestmark = pytest.mark.model

SPEECH = Path(__file__).parents[2] / "examples" / "speech.flac"
RATE = 16_000
SAMPLES = 11 * RATE


@pytest.fixture(scope="module")
def two_tracks(home, transcriber, model):
    """A session of two tracks, with a log in a file."""
    (home / "other.flac").write_bytes(SPEECH.read_bytes())
    return transcriber(
        *("run", "--source", f"them=file:{SPEECH}", "--source", "file:other.flac", "--pace", "fast"),
        *("--model", model, "--name", "both", "--format", "jsonl", "--log-file", "log.jsonl", "--log-format", "json"),
        module=True,
    )


@pytest.fixture(scope="module")
def piped(home, transcriber, model, two_tracks, session_of):
    """A session of raw audio on stdin, shown to people, cut at 4.321 s, with an objective that cannot be met."""
    assert two_tracks.code == 0, two_tracks.stderr
    with wave.open(str(session_of("both") / "audio" / "them" / "000001.wav")) as file:
        mono = file.readframes(SAMPLES)
    raw = home / "speech.s16le"
    # Every sample three times, on both channels: 48 kHz stereo of the very speech.
    raw.write_bytes(b"".join(mono[at : at + 2] * 6 for at in range(0, len(mono), 2)))
    with raw.open("rb") as stdin:
        return transcriber(
            *("run", "--source", "pcm:-?rate=48000&channels=2", "--model", model, "--sessions", "elsewhere"),
            *("--duration", "4.321", "--require", "coverage>=1.0,words>=1000", "--log-format", "console"),
            stdin=stdin,
        )


def texts(ended, track: str) -> str:
    return " ".join(segment["text"] for segment in ended.of("segment") if segment["track"] == track)


def test_stdout_is_events_from_the_session_to_the_summary(two_tracks):
    assert two_tracks.code == 0, two_tracks.stderr
    events = two_tracks.events
    assert [event["event"] for event in events].index("session") == 0
    assert [event["event"] for event in events].index("summary") == len(events) - 1
    assert [event["v"] for event in events] == [1] * len(events)
    numbers = [event["seq"] for event in events]
    assert numbers == sorted(set(numbers))
    [session] = two_tracks.of("session")
    assert [track["name"] for track in session["tracks"]] == ["them", "other"]
    assert session["id"].endswith("-both")
    [told] = two_tracks.stderr.splitlines()
    assert told.startswith("status page: http://127.0.0.1:")


@pytest.mark.parametrize("track", ["them", "other"])
def test_the_commits_of_a_track_are_its_segments(two_tracks, track):
    committed: list[dict] = []
    for event in two_tracks.events:
        if event.get("track") == track and event["event"] == "commit":
            committed += event["words"]
        elif event.get("track") == track and event["event"] == "segment":
            assert event["words"] == committed
            assert event["text"] == "".join(word["word"] for word in committed).strip()
            committed = []
    assert not committed
    assert "what you can do for your country" in texts(two_tracks, track)
    words = [word for event in two_tracks.of("commit") if event["track"] == track for word in event["words"]]
    assert all(
        one["start"] <= one["end"] and one["start"] <= other["start"] for one, other in itertools.pairwise(words)
    )


def test_each_state_begins_where_the_one_before_it_ended_and_the_session_is_complete_before_the_summary(two_tracks):
    states = {}
    for event in two_tracks.of("state"):
        before = states.setdefault((event["component"], event.get("track")), event["from"])
        assert before == event["from"]
        states[event["component"], event.get("track")] = event["to"]
    assert [event["to"] for event in two_tracks.of("state") if event["component"] == "session"] == [
        *("finishing", "complete"),
    ]
    last = two_tracks.events[-2]
    assert (last["event"], last["component"], last["to"]) == ("state", "session", "complete")
    assert states["engine", None] == "ready"


def test_the_summary_adds_up_to_the_length_of_the_files(two_tracks):
    summary = two_tracks.summary
    for ledger in (summary, *summary["tracks"]):
        samples = ledger["samples"]
        assert samples["captured"] == samples["covered"]
        assert samples["covered"] == samples["transcribed"] + samples["silence"] + samples["missing"]
    assert [track["samples"]["captured"] for track in summary["tracks"]] == [SAMPLES, SAMPLES]
    assert summary["words"] == sum(len(event["words"]) for event in two_tracks.of("commit"))
    assert summary["segments"] == len(two_tracks.of("segment"))
    assert summary["complete"]
    assert summary["coverage"] == 1.0
    assert set(summary["peak_memory"]) == {"core", "engine"}


@pytest.mark.usefixtures("two_tracks")
def test_the_recording_has_every_sample_and_the_session_is_sound(session_of, transcriber):
    for track in ("them", "other"):
        with wave.open(str(session_of("both") / "audio" / track / "000001.wav")) as file:
            assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (RATE, 1, SAMPLES)
    assert transcriber("sessions", "verify", "both").code == 0


@pytest.mark.usefixtures("two_tracks")
def test_a_complete_session_says_that_there_is_nothing_to_resume(transcriber):
    resumed = transcriber("resume", "both")
    assert resumed.code == 0
    assert "complete" in resumed.stderr
    assert not resumed.stdout


def test_the_log_is_json_lines_without_a_word_of_what_was_said(two_tracks, home):
    log = (home / "log.jsonl").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert {"actor_ready", "model_loaded"} <= {line["event"] for line in lines}
    assert {line["level"] for line in lines} == {"info"}
    for word in ("Americans", "country"):
        assert word in two_tracks.stdout
        assert word not in log


def test_a_pipe_gets_plain_lines_of_the_same_words(piped, two_tracks):
    [first, *_] = [line for line in piped.stdout.splitlines() if line]
    assert first.startswith("[00:00:0")
    assert "Americans" in first
    assert texts(two_tracks, "them").startswith(first.partition(": ")[2])
    assert all(line.startswith("[00:00:0") for line in piped.stdout.splitlines())
    assert "Americans" not in piped.stderr


@pytest.mark.usefixtures("piped")
def test_the_duration_cuts_at_the_sample(home):
    [audio] = (home / "elsewhere").glob("*/audio/*/000001.wav")
    with wave.open(str(audio)) as file:
        assert file.getnframes() == round(4.321 * RATE)


def test_an_objective_that_was_missed_is_named(piped):
    piped.failed(6, "words", "words>=1000 is required")


def test_a_reader_that_leaves_ends_the_run_in_order(start, transcriber, model, session_of):
    program = start(
        *("run", "--source", f"file:{SPEECH}", "--model", model, "--format", "jsonl", "--name", "left"),
        stdout=subprocess.PIPE,
    )
    assert json.loads(program.process.stdout.readline())["event"] == "session"
    program.process.stdout.close()
    ended = program.end()
    assert ended.code == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert (session_of("left") / "clean").exists()
    assert transcriber("sessions", "verify", "left").code == 0
