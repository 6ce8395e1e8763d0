"""The scripted source, on virtual time."""

import anyio
import pytest
from trio.testing import MockClock

from transcriber.adapters.scripted_source import ScriptedSource
from transcriber.errors import DeviceLost, NoDeviceError
from transcriber.types import Reading

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "trio", {"clock": MockClock(autojump_threshold=0)}


async def play(source):
    """Return the time and the size of every reading, or what was raised, to the end."""
    began = anyio.current_time()
    told = []
    while True:
        try:
            reading = await source.read()
        except DeviceLost as error:
            told.append(str(error))
            continue
        if reading is None:
            return told
        told.append((round(anyio.current_time() - began, 3), len(reading.pcm)))


async def test_a_live_source_plays_as_it_sounds():
    source = ScriptedSource([bytes(4_800), 0.25, DeviceLost("gone"), bytes(320)], live=True)
    await source.open()
    assert await play(source) == [
        *((0.1, 3_200), (0.15, 1_600)),
        *((0.25, 0), (0.35, 0), (0.4, 0)),
        "gone",
        (0.41, 320),
    ]


async def test_another_source_takes_no_time_for_sound():
    source = ScriptedSource([bytes(6_400), Reading(b"", 5.0, lost=3)])
    await source.open()
    assert (await source.read()).lost == 0
    assert await play(source) == [(0.0, 3_200), (0.0, 0)]


async def test_a_cancelled_block_is_played_later():
    source = ScriptedSource([bytes(3_200)], live=True)
    await source.open()
    with anyio.move_on_after(0.05):
        await source.read()
    assert await play(source) == [(0.1, 3_200)]


async def test_openings_are_refused_as_scripted():
    source = ScriptedSource([], refusals=[NoDeviceError("not yet")])
    with pytest.raises(NoDeviceError, match="not yet"):
        await source.open()
    await source.open()
    assert source.opened == 1
