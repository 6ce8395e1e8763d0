"""What a computer plays and hears, on a sound server of the test's own."""

import wave
from array import array
from pathlib import Path

import pytest

pytestmark = [pytest.mark.rig, pytest.mark.model]

RATE = 16_000
SPEECH = Path(__file__).parents[2] / "examples" / "speech.flac"


def onset(track):
    """Return the second at which a recording is first loud."""
    with wave.open(str(track / "000001.wav")) as file:
        samples = array("h", file.readframes(file.getnframes()))
    return next(index for index, sample in enumerate(samples) if abs(sample) > 2_000) / RATE


def test_what_is_played_and_what_is_said_become_two_tracks_on_one_clock(rig, start, model, home):
    sources = "--source", "them=loopback", "--source", "me=microphone"
    program = start(
        *("run", *sources, "--name", "meeting", "--model", model, "--language", "en", "--format", "jsonl"), sound=True
    )
    program.until_told("ready")
    players = [rig.play(SPEECH, sink) for sink in ("speakers", "micfeed")]
    assert [player.wait() for player in players] == [0, 0]
    program.until(lambda: program.output.count('"event":"segment"') >= 2)
    program.signal()
    ended = program.end()
    assert ended.code == 0, ended.stderr
    for track in ("them", "me"):
        text = " ".join(segment["text"] for segment in ended.of("segment") if segment["track"] == track)
        assert "country" in text
        assert "fellow Americans" in text
    assert ended.summary["coverage"] == 1
    assert ended.summary["gaps"] == 0
    [session] = home.glob("recordings/*-meeting")
    # Two players do not start at the same moment, and each device has a latency of its own.
    assert abs(onset(session / "audio/them") - onset(session / "audio/me")) < 1
