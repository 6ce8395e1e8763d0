"""`transcriber devices --levels`: how loud things are."""

import json
import sys

import pytest

from transcriber.adapters import devices
from transcriber.adapters.pcm import SILENCE_DBFS
from transcriber.adapters.scripted_portaudio import ScriptedPortAudio
from transcriber.cli import main

HALF = (b"\0\x40" * 480) * 100
"""A second of 48 kHz at half of full scale: -6 dBFS."""


@pytest.fixture
def windows(monkeypatch):
    portaudio = ScriptedPortAudio(HALF)
    monkeypatch.setitem(sys.modules, "pyaudiowpatch", portaudio)
    found, made = devices._found, devices._made
    monkeypatch.setattr(devices, "_found", lambda _: found("win32"))
    monkeypatch.setattr(devices, "_made", lambda *asked: made(*asked[:-1], "win32"))
    monkeypatch.setattr(devices, "_name", lambda _: "WASAPI")
    return portaudio


@pytest.mark.usefixtures("windows")
def test_each_device_is_heard_and_closed_again(capsys, windows):
    assert main(["devices", "--levels", "--json", "--duration", "0.5"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["source"], row["peak"]) for row in rows] == [
        ("loopback:Speakers (USB)", -6.0),
        ("microphone:Microphone (USB)", -6.0),
    ]
    assert windows.instances == 0


def test_what_cannot_be_opened_says_why_beside_the_others(capsys, windows):
    windows.unplug()
    assert main(["devices", "--levels", "--duration", "0.2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all("Invalid device" in line for line in lines)


def test_without_levels_nothing_is_opened(capsys, windows):
    windows.unplug()
    assert main(["devices", "--json"]) == 0
    assert all({"peak", "error"}.isdisjoint(row) for row in json.loads(capsys.readouterr().out))


def test_a_duration_alone_means_nothing(capsys):
    assert main(["devices", "--duration", "1"]) == 2
    assert "--levels" in capsys.readouterr().err


@pytest.mark.rig
def test_what_is_played_is_heard_where_it_is_played(rig, capsys, tmp_path):
    sound = tmp_path / "loud.raw"
    sound.write_bytes(HALF * 8)
    player = rig.spawn(
        *("pacat", "--playback", "-d", "headset", "--rate=48000", "--channels=1", "--format=s16le", "--raw"), str(sound)
    )
    assert main(["devices", "--levels", "--json", "--duration", "2"]) == 0
    player.kill()
    peaks = {row["source"]: row["peak"] for row in json.loads(capsys.readouterr().out)}
    assert peaks["loopback:headset"] == pytest.approx(-6, abs=1)
    assert peaks["loopback:speakers"] == SILENCE_DBFS
