"""What a user gets wrong, or a machine: one line that says what to do, the exit code for it, and nothing lost."""

import os
import subprocess
import sys
import wave
from pathlib import Path

import pytest

SPEECH = Path(__file__).parents[2] / "examples" / "speech.flac"
SAMPLES = 176_000


@pytest.fixture(scope="module")
def files(home):
    """Files of every bad kind, beside a good one."""
    whole = SPEECH.read_bytes()
    with wave.open(str(home / "whole.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(SAMPLES * 2))
    (home / "speech.flac").write_bytes(whole)
    (home / "empty.wav").write_bytes(b"")
    (home / "cut.flac").write_bytes(whole[: len(whole) // 2])
    (home / "cut.wav").write_bytes((home / "whole.wav").read_bytes()[: SAMPLES + 44])
    (home / "text.mp3").write_text("this is no music\n" * 100)
    (home / "taken").write_text("a file where a folder should be")
    (home / "key.toml").write_text("[engine]\nmodle = 'tiny'\n")
    (home / "value.toml").write_text("[buffering]\nwatermark = 7\n")
    (home / "quick.toml").write_text("[supervision]\ndelay = 0.0\n[storage]\nleast_free = 0\n")
    (home / "broken.toml").write_text("[engine\n")
    return home


MISTAKES = {
    "no such file": (("run", "--source", "file:gone.wav"), 2, ("gone.wav", "no such file")),
    "an empty file": (("run", "--source", "file:empty.wav"), 1, ("empty.wav", "cannot be read as audio")),
    "not audio": (("run", "--source", "file:text.mp3"), 1, ("text.mp3",)),
    "a folder": (("run", "--source", "file:."), 1, ("folder",)),
    "one good and one bad": (("run", "--source", "file:speech.flac", "--source", "file:gone.wav"), 2, ("gone.wav",)),
    "no such kind of source": (("run", "--source", "telepathy:x"), 2, ("telepathy",)),
    "no sound system": (("run",), 3, ("file:PATH", "pcm:-")),
    "no such device": (("run", "--source", "microphone:nobody"), 3, ("file:PATH",)),
    "no such model": (("run", "--source", "file:speech.flac", "--model", "tinny"), 2, ("tinny", "tiny")),
    "a folder without a model": (("run", "--source", "file:speech.flac", "--model", "."), 2, ("model.bin",)),
    "an objective that is none": (("run", "--source", "file:speech.flac", "--require", "speed>1"), 2, ("speed",)),
    "a key that is none": (("run", "--config", "key.toml"), 2, ("engine.modle", "engine.model")),
    "a value out of bounds": (("run", "--config", "value.toml"), 2, ("buffering.watermark",)),
    "TOML that is none": (("run", "--config", "broken.toml"), 2, ("broken.toml",)),
    "no such config": (("run", "--config", "gone.toml"), 2, ("gone.toml",)),
    "a file where sessions go": (
        ("run", "--source", "file:speech.flac", "--sessions", "taken", "--model", "small"),
        5,
        ("taken",),
    ),
    "no such session": (("resume", "2020-01-01"), 5, ("2020-01-01",)),
    "a folder that is no session": (("resume", "."), 5, ()),
    "nothing to transcribe": (("transcribe", "gone.wav"), 2, ("gone.wav",)),
    "a folder to transcribe": (("transcribe", "."), 2, ("folder",)),
    "text to transcribe": (("transcribe", "text.mp3", "--model", "small"), 1, ("text.mp3",)),
}


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(("arguments", "code", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_that_says_what_to_do(transcriber, home, arguments, code, says):
    before = set((home / "recordings").glob("*"))
    ended = transcriber(*arguments)
    ended.failed(code, *says)
    assert not ended.stdout
    assert set((home / "recordings").glob("*")) == before


@pytest.mark.usefixtures("files")
def test_a_file_that_may_not_be_read(home, transcriber):
    if sys.platform == "win32" or os.geteuid() == 0:
        pytest.skip("root may read everything, and on Windows a mode says little")
    secret = home / "secret.wav"
    secret.write_bytes((home / "whole.wav").read_bytes())
    secret.chmod(0)
    transcriber("run", "--source", "file:secret.wav").failed(2, "secret.wav", "may not be read")
    transcriber("transcribe", "secret.wav").failed(2, "secret.wav", "may not be read")


@pytest.mark.model
@pytest.mark.usefixtures("files")
def test_a_file_that_breaks_off_is_transcribed_as_far_as_it_goes(transcriber, model, session_of):
    ended = transcriber(
        *("run", "--source", "file:cut.flac", "--pace", "fast", "--model", model, "--name", "cut"),
        *("--format", "jsonl"),
    )
    ended.failed(1, "cut.flac", "its header declares 11.00 s")
    assert "Americans" in ended.of("segment")[0]["text"]
    assert ended.summary["complete"]
    assert (session_of("cut") / "clean").exists()
    assert transcriber("sessions", "verify", "cut").code == 0


@pytest.mark.model
@pytest.mark.usefixtures("files")
def test_files_are_transcribed_and_what_breaks_off_is_named(transcriber, model):
    ended = transcriber("transcribe", "cut.wav", "--model", model)
    ended.failed(1, "cut.wav", "it ends at 5.50 s, its header declares 11.00 s")
    ended = transcriber("transcribe", "speech.flac", "text.mp3", "cut.flac", "--model", model, "--format", "txt")
    assert ended.code == 1
    assert ended.stdout.count("fellow Americans") == 2
    lines = ended.stderr.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["error"] * 3
    assert lines[-1] == "error: 2 of 3 files could not be transcribed to their end: see above"


@pytest.mark.model
@pytest.mark.usefixtures("files")
def test_without_a_model_the_recording_is_whole_and_transcribed_later(transcriber, model, session_of):
    ended = transcriber("run", "--source", "file:speech.flac", "--pace", "fast", "--model", "small", "--name", "later")
    ended.failed(4, "--model PATH", "offline", "transcriber models fetch small", "transcriber resume ")
    with wave.open(str(session_of("later") / "audio" / "speech" / "000001.wav")) as file:
        assert file.getnframes() == SAMPLES
    resumed = transcriber("resume", "later", "--model", model, "--format", "jsonl")
    assert resumed.code == 0, resumed.stderr
    assert resumed.summary["samples"]["covered"] == SAMPLES
    assert "what you can do for your country" in " ".join(event["text"] for event in resumed.of("segment"))
    assert transcriber("sessions", "verify", "later").code == 0


@pytest.mark.usefixtures("files")
def test_a_full_disk_ends_the_run_and_keeps_what_it_took(transcriber, small_disk):
    ended = transcriber(
        *("run", "--source", "file:speech.flac", "--source", "b=file:speech.flac", "--source", "c=file:speech.flac"),
        *("--pace", "fast", "--model", "small", "--sessions", small_disk, "--config", "quick.toml"),
    )
    ended.failed(5, "No space left", "transcriber resume ")
    sizes = [path.stat().st_size for path in small_disk.glob("*/audio/*/*.wav")]
    assert sum(sizes) > 100_000


@pytest.mark.usefixtures("files")
def test_a_disk_that_is_nearly_full_is_said_before_anything_is_recorded(transcriber, small_disk):
    ended = transcriber("run", "--source", "file:speech.flac", "--model", "small", "--sessions", small_disk / "new")
    ended.failed(5, "0.6 MB are free", "storage.least_free asks for 200.0 MB", "--sessions")
    assert not ended.stdout
    assert list(small_disk.iterdir()) == []


@pytest.mark.model
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.usefixtures("files")
def test_an_output_that_cannot_be_written_costs_no_recording(transcriber, model, session_of):
    with Path("/dev/full").open("wb") as full:
        ended = transcriber(
            *("run", "--source", "file:speech.flac", "--pace", "fast", "--duration", "2", "--model", model),
            *("--name", "full", "--format", "jsonl"),
            stdout=full,
        )
        ended.failed(1, "No space left", "transcriber sessions export ")
        transcriber("transcribe", "cut.flac", "--model", model, stdout=full).failed(5, "No space left", "--output")
    assert (session_of("full") / "clean").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="closed as POSIX does it")
def test_without_standard_streams_an_error_still_has_its_exit_code(home):
    program = [sys.executable, "-m", "transcriber", "run", "--source", "file:gone.wav"]
    closed = subprocess.run(["sh", "-c", '"$@" <&- >&- 2>&-', "sh", *program], cwd=home, check=False)
    assert closed.returncode == 2
