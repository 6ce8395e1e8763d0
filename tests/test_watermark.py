import anyio
import pytest
from anyio.lowlevel import checkpoint

from transcriber.types import Position
from transcriber.watermark import Watermark

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


async def test_it_only_grows():
    mark = Watermark(Position(5))
    mark.advance(Position(3))
    assert mark.position == 5
    mark.advance(Position(9))
    assert mark.position == 9


async def test_each_waits_for_its_own_position():
    mark, reached = Watermark(), []

    async def wait(position):
        reached.append((position, await mark.reach(Position(position))))

    async with anyio.create_task_group() as tasks:
        for position in (0, 10, 20, 30):
            tasks.start_soon(wait, position)
        await anyio.wait_all_tasks_blocked()
        assert reached == [(0, True)]
        mark.advance(Position(10))
        await anyio.wait_all_tasks_blocked()
        assert reached == [(0, True), (10, True)]
        mark.advance(Position(25))
        await anyio.wait_all_tasks_blocked()
        assert reached[2:] == [(20, True)]
        mark.end()
    assert reached[3:] == [(30, False)]


async def test_two_steps_in_one_tick_wake_whoever_waits_for_either():
    mark = Watermark()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(mark.reach, Position(1))
        tasks.start_soon(mark.reach, Position(2))
        await anyio.wait_all_tasks_blocked()
        mark.advance(Position(1))
        mark.advance(Position(2))


async def test_the_end_is_where_it_stands():
    mark, found = Watermark(), []

    async def wait():
        found.append(await mark.final())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await checkpoint()
        mark.advance(Position(7))
        await anyio.wait_all_tasks_blocked()
        assert not found
        assert not mark.ended
        mark.end()
        mark.end()
    assert found == [7]
    assert mark.ended
    assert await mark.final() == 7
    assert not await mark.reach(Position(8))
    assert await mark.reach(Position(7))


async def test_a_wait_that_is_cancelled_takes_nothing_from_the_others():
    mark = Watermark()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(mark.reach, Position(1))
        await anyio.wait_all_tasks_blocked()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await mark.reach(Position(1))
        mark.advance(Position(1))
