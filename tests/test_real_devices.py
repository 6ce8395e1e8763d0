"""The devices of this very computer, whatever they are: `pytest tests/test_real_devices.py`.

Nothing is kept of what they hear. Where there is no device, as on most machines that only run tests, it is skipped.
"""

import time

import anyio
import pytest

from transcriber.adapters.devices import make_device, probe_sound
from transcriber.core.timeline import Timeline
from transcriber.errors import NoDeviceError, SourceError
from transcriber.types import RATE, SourceKind

pytestmark = pytest.mark.anyio

LISTEN = 2.0
"""Seconds to listen to each."""

AHEAD = 0.75
"""Seconds that a device may have held when it was opened."""


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
def devices():
    sound = probe_sound()
    if not sound.devices:
        pytest.skip(f"this computer has no device to record: {sound.error or 'none was found'}")
    return sound.devices


async def test_each_device_opens_as_it_is_listed_and_delivers_as_it_sounds(devices):
    for device in devices:
        source = make_device(device.kind, device.name)
        timeline = Timeline(live=True)
        form = await source.open()
        assert form == device.format, device
        assert device.name in source.label
        began = time.monotonic()
        timeline.opened(form, began)
        frames = 0
        while (reading := await source.read()) is not None and reading.at < began + LISTEN:
            assert len(reading.pcm) % form.frame_bytes == 0, device
            frames += len(reading.pcm) // form.frame_bytes
            timeline.feed(reading)
        await source.close()
        assert frames / form.rate < LISTEN + AHEAD, device
        # Sound, or silence where nothing was played: the track is where the clock is.
        assert timeline.position / RATE == pytest.approx(LISTEN, abs=AHEAD), device


async def test_each_device_opens_again_and_once_closed_gives_nothing(devices):
    for device in devices:
        source = make_device(device.kind, device.name)
        for _ in range(2):
            await source.open()
            with anyio.fail_after(10):
                assert await source.read() is not None
            await source.close()
            await source.close()
            with pytest.raises(SourceError, match="not open"):
                await source.read()


async def test_one_device_can_be_recorded_twice_at_the_same_time(devices):
    first, second = (make_device(devices[0].kind, devices[0].name) for _ in range(2))
    assert await first.open() == await second.open()
    for source in (first, second):
        assert await source.read() is not None
        await source.close()


@pytest.mark.parametrize("kind", [SourceKind.LOOPBACK, SourceKind.MICROPHONE])
async def test_without_a_name_the_default_device_is_recorded(devices, kind):
    defaults = [device for device in devices if device.kind is kind and device.default]
    if not defaults:
        pytest.skip(f"this computer has no default {kind}")
    source = make_device(kind)
    assert await source.open() == defaults[0].format
    assert defaults[0].name in source.label
    await source.close()


@pytest.mark.usefixtures("devices")
async def test_a_device_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(NoDeviceError, match=r"no microphone 'nobody has this'.*found were"):
        await make_device(SourceKind.MICROPHONE, "nobody has this").open()
