"""Cancellation that races delivery loses nothing, at either end of a link: anyio's, and asyncio's own."""

import asyncio
from random import Random

import anyio
import pytest
from anyio.lowlevel import checkpoint

from transcriber.link import Link

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


async def race(cancels, ends, seed=0):
    """Cancel the named ends again and again, in the very tick of a delivery; return what was sent, and what was read.

    A producer whose `put` was cancelled gives the same message again, as its next life would.
    """
    random = Random(seed)  # noqa: S311 - to repeat, not to hide
    link = Link("blocks", 2)
    sent, read, scopes = [], [], {end: anyio.CancelScope() for end in ends}
    left = cancels

    async def produce():
        while left > 0:
            with anyio.CancelScope() as scopes["producer"]:
                await link.put(len(sent))
                sent.append(len(sent))
                await checkpoint()
        link.end()

    async def consume():
        done = False
        while not done:
            with anyio.CancelScope() as scopes["reader"], link.inbox() as inbox:
                async for message in inbox:
                    read.append(message)  # noqa: PERF401 - what was read before a cancel counts
                done = True

    async with anyio.create_task_group() as group:
        group.start_soon(produce)
        group.start_soon(consume)
        while left > 0:
            await checkpoint()
            for end in ends:
                if not scopes[end].cancel_called and random.random() < 0.7:
                    scopes[end].cancel()
                    left -= 1
    assert link.statistics().received == link.statistics().handled == len(read)
    return sent, read


@pytest.mark.parametrize("seed", range(3))
async def test_cancels_of_the_reader_that_race_delivery_lose_and_repeat_nothing(seed):
    sent, read = await race(4_000, ["reader"], seed)
    assert len(sent) > 100
    assert read == sent


@pytest.mark.parametrize("seed", range(3))
async def test_cancels_of_both_ends_that_race_delivery_lose_repeat_and_reorder_nothing(seed):
    sent, read = await race(4_000, ["reader", "producer"], seed)
    assert len(sent) > 100
    assert read == sent


@pytest.mark.slow
async def test_a_hundred_thousand_cancels_that_race_delivery_lose_nothing():
    sent, read = await race(100_000, ["reader", "producer"])
    assert read == sent


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_native_cancel_in_the_tick_of_a_delivery_loses_nothing():
    link = Link("blocks", 1)
    read = []

    async def consume():
        with link.inbox() as inbox:
            async for message in inbox:
                read.append(message)  # noqa: PERF401 - what was read before a cancel counts

    for message in range(200):
        task = asyncio.ensure_future(consume())
        for _ in range(5):
            await asyncio.sleep(0)
        await link.put(message)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    link.end()
    await consume()
    assert read == list(range(200))


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_native_cancel_in_the_tick_in_which_there_is_room_gives_nothing():
    link = Link("blocks", 1)
    await link.put(0)
    producers = [asyncio.ensure_future(link.put(message)) for message in (1, 2)]
    await anyio.wait_all_tasks_blocked()
    with link.inbox() as inbox:
        assert await anext(inbox) == 0
        producers[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await producers[0]
        await producers[1]
        assert await anext(inbox) == 2
    assert link.statistics().received == 2
