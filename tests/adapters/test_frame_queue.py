"""Frames between a thread and the loop: bounded, in order, and what did not fit is counted."""

import anyio
import pytest

from transcriber.adapters.frame_queue import CAPACITY, LONGEST, PATIENCE, FrameQueue
from transcriber.errors import DeviceLost
from transcriber.types import AudioFormat

pytestmark = pytest.mark.anyio

FORM = AudioFormat(1_000, 2)
BLOCK = bytes(range(200)) * 2
"""100 frames: a tenth of a second."""


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_a_backlog_comes_in_pieces_of_bounded_length_and_in_order():
    queue = FrameQueue(FORM)
    for number in range(20):
        queue.put(bytes([number]) * 400)
    readings = [await queue.get() for _ in range(4)]
    assert {len(reading.pcm) for reading in readings} == {int(LONGEST * FORM.rate) * FORM.frame_bytes}
    assert b"".join(reading.pcm for reading in readings) == b"".join(bytes([number]) * 400 for number in range(20))


async def test_what_does_not_fit_is_counted_just_before_what_comes_next():
    queue = FrameQueue(FORM)
    blocks = int(CAPACITY * 10)
    for _ in range(blocks + 7):
        queue.put(BLOCK)
    first = await queue.get()
    queue.put(BLOCK)
    queue.put(BLOCK)
    readings = [first]
    while (reading := await queue.get()).pcm:
        readings.append(reading)
    assert [reading.lost for reading in readings if reading.lost] == [700]
    assert readings[-1].lost == 700
    assert sum(len(reading.pcm) for reading in readings) == (blocks + 2) * len(BLOCK)


async def test_an_error_comes_after_what_is_held():
    queue = FrameQueue(FORM)
    queue.put(BLOCK)
    queue.end(DeviceLost("gone"))
    queue.end(DeviceLost("a later thought"))
    queue.put(BLOCK)
    assert (await queue.get()).pcm == BLOCK
    for _ in range(2):
        with pytest.raises(DeviceLost, match="gone"):
            await queue.get()


async def test_what_must_not_be_used_is_discarded():
    queue = FrameQueue(FORM)
    queue.put(BLOCK)
    queue.end(DeviceLost("another device"), discard=True)
    with pytest.raises(DeviceLost):
        await queue.get()


async def test_nothing_is_told_in_time(monkeypatch):
    now = 0.0

    async def sleep(delay):
        nonlocal now
        now += delay

    monkeypatch.setattr(anyio, "current_time", lambda: now)
    monkeypatch.setattr(anyio, "sleep", sleep)
    reading = await FrameQueue(FORM).get()
    assert (reading.pcm, reading.lost) == (b"", 0)
    assert now == pytest.approx(PATIENCE)


async def test_a_writer_who_waits_gives_up_when_told():
    queue = FrameQueue(FORM)
    assert queue.put_all(bytes(4_000 * 10), unless=lambda: True)  # alone it may be longer than the queue
    assert not queue.put_all(BLOCK, unless=lambda: True)
    await queue.get()
    assert queue.put_all(BLOCK, unless=lambda: True)
