"""The platform's sound system, there or not."""

import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from transcriber.adapters import factories, pulse_server
from transcriber.adapters.devices import list_devices, make_device
from transcriber.adapters.media.source import FileSource
from transcriber.adapters.miniaudio_microphone import MiniaudioMicrophone
from transcriber.adapters.portaudio import PortAudioSource
from transcriber.adapters.pulse import PulseSource
from transcriber.adapters.scripted_portaudio import ScriptedPortAudio
from transcriber.adapters.stdin_pcm import StdinSource
from transcriber.cli.devices import command
from transcriber.core.source_spec import parse_source
from transcriber.errors import ConfigError, DeviceLost, NoDeviceError
from transcriber.types import CaptureOptions, SourceKind


@pytest.fixture
def windows(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyaudiowpatch", ScriptedPortAudio())
    monkeypatch.setattr(sys, "platform", "win32")


@pytest.fixture
def silent_machine(monkeypatch):
    """No server answers."""
    monkeypatch.setenv("PULSE_SERVER", "unix:/nonexistent")


def test_each_platform_has_its_source(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyaudiowpatch", ScriptedPortAudio())
    kinds = (SourceKind.LOOPBACK, SourceKind.MICROPHONE)
    assert {type(make_device(kind, platform="linux")) for kind in kinds} == {PulseSource}
    assert {type(make_device(kind, platform="win32")) for kind in kinds} == {PortAudioSource}
    assert isinstance(make_device(SourceKind.MICROPHONE, platform="darwin"), MiniaudioMicrophone)


def test_macos_has_no_loopback_and_says_what_to_do():
    with pytest.raises(NoDeviceError, match="BlackHole"):
        make_device(SourceKind.LOOPBACK, platform="darwin")


def test_a_missing_library_is_a_missing_device(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyaudiowpatch", None)
    with pytest.raises(NoDeviceError, match=r"no sound system.*file:PATH or pcm:-"):
        make_device(SourceKind.LOOPBACK, platform="win32")


@pytest.mark.usefixtures("silent_machine")
def test_a_server_that_does_not_answer_is_a_missing_device_and_a_loss_to_who_had_one():
    with pytest.raises(NoDeviceError, match=r"PulseAudio.*file:PATH or pcm:-"):
        pulse_server.list_sources()
    wanted = pulse_server.ServerSource(
        SourceKind.LOOPBACK, "speakers", "", default=True, source="speakers.monitor", index=1
    )
    with pytest.raises(DeviceLost, match="loopback:speakers is lost"):
        pulse_server.check(pulse_server.Stream("Transcriber 1", wanted, follows=True))


@pytest.mark.usefixtures("silent_machine")
def test_without_a_sound_system_the_list_is_empty():
    assert list_devices() == []
    told = CliRunner().invoke(command)
    assert (told.exit_code, told.stdout) == (0, "")
    assert "file:PATH or pcm:-" in told.stderr
    assert CliRunner().invoke(command, ["--json"]).stdout == "[]\n"


@pytest.mark.rig
@pytest.mark.usefixtures("rig")
def test_the_command_lists_sources_as_they_are_written():
    lines = CliRunner().invoke(command).stdout.splitlines()
    assert lines[0] == "* loopback:speakers - Test_Speakers (48000 Hz, 2 ch)"
    assert lines[-1] == "* microphone:mic - Test_Mic (48000 Hz, 1 ch)"
    assert len(lines) == 4


@pytest.mark.usefixtures("windows")
def test_loopbacks_of_windows_are_named_as_what_plays():
    told = [(device.kind, device.name, device.default) for device in list_devices()]
    assert told == [("loopback", "Speakers (USB)", True), ("microphone", "Microphone (USB)", True)]


def test_every_scheme_has_a_factory():
    made = {
        text: type(getattr(factories, text.partition(":")[0])(parse_source(text), CaptureOptions()))
        for text in ("file:~/a.wav", "pcm:-", "loopback", "microphone:mic")
    }
    device = type(make_device(SourceKind.MICROPHONE))
    assert made == {"file:~/a.wav": FileSource, "pcm:-": StdinSource, "loopback": device, "microphone:mic": device}
    assert "~" not in factories.file(parse_source("file:~/a.wav"), CaptureOptions()).label


def test_wrong_pcm_options_are_found_when_the_source_is_made():
    spec = parse_source("pcm:-")
    with pytest.raises(ConfigError, match="rate"):
        factories.pcm(SimpleNamespace(options={"rate": "1"}, scheme=spec.scheme, target="-"), CaptureOptions())
