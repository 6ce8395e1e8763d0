import gc
import warnings
from collections import deque

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcriber.link import Link, LinkStatistics

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


async def filled(*messages, capacity=16, ended=True, **options):
    link = Link("blocks", capacity, **options)
    for message in messages:
        await link.put(message)
    if ended:
        link.end()
    return link


async def read(link, *, crash_on=None, error=ValueError):
    """One life of a reader."""
    messages = []
    with link.inbox() as inbox:
        async for message in inbox:
            messages.append(message)
            if message == crash_on:
                raise error(messages)
    return messages


async def crash(link, on):
    with pytest.raises(ValueError, match=r"\[") as crashed:
        await read(link, crash_on=on)
    return crashed.value.args[0]


async def test_messages_arrive_once_and_in_order_and_the_loop_ends_with_the_link():
    assert await read(await filled(1, 2, 3)) == [1, 2, 3]


async def test_the_message_in_hand_at_a_crash_comes_first_in_the_next_life():
    link = await filled(1, 2, 3)
    assert await crash(link, on=2) == [1, 2]
    assert await read(link) == [2, 3]


async def test_a_message_is_handled_when_the_next_one_is_asked_for():
    link = await filled(1, 2)
    with link.inbox() as inbox:
        await anext(inbox)
        assert link.statistics().handled == 0
        await anext(inbox)
        assert link.statistics().handled == 1


async def test_to_leave_the_inbox_without_an_error_handles_the_message_in_hand():
    link = await filled(1, 2)
    with link.inbox() as inbox:
        await anext(inbox)
    assert link.statistics().handled == 1
    assert await read(link) == [2]


async def test_to_leave_the_inbox_before_the_first_message_is_given_handles_nothing():
    link = await filled(1)
    with link.inbox():
        pass
    with pytest.raises(ValueError, match="before"), link.inbox():
        raise ValueError("before the first message")
    assert await read(link) == [1]


async def test_a_message_that_crashes_three_lives_is_set_aside_and_told():
    poison = []
    link = await filled(1, 2, 3, on_poison=poison.append)
    assert await crash(link, on=2) == [1, 2]
    assert await crash(link, on=2) == [2]
    assert not poison
    assert await crash(link, on=2) == [2]
    assert poison == [2]
    assert await read(link) == [3]
    assert link.statistics().set_aside == 1


async def test_a_message_is_set_aside_without_a_listener_too_and_is_counted():
    link = await filled(1, attempts=1)
    await crash(link, on=1)
    assert link.statistics().set_aside == 1
    assert await read(link) == []


async def test_attempts_are_counted_for_each_message():
    link = await filled(1, 2, attempts=2)
    await crash(link, on=1)
    await crash(link, on=2)
    assert await read(link) == [2]


async def test_a_poison_that_could_not_be_told_is_not_set_aside():
    told = []

    def tell(message):
        told.append(message)
        if len(told) == 1:
            raise OSError("disk")

    link = await filled(1, attempts=1, on_poison=tell)
    with pytest.raises(OSError, match="disk"):
        await read(link, crash_on=1)
    assert link.statistics().set_aside == 0
    await crash(link, on=1)
    assert link.statistics().set_aside == 1


async def test_cancellation_gives_the_message_back_and_is_no_crash():
    link = await filled(1, attempts=1)
    for _ in range(5):
        with anyio.CancelScope() as scope, link.inbox() as inbox:
            assert await anext(inbox) == 1
            scope.cancel()
            await anyio.sleep_forever()
    statistics = link.statistics()
    assert (statistics.set_aside, statistics.redelivered, statistics.depth) == (0, 4, 1)


async def test_what_ends_a_program_gives_the_message_back_and_is_no_crash():
    link = await filled(1, attempts=1)
    with pytest.raises(KeyboardInterrupt):
        await read(link, crash_on=1, error=KeyboardInterrupt)
    assert await read(link) == [1]


async def test_a_request_that_is_cancelled_leaves_the_inbox_usable_and_loses_nothing():
    link = await filled(ended=False)
    with link.inbox() as inbox:
        with anyio.move_on_after(0):
            await anext(inbox)
        await link.put(1)
        assert await anext(inbox) == 1


async def test_a_request_that_is_cancelled_takes_nothing_though_there_is_a_message():
    link = await filled(1)
    with link.inbox() as inbox:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(inbox)
        assert scope.cancelled_caught
        assert [message async for message in inbox] == [1]
    assert link.statistics().redelivered == 0


async def test_blame_counts_as_a_crash_of_a_reader_that_is_then_cancelled():
    poison = []
    link = await filled(1, 2, attempts=2, on_poison=poison.append)
    for _ in range(2):
        with anyio.CancelScope() as scope, link.inbox() as inbox:
            await anext(inbox)
            link.blame()
            scope.cancel()
            await anyio.sleep_forever()
    assert poison == [1]
    assert await read(link) == [2]


async def test_a_blamed_reader_that_goes_on_gets_its_message_again():
    link = await filled(1, 2)
    with link.inbox() as inbox:
        await anext(inbox)
        link.blame()
        assert [message async for message in inbox] == [1, 2]


async def test_blame_without_a_message_in_hand_is_nothing():
    link = await filled(1, attempts=1)
    link.blame()
    assert link.progress() == 0
    with anyio.CancelScope() as scope, link.inbox() as inbox:
        await anext(inbox)
        scope.cancel()
        await anyio.sleep_forever()
    link.blame()
    assert link.progress() == 0
    assert await read(link) == [1]


async def test_an_inbox_that_was_left_by_a_cancel_gives_and_handles_nothing_more():
    link = await filled(1, 2)
    with anyio.CancelScope() as scope, link.inbox() as inbox:
        await anext(inbox)
        scope.cancel()
        await anyio.sleep_forever()
    with pytest.raises(anyio.ClosedResourceError):
        await anext(inbox)
    assert link.progress() == 0
    assert await read(link) == [1, 2]


async def test_a_producer_that_is_cancelled_gives_nothing_though_there_is_room():
    link = await filled(ended=False)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await link.put(1)
    assert scope.cancelled_caught
    assert not link.pending()


async def test_producers_that_wait_get_room_in_the_order_in_which_they_came():
    link = await filled(0, capacity=1, ended=False)
    async with anyio.create_task_group() as group:
        for message in range(1, 4):
            group.start_soon(link.put, message)
            await anyio.wait_all_tasks_blocked()
        with link.inbox() as inbox:
            for message in range(4):
                assert await anext(inbox) == message
                await anyio.wait_all_tasks_blocked()


def test_a_link_says_its_name():
    assert Link("them.blocks", 1).name == "them.blocks"


async def test_a_crash_of_the_reader_does_not_break_the_producers():
    link = await filled(1, ended=False)
    await crash(link, on=1)
    await link.put(2)
    link.end()
    assert await read(link) == [1, 2]


async def test_producers_wait_while_the_link_is_full_also_during_a_restart_and_keep_their_order():
    link = await filled(0, 1, capacity=2, ended=False)

    async def produce():
        for message in range(2, 10):
            await link.put(message)
        link.end()

    async with anyio.create_task_group() as group:
        group.start_soon(produce)
        await crash(link, on=0)
        await anyio.wait_all_tasks_blocked()
        assert link.statistics().depth == 3  # two that wait, and the one that comes again
        assert await read(link) == list(range(10))


async def test_an_offer_that_finds_no_room_is_refused_and_counted():
    link = await filled(1, capacity=1, ended=False)
    assert not link.offer(2)
    assert not link.offer(3)
    assert link.statistics().refused == 2
    with link.inbox() as inbox:
        assert await anext(inbox) == 1
        assert link.offer(4)
        assert await anext(inbox) == 4


async def test_end_is_idempotent_and_nothing_can_be_given_after_it():
    link = await filled(1)
    link.end()
    with pytest.raises(anyio.ClosedResourceError):
        await link.put(2)
    with pytest.raises(anyio.ClosedResourceError):
        link.offer(2)
    assert await read(link) == [1]
    assert await read(link) == []


async def test_end_wakes_a_reader_that_waits():
    link = await filled(ended=False)
    async with anyio.create_task_group() as group:
        group.start_soon(read, link)
        await anyio.wait_all_tasks_blocked()
        link.end()


async def test_a_new_inbox_retires_one_that_is_still_open_and_takes_over_its_message():
    link = await filled(1, 2)
    with link.inbox() as zombie:
        assert await anext(zombie) == 1
        assert await read(link) == [1, 2]
        with pytest.raises(anyio.ClosedResourceError):
            await anext(zombie)
    statistics = link.statistics()
    assert (statistics.handled, statistics.depth) == (2, 0)


async def test_a_retired_inbox_that_crashes_says_nothing_of_the_message_of_its_successor():
    link = await filled(1, attempts=1)
    old = link.inbox()
    await anext(old.__enter__())
    with link.inbox() as inbox:
        assert await anext(inbox) == 1
        assert not old.__exit__(ValueError, ValueError("late"), None)
        assert link.statistics().set_aside == 0
    assert link.statistics().handled == 1


@pytest.mark.parametrize("woken", [True, False])
async def test_a_retired_inbox_that_waits_is_told_and_takes_no_message_with_it(woken):
    link = await filled(ended=False)

    async def zombie():
        with pytest.raises(anyio.ClosedResourceError):
            await read(link)

    async with anyio.create_task_group() as group:
        group.start_soon(zombie)
        await anyio.wait_all_tasks_blocked()
        if woken:
            link.offer(1)  # it is woken for this one, and retired before it can take it
        with link.inbox() as inbox:
            link.offer(2)
            assert [await anext(inbox) for _ in range(link.statistics().depth)] == ([1, 2] if woken else [2])


async def test_end_tells_producers_that_wait_that_their_message_was_not_taken():
    link = await filled(1, capacity=1, ended=False)

    async def produce():
        with pytest.raises(anyio.ClosedResourceError):
            await link.put(2)

    async with anyio.create_task_group() as group:
        group.start_soon(produce)
        group.start_soon(produce)
        await anyio.wait_all_tasks_blocked()
        link.end()
    assert await read(link) == [1]


async def test_an_offer_may_take_the_room_that_a_producer_waits_for_and_the_producer_goes_on_waiting():
    link = await filled(1, capacity=1, ended=False)
    async with anyio.create_task_group() as group:
        group.start_soon(link.put, 3)
        await anyio.wait_all_tasks_blocked()
        with link.inbox() as inbox:
            assert await anext(inbox) == 1
            assert link.offer(2)
            assert [await anext(inbox), await anext(inbox)] == [2, 3]


async def test_a_producer_that_gave_up_waiting_leaves_its_turn_to_the_next():
    link = await filled(1, capacity=1, ended=False)
    async with anyio.create_task_group() as group:
        async with anyio.create_task_group() as impatient:
            impatient.start_soon(link.put, 2)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(link.put, 3)
            await anyio.wait_all_tasks_blocked()
            impatient.cancel_scope.cancel()
        with link.inbox() as inbox:
            assert await anext(inbox) == 1
            await anyio.wait_all_tasks_blocked()
            assert not link.congested()
            assert await anext(inbox) == 3


async def test_an_outbox_is_drained_in_order_and_keeps_what_the_link_does_not_have():
    link = await filled(capacity=2, ended=False)
    outbox = deque([1, 2, 3, 4])
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(link.drain, outbox)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
    assert list(outbox) == [3, 4]
    async with anyio.create_task_group() as group:
        group.start_soon(link.drain, outbox)
        with link.inbox() as inbox:
            assert [await anext(inbox) for _ in range(4)] == [1, 2, 3, 4]
    assert not outbox


async def test_an_inbox_that_was_left_gives_and_handles_nothing_more():
    link = await filled(1, 2)
    left = link.inbox()
    old = left.__enter__()
    await anext(old)
    left.__exit__(ValueError, ValueError("crash"), None)
    with link.inbox() as inbox:
        assert await anext(inbox) == 1
        with pytest.raises(anyio.ClosedResourceError):
            await anext(old)
        assert link.statistics().handled == 0


async def test_a_link_is_congested_while_a_producer_waits_for_room():
    link = await filled(1, capacity=1, ended=False)
    assert not link.congested()
    async with anyio.create_task_group() as group:
        group.start_soon(link.put, 2)
        await anyio.wait_all_tasks_blocked()
        assert link.congested()
        with link.inbox() as inbox:
            await anext(inbox)
            assert not link.congested()


async def test_the_statistics_tell_everything():
    link = await filled(1, 2, 3, capacity=3, ended=False, now=lambda: 7.0)
    link.offer(4)
    await crash(link, on=1)
    await crash(link, on=2)
    assert link.statistics() == LinkStatistics(
        capacity=3,
        depth=2,
        peak_depth=3,
        received=3,
        handled=1,
        redelivered=1,
        refused=1,
        set_aside=0,
        age=0.0,
        ended=False,
    )
    assert link.pending()
    assert link.progress() == 1
    link.end()
    await read(link)
    assert not link.pending()
    assert link.progress() == 3
    assert link.statistics().ended


@pytest.mark.parametrize("limits", [{"capacity": 0}, {"capacity": 1, "attempts": 0}])
def test_limits_that_mean_nothing_are_refused(limits):
    with pytest.raises(ValueError, match="must be 1 or more"):
        Link("blocks", **limits)


def test_a_link_is_dropped_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        link = Link("blocks", 1)
        del link
        gc.collect()


def test_a_link_is_dropped_without_a_warning_also_where_its_streams_are_finalized_first(monkeypatch):
    streams = [anyio.create_memory_object_stream(1)]  # older than the link: the collector comes to them before it

    class Older:
        def __class_getitem__(cls, _):
            return lambda _: streams.pop()

    monkeypatch.setattr(anyio, "create_memory_object_stream", Older)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        link = Link("dropped", 1)
        link.cycle = link
        del link
        gc.collect()
    assert not caught


@settings(deadline=None)
@given(
    capacity=st.integers(1, 4),
    attempts=st.integers(1, 3),
    crashes=st.lists(st.integers(0, 9), max_size=12),
    cancels=st.lists(st.integers(0, 9), max_size=12),
)
def test_any_mix_of_crashes_and_cancels_loses_nothing_and_keeps_the_order(capacity, attempts, crashes, cancels):
    async def scenario():
        poison = []
        link = Link("blocks", capacity, on_poison=poison.append, attempts=attempts)
        first, crash_on, cancel_on = [], list(crashes), list(cancels)

        async def produce():
            for message in range(10):
                await link.put(message)
            link.end()

        async def life():
            with anyio.CancelScope() as scope, link.inbox() as inbox:
                async for message in inbox:
                    if message not in first:
                        first.append(message)
                    if message in cancel_on:
                        cancel_on.remove(message)
                        scope.cancel()
                        await anyio.sleep_forever()
                    if message in crash_on:
                        crash_on.remove(message)
                        raise ValueError(message)
                return True
            return False

        async with anyio.create_task_group() as group:
            group.start_soon(produce)
            done = False
            while not done:
                try:
                    done = await life()
                except ValueError:
                    continue
        assert first == list(range(10))
        assert poison == [message for message in range(10) if crashes.count(message) >= attempts]
        statistics = link.statistics()
        assert (statistics.received, statistics.depth) == (10, 0)
        assert statistics.handled + statistics.set_aside == 10
        assert statistics.set_aside == len(poison)

    anyio.run(scenario)


async def test_the_age_is_that_of_the_oldest_message_that_is_not_handled_yet():
    now = 100.0
    link = Link[int]("test", 4, now=lambda: now)
    assert link.statistics().age == 0
    for number in (1, 2):
        await link.put(number)
        now += 5
    assert link.statistics().age == 10
    with link.inbox() as inbox:
        await anext(inbox)
        assert link.statistics().age == 10, "it is in hand"
        await anext(inbox)
        assert link.statistics().age == 5
    assert link.statistics().age == 0


async def test_a_message_that_is_set_aside_has_no_age_any_more():
    now = 0.0
    link = Link[int]("test", 4, attempts=1, now=lambda: now)
    await link.put(1)
    now = 3.0
    await link.put(2)
    await crash(link, on=1)
    now = 4.0
    assert link.statistics().age == 1
