"""Recording through PortAudio, with the faults of WASAPI on a scripted one."""

import anyio
import pytest

from transcriber.adapters import portaudio as adapter
from transcriber.adapters.frame_queue import PATIENCE
from transcriber.adapters.portaudio import PortAudioSource, list_devices
from transcriber.adapters.scripted_portaudio import ScriptedPortAudio
from transcriber.errors import DeviceLost, NoDeviceError
from transcriber.types import AudioFormat, Device, SourceKind

pytestmark = pytest.mark.anyio

SOUND = bytes(range(240)) * 800
"""48,000 frames of the stereo loopback."""


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def recording(request):
    """A source that records a scripted PortAudio."""
    portaudio = ScriptedPortAudio(SOUND)
    source = PortAudioSource(SourceKind.LOOPBACK, portaudio=portaudio, **getattr(request, "param", {}))
    await source.open()
    yield source, portaudio
    await source.close()


async def read(source, size):
    pcm = b""
    with anyio.fail_after(20):
        while len(pcm) < size:
            pcm += (await source.read()).pcm
    return pcm


async def read_until_lost(source):
    with anyio.fail_after(20):
        while True:
            await source.read()


async def test_a_loopback_is_recorded_as_it_runs(recording):
    source, portaudio = recording
    assert source.label == "loopback:Speakers (USB)"
    assert await read(source, len(SOUND)) == SOUND
    assert (await source.read()).pcm == b""  # nothing is played, and nobody waits in a read
    portaudio.play(SOUND)
    assert await read(source, len(SOUND)) == SOUND


async def test_the_device_holds_half_a_second_for_a_late_thread(recording):
    assert recording[1].buffer_frames >= 24_000


async def test_an_unplugged_device_is_lost_after_what_it_gave(recording):
    source, portaudio = recording
    assert await read(source, len(SOUND)) == SOUND
    portaudio.unplug()
    with pytest.raises(DeviceLost, match="-9999"):
        await read_until_lost(source)


async def test_reopening_is_refused_until_the_device_is_back_and_makes_a_new_instance(recording):
    source, portaudio = recording
    portaudio.unplug()
    with pytest.raises(DeviceLost, match="Invalid device"):
        await source.open()
    portaudio.plugged = True
    await source.open()
    assert await read(source, len(SOUND)) == SOUND
    assert portaudio.instances == 1


@pytest.mark.parametrize("error", [OSError(-9999, "Unanticipated host error"), ZeroDivisionError("in a driver")])
async def test_a_failing_read_is_a_loss(recording, monkeypatch, error):
    source, portaudio = recording
    await read(source, len(SOUND))

    def read_fails(*_arguments, **_options):
        raise error

    monkeypatch.setattr("transcriber.adapters.scripted_portaudio._Stream.read", read_fails)
    portaudio.play(SOUND)
    with pytest.raises(DeviceLost, match=error.args[-1]):
        await read_until_lost(source)


async def test_a_driver_that_hangs_is_a_loss_and_not_silence(recording, monkeypatch):
    monkeypatch.setattr(adapter, "HUNG", 1.0)
    source, portaudio = recording
    assert await read(source, len(SOUND)) == SOUND
    portaudio.hang()
    answers = 0
    with anyio.fail_after(20), pytest.raises(DeviceLost, match="does not answer"):  # noqa: PT012 - the loop is the point
        while True:
            assert (await source.read()).pcm == b""
            answers += 1
    # What says "nothing is played" is believed, and recorded as silence: that may be said only while it is known.
    assert answers <= 1 + adapter.LATE / PATIENCE
    await source.close()  # the thread is left behind
    portaudio.unhang()
    await source.open()
    assert await read(source, len(SOUND)) == SOUND


async def test_a_new_default_device_is_followed_and_a_named_one_kept(monkeypatch):
    monkeypatch.setattr(adapter, "LOOKS", 1)
    answers = ["old"]
    options = {"portaudio": ScriptedPortAudio(), "default": lambda _: answers[-1]}
    follower = PortAudioSource(SourceKind.LOOPBACK, **options)
    named = PortAudioSource(SourceKind.LOOPBACK, "usb", **options)
    await follower.open()
    await named.open()
    answers.append("new")
    with pytest.raises(DeviceLost, match="not the default any more"):
        await read_until_lost(follower)
    assert (await named.read()).pcm == b""
    await follower.close()
    await named.close()


async def test_a_device_that_is_not_there_is_named_with_what_is():
    source = PortAudioSource(SourceKind.MICROPHONE, "Yeti", portaudio=ScriptedPortAudio())
    with pytest.raises(NoDeviceError, match=r"no microphone 'Yeti'.*microphone:Microphone \(USB\)"):
        await source.open()


async def test_without_a_sound_system_there_is_no_device(monkeypatch):
    def refuse(_self):
        raise OSError(-10000, "PortAudio not initialized")

    monkeypatch.setattr(ScriptedPortAudio, "PyAudio", refuse)
    with pytest.raises(NoDeviceError, match="no sound system"):
        await PortAudioSource(SourceKind.LOOPBACK, portaudio=ScriptedPortAudio()).open()


def test_only_what_can_be_recorded_is_listed():
    assert list_devices(ScriptedPortAudio()) == [
        Device("Microphone (USB)", SourceKind.MICROPHONE, default=True, format=AudioFormat(48_000, 1)),
        Device("Speakers (USB)", SourceKind.LOOPBACK, default=True, format=AudioFormat(48_000, 2)),
    ]
