"""A track that another program feeds over a WebSocket, which comes and goes."""

import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.model

SPEECH = Path(__file__).parents[2] / "examples" / "speech.flac"
FEEDER = Path(__file__).parents[2] / "examples" / "feed.py"


@contextmanager
def feeding(address, token):
    """Play the speech into the track, as it sounds."""
    ffmpeg = ["ffmpeg", "-v", "error", "-re", "-i", str(SPEECH), "-f", "s16le", "-ar", "48000", "-ac", "1", "-"]
    with (
        subprocess.Popen(ffmpeg, stdout=subprocess.PIPE) as player,
        subprocess.Popen([sys.executable, FEEDER, f"ws://{address}", token], stdin=player.stdout) as feeder,
    ):
        yield feeder
        feeder.kill()
        player.kill()


def test_who_feeds_a_track_may_go_and_come_back(start, model, transcriber, session_of, home):
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed: nobody plays the speech")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    source = f"desk=websocket:{address}?rate=48000&token-file=token.txt"
    program = start(
        *("run", "--source", source, "--name", "fed", "--model", model, "--language", "en", "--format", "jsonl")
    )
    program.until_told('"to":"waiting","reason":"nobody feeds websocket:')
    program.until_told('"to":"ready"')
    token = home / "token.txt"
    for number in (1, 2):
        with feeding(address, token) as feeder:
            program.until(lambda number=number: program.output.count('"event":"segment"') >= number)
            assert feeder.wait(60) == 0
        program.until(lambda number=number: program.output.count('"to":"waiting"') > number)
    program.signal()
    ended = program.end()
    assert ended.code == 0, ended.stderr
    text = " ".join(segment["text"] for segment in ended.of("segment"))
    assert text.count("fellow Americans") == 2
    assert {gap["reason"] for gap in ended.of("gap")} == {"device"}
    assert ended.summary["coverage"] == 1
    session = session_of("fed")
    assert transcriber("sessions", "verify", session).code == 0
    secret = token.read_text().strip().encode()
    assert secret not in (ended.stdout + ended.stderr).encode()
    assert not [file for file in session.rglob("*") if file.is_file() and secret in file.read_bytes()]


def test_a_track_that_nobody_feeds_ends_in_time_and_is_one_gap(transcriber, session_of):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    source = f"websocket:{address}?token-file=token.txt"
    ended = transcriber("run", "--source", source, "--duration", "2", "--name", "unfed", "--format", "jsonl")
    assert ended.code == 0, ended.stderr
    [gap] = ended.of("gap")
    assert (gap["end"], gap["reason"]) == (2.0, "device")
    assert ended.summary["captured"] == 2.0
    assert transcriber("sessions", "verify", session_of("unfed")).code == 0


@pytest.mark.parametrize(
    ("source", "code", "says"),
    [
        ("websocket:127.0.0.1:8765", 2, "token-file"),
        ("websocket:0.0.0.0:8765?token-file=token.txt", 2, "certificate"),
        ("websocket:8765", 2, "HOST:PORT"),
    ],
)
def test_a_listener_that_cannot_be_meant_is_one_line(transcriber, source, code, says):
    transcriber("run", "--source", source).failed(code, says)


def test_an_address_that_is_taken_is_no_device(transcriber):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        source = f"websocket:127.0.0.1:{taken.getsockname()[1]}?token-file=token.txt"
        transcriber("run", "--source", source).failed(3, "cannot be listened to")


def test_a_stream_that_is_gone_for_a_while_is_a_gap_and_goes_on(start, model, transcriber, session_of, broadcast):
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed: nobody makes the stream")
    playlist = broadcast.folder / "live.m3u8"
    speech = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(SPEECH), "-c:a", "aac"]
    live = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "6", "-hls_flags", "delete_segments", str(playlist)]
    with subprocess.Popen([*speech, *live]) as station:
        try:
            deadline = time.monotonic() + 60
            while not playlist.exists():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            source = f"radio=url:{broadcast.url('live.m3u8?key=hunter2')}"
            program = start(
                *("run", "--source", source, "--name", "radio", "--model", model, "--language", "en"),
                *("--format", "jsonl"),
            )
            program.until(lambda: program.output.count('"event":"segment"') >= 1)
            broadcast.stop()
            program.until_told('"to":"waiting"')
            again = broadcast.again()
            program.until_told('"to":"running","reason":"it works again')
            before = program.output.count('"event":"segment"')
            program.until(lambda: program.output.count('"event":"segment"') > before)
            program.signal()
            ended = program.end()
            again.stop()
        finally:
            station.kill()
    assert ended.code == 0, ended.stderr
    assert {gap["reason"] for gap in ended.of("gap")} == {"device"}
    assert ended.summary["coverage"] == 1
    assert "hunter2" not in ended.stdout + ended.stderr
    session = session_of("radio")
    assert "hunter2" not in (session / "session.json").read_text()
    assert transcriber("sessions", "verify", session).code == 0
