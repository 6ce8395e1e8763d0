"""Loopback and microphone on a real PulseAudio server with null sinks."""

import os
import signal
import subprocess
import threading
import wave

import anyio
import numpy as np
import pytest

from transcriber.adapters import miniaudio_microphone, pulse_server
from transcriber.adapters.frame_queue import FrameQueue
from transcriber.adapters.miniaudio_microphone import MiniaudioMicrophone
from transcriber.adapters.pcm import to_mono
from transcriber.adapters.pulse import PulseSource, list_devices
from transcriber.adapters.pulse_server import Stream, WrongDevice, check, list_sources
from transcriber.errors import DeviceLost, NoDeviceError
from transcriber.types import AudioFormat, Device, SourceKind

pytestmark = [pytest.mark.anyio, pytest.mark.rig]

RATE = 48_000
CD = AudioFormat(44_100, 2)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
def chirp(tmp_path_factory):
    """A sweep from 200 Hz to 3 kHz, whose place in a recording correlation finds to the sample."""
    path = tmp_path_factory.mktemp("sound") / "chirp.wav"
    time = np.arange(RATE) / RATE
    samples = np.rint(12_000 * np.sin(2 * np.pi * (200 * time + 1_400 * time**2))).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return path, samples.astype(float)


async def record(source, enough):
    """Read mono samples until `enough` of them are loud, and the sound is over."""
    form = source.form
    heard = np.zeros(0)
    loud = 0
    with anyio.fail_after(20):
        while loud < enough or np.abs(heard[-RATE // 10 :]).max() > 100:
            reading = await source.read()
            mono = np.frombuffer(to_mono(reading.pcm, form), "<i2").astype(float)
            loud += int((np.abs(mono) > 100).sum())
            heard = np.concatenate([heard, mono])
    return heard


def likeness(heard, original):
    """Return the largest normalised correlation of the original with a stretch of what was heard.

    A busy sound server may drop the first milliseconds of a sound: what was heard can begin inside the original.
    """
    heard = np.concatenate([np.zeros(len(original) // 10), heard])
    size = 1 << (len(heard) + len(original)).bit_length()
    products = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(original, size)), size)
    at = int(np.argmax(products[: len(heard)]))
    part = heard[at : at + len(original)]
    return products[at] / (np.linalg.norm(part) * np.linalg.norm(original[: len(part)]))


async def running(source):
    """Wait for the first frames: an idle null sink renders ahead, and what is played then comes too late for those."""
    with anyio.fail_after(20):
        while not (await source.read()).pcm:
            pass


async def lost(source):
    """Read until the device is lost; return the error and how many loud samples came on the way."""
    loud = 0
    with anyio.fail_after(20), pytest.raises(DeviceLost) as raised:  # noqa: PT012 - the loop is the point
        while True:
            pcm = (await source.read()).pcm
            loud += int((np.abs(np.frombuffer(pcm, "<i2")) > 100).sum())
    return str(raised.value), loud


class opened:  # noqa: N801 - reads as a function
    """An open source, closed at the end."""

    def __init__(self, *arguments):
        self.source = PulseSource(*arguments)

    async def __aenter__(self):
        self.source.form = await self.source.open()
        return self.source

    async def __aexit__(self, *_):
        await self.source.close()


async def test_a_loopback_records_what_is_played(rig, chirp):
    path, original = chirp
    async with opened(SourceKind.LOOPBACK) as source:
        assert source.label == "loopback:speakers"
        assert source.form == AudioFormat(48_000, 2)
        await running(source)
        rig.play(path)
        heard = await record(source, RATE * 9 // 10)
    assert likeness(heard, original) > 0.99


@pytest.mark.parametrize("target", ["headset", "Test_Headset", "HEAD"])
@pytest.mark.usefixtures("rig")
async def test_a_named_loopback_records_at_its_own_rate(target):
    async with opened(SourceKind.LOOPBACK, target) as source:
        assert source.label == "loopback:headset"
        assert source.form == CD


async def test_a_microphone_records_what_is_said_and_not_what_is_played(rig, chirp):
    path, original = chirp
    async with opened(SourceKind.MICROPHONE) as microphone, opened(SourceKind.LOOPBACK) as loopback:
        await running(microphone)
        rig.play(path, "micfeed")
        heard = await record(microphone, RATE * 9 // 10)
        played = b"".join([(await loopback.read()).pcm for _ in range(8)])
    assert likeness(heard, original) > 0.99
    assert played.strip(b"\0") == b""


async def test_an_idle_device_answers_with_nothing_and_is_not_lost(own_rig, monkeypatch):
    async with opened(SourceKind.LOOPBACK) as source:
        own_rig.control("suspend-sink", "speakers", "1")
        with anyio.fail_after(20):
            while (reading := await source.read()).pcm:
                pass
        assert reading.lost == 0
        monkeypatch.setattr(pulse_server, "SILENT", 0.2)
        with anyio.move_on_after(1):
            while not (await source.read()).pcm:
                pass


async def test_a_vanished_device_is_lost_and_the_microphone_never_takes_its_place(own_rig, chirp):
    async with opened(SourceKind.LOOPBACK, "speakers") as source:
        own_rig.play(chirp[0], "micfeed")
        own_rig.unplug("speakers")
        error, loud = await lost(source)
        assert "speakers" in error
        assert loud == 0
        with pytest.raises(NoDeviceError, match="loopback:headset"):
            await source.open()


async def test_the_default_device_is_followed(own_rig):
    async with opened(SourceKind.LOOPBACK) as source:
        own_rig.control("set-default-sink", "headset")
        error, _ = await lost(source)
        assert "headset is" in error
        assert await source.open() == CD
        assert source.label == "loopback:headset"


async def test_a_named_device_stays_when_the_default_changes(own_rig):
    async with opened(SourceKind.LOOPBACK, "speakers") as source:
        own_rig.control("set-default-sink", "headset")
        with anyio.move_on_after(0.5):
            while True:
                await source.read()


async def test_the_death_of_the_server_is_a_loss(own_rig):
    async with opened(SourceKind.LOOPBACK) as source:
        own_rig.server.kill()
        await lost(source)
        with pytest.raises(NoDeviceError, match="does not answer"):
            await source.open()


async def test_a_server_that_hangs_is_a_loss_and_holds_nobody_up(own_rig, monkeypatch):
    monkeypatch.setattr(pulse_server, "HUNG", 0.5)
    async with opened(SourceKind.LOOPBACK) as source:
        own_rig.server.send_signal(signal.SIGSTOP)
        error, _ = await lost(source)
        assert "does not answer" in error
        with anyio.fail_after(20):
            await source.close()
            with anyio.move_on_after(0.2) as opening:
                await source.open()
        assert opening.cancelled_caught
        own_rig.server.send_signal(signal.SIGCONT)
        with anyio.fail_after(20):
            while any(thread.name == "pulse-watch" for thread in threading.enumerate()):  # noqa: ASYNC110 - a thread
                await anyio.sleep(0.02)


async def until_connected(stream):
    while True:
        try:
            return check(stream)
        except WrongDevice:
            raise
        except DeviceLost:
            await anyio.sleep(0.02)


async def test_a_device_that_runs_and_gives_nothing_is_lost(rig, chirp, monkeypatch):
    path, _ = chirp
    async with opened(SourceKind.LOOPBACK) as source:
        rig.play(path)
        await running(source)
        monkeypatch.setattr(pulse_server, "SILENT", 0.5)
        monkeypatch.setattr(FrameQueue, "put", lambda _queue, _pcm: None)  # as if the sound system's thread hung
        error, _ = await lost(source)
    assert "nothing comes" in error


async def test_a_microphone_without_a_server_to_ask_is_lost_when_nothing_comes(rig, chirp, monkeypatch):
    """As on macOS, where miniaudio does not tell that a device is gone."""
    source = MiniaudioMicrophone("Monitor of Test_Speakers", backend="PULSEAUDIO")
    await source.open()
    rig.play(chirp[0])
    await running(source)
    monkeypatch.setattr(miniaudio_microphone, "SILENT", 0.5)
    monkeypatch.setattr(FrameQueue, "put", lambda _queue, _pcm: None)
    error, _ = await lost(source)
    assert "nothing comes" in error
    await source.close()


async def test_a_stream_that_was_moved_is_found_out(rig):
    """miniaudio forbids the move, so another client stands in for one that was moved."""
    told = ("--property=application.name=Moved", f"--property=application.process.id={os.getpid()}")
    rig.spawn("parec", "-d", "mic", "--raw", *told, stdout=subprocess.DEVNULL)
    wanted = next(found for found in list_sources() if found.name == "speakers")
    with anyio.fail_after(20), pytest.raises(WrongDevice):
        await until_connected(Stream("Moved", wanted, follows=False))


@pytest.mark.usefixtures("rig")
def test_the_devices_are_those_of_the_server():
    stereo = AudioFormat(48_000, 2)
    assert list_devices() == [
        Device("speakers", SourceKind.LOOPBACK, default=True, format=stereo, description="Test_Speakers"),
        Device("headset", SourceKind.LOOPBACK, default=False, format=CD, description="Test_Headset"),
        Device("micfeed", SourceKind.LOOPBACK, default=False, format=AudioFormat(48_000, 1), description="Mic_Feed"),
        Device("mic", SourceKind.MICROPHONE, default=True, format=AudioFormat(48_000, 1), description="Test_Mic"),
    ]
