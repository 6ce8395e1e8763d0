import asyncio

import anyio
import pytest
import trio

from transcriber.link import Link
from transcriber.supervision import (
    ChildBecameZombie,
    ChildFailed,
    ChildHung,
    ChildSpec,
    State,
    SupervisionFailed,
    Watch,
    ZombieEnded,
)

pytestmark = pytest.mark.anyio


class Counting:
    """Work to do, and how much of it was done."""

    def __init__(self, *, pending=True):
        self.is_pending = pending
        self.done = 0

    def pending(self):
        return self.is_pending

    def progress(self):
        return self.done

    def watch(self, timeout=10.0, **options):
        return Watch(pending=self.pending, progress=self.progress, timeout=timeout, **options)


async def test_a_child_that_has_work_and_makes_no_progress_is_cancelled_and_restarted(stage):
    work = Counting()
    supervisor = stage.supervisor(stage.child("a", watch=work.watch()))
    await stage.run_for(12, supervisor)
    assert stage.lives["a"] == 2
    assert [type(event.error) for event in stage.told(ChildFailed)] == [ChildHung]


@pytest.mark.parametrize("moved", [0.0, 0.1, 0.9])
async def test_a_hang_is_seen_after_one_timeout_and_at_most_a_tenth_more(stage, moved):
    work = Counting()

    async def moves_once(_):
        await anyio.sleep(moved)
        work.done += 1
        await anyio.sleep_forever()

    supervisor = stage.supervisor(stage.child("a", moves_once, watch=work.watch()), max_restarts=0)
    began = anyio.current_time()
    with pytest.raises(SupervisionFailed):
        await supervisor.run()
    assert 9.999 <= anyio.current_time() - began - moved <= 11.001


async def test_an_idle_child_is_not_hung(stage):
    supervisor = stage.supervisor(stage.child("a", watch=Counting(pending=False).watch()))
    await stage.run_for(1000, supervisor)
    assert stage.lives["a"] == 1


async def test_a_slow_child_that_moves_is_not_hung(stage):
    work = Counting()

    async def slow(_):
        while True:
            await anyio.sleep(9)
            work.done += 1

    await stage.run_for(1000, stage.supervisor(stage.child("a", slow, watch=work.watch())))
    assert stage.lives["a"] == 1


async def test_a_child_is_watched_only_once_it_is_ready(stage):
    async def slow_start(task_status):
        await anyio.sleep(4)
        task_status.started()
        await anyio.sleep_forever()

    work = Counting()
    supervisor = stage.supervisor(stage.child("a", slow_start, reports_ready=True, watch=work.watch(timeout=2.0)))
    await stage.run_for(5, supervisor)
    assert stage.lives["a"] == 1


async def test_a_child_that_is_being_stopped_is_not_hung(stage):
    over = anyio.Event()
    blamed = []
    supervisor = stage.supervisor(
        stage.child(
            "a",
            stage.ignores_cancellation(over),
            stop_timeout=30.0,
            watch=Counting().watch(timeout=1.0, on_hung=lambda: blamed.append("a")),
        )
    )
    async with anyio.create_task_group() as host:
        await host.start(supervisor.run)
        supervisor.stop()
        await anyio.sleep(20)
        over.set()
    assert not blamed
    assert not stage.told(ChildFailed)


async def test_a_blocked_loop_makes_no_innocent_look_hung(stage, anyio_backend_name):
    supervisor = stage.supervisor(stage.child("a", watch=Counting().watch()))
    async with anyio.create_task_group() as host:
        await host.start(supervisor.run)
        await anyio.sleep(3.5)
        leap(100.0, anyio_backend_name)
        await anyio.sleep(3)
        assert stage.lives["a"] == 1
        await anyio.sleep(8)
        assert stage.lives["a"] == 2
        supervisor.stop()


def leap(seconds, backend):
    """Move the clock forward without letting anything run, as a task does that blocks the loop."""
    if backend == "trio":
        trio.lowlevel.current_clock().jump(seconds)
    else:
        asyncio.get_running_loop()._clock.now += seconds


async def test_a_message_that_hangs_its_reader_is_set_aside_after_three_lives(stage):
    poison, read = [], []
    link = Link("blocks", 8, on_poison=poison.append)
    for message in range(5):
        await link.put(message)
    link.end()

    async def reads(_):
        with link.inbox() as inbox:
            async for message in inbox:
                if message == 2:
                    await anyio.sleep_forever()
                read.append(message)

    watch = Watch(pending=link.pending, progress=link.progress, timeout=5.0, on_hung=link.blame)
    await stage.supervisor(stage.child("reader", reads, watch=watch)).run()
    assert (read, poison) == ([0, 1, 3, 4], [2])
    assert stage.lives["reader"] == 4


async def test_a_reader_that_waits_for_messages_is_not_hung_and_one_with_messages_is(stage):
    link = Link("blocks", 8)

    async def deaf(_):
        with link.inbox():
            await anyio.sleep_forever()

    watch = Watch(pending=link.pending, progress=link.progress, timeout=5.0, on_hung=link.blame)
    supervisor = stage.supervisor(stage.child("reader", deaf, watch=watch))
    async with anyio.create_task_group() as host:
        await host.start(supervisor.run)
        await anyio.sleep(100)
        assert stage.lives["reader"] == 1
        await link.put(1)
        await anyio.sleep(7)
        assert stage.lives["reader"] == 2
        supervisor.stop()


async def test_a_child_that_waits_for_room_further_down_is_not_hung_and_the_one_that_it_waits_for_is(stage):
    blocks, samples = Link("blocks", 4), Link("samples", 1)
    read = []
    for message in range(4):
        await blocks.put(message)
    blocks.end()

    async def forwards(_):
        with blocks.inbox() as inbox:
            async for message in inbox:
                await samples.put(message)
        samples.end()

    async def hangs(_):
        with samples.inbox() as inbox:
            async for _message in inbox:
                await anyio.sleep_forever()

    async def reads(_):
        with samples.inbox() as inbox:
            read.extend([message async for message in inbox])

    supervisor = stage.supervisor(
        stage.child(
            "reads", hangs, reads, watch=Watch(pending=samples.pending, progress=samples.progress, timeout=5.0)
        ),
        stage.child(
            "forwards",
            forwards,
            watch=Watch(
                pending=lambda: blocks.pending() and not samples.congested(), progress=blocks.progress, timeout=5.0
            ),
        ),
    )
    await supervisor.run()
    assert read == [0, 1, 2, 3]
    assert stage.lives == {"reads": 2, "forwards": 1}


async def test_a_hung_child_that_swallows_its_cancellation_is_replaced_and_loses_its_messages_to_the_new_life(stage):
    over = anyio.Event()
    link = Link("blocks", 8)
    read = []
    await link.put(1)
    await link.put(2)
    link.end()

    async def hangs(_):
        with link.inbox() as inbox:
            await anext(inbox)
            with anyio.CancelScope(shield=True):
                await over.wait()
            with pytest.raises(anyio.ClosedResourceError):
                await anext(inbox)

    async def reads(_):
        with link.inbox() as inbox:
            read.extend([message async for message in inbox])

    watch = Watch(pending=link.pending, progress=link.progress, timeout=5.0)
    supervisor = stage.supervisor(stage.child("reader", hangs, reads, watch=watch, stop_timeout=1.0))
    async with anyio.create_task_group() as host:
        host.start_soon(supervisor.run)
        await anyio.sleep(20)
        assert read == [1, 2]
        assert stage.told(ChildBecameZombie) == [ChildBecameZombie("root", "reader")]
        assert supervisor.tree().children[0].zombies == 1
        over.set()
    assert stage.told(ZombieEnded)[0].child == "reader"
    assert supervisor.tree().children[0].zombies == 0


async def test_a_start_that_times_out_and_swallows_its_cancellation_is_left_behind(stage):
    over = anyio.Event()

    async def stuck(_):
        with anyio.CancelScope(shield=True):
            await over.wait()

    supervisor = stage.supervisor(stage.child("a", stage.fails(1), stuck, stage.lasts, reports_ready=True))
    async with anyio.create_task_group() as host:
        host.start_soon(supervisor.run)
        await anyio.sleep(30)
        assert stage.lives["a"] == 3
        assert supervisor.tree().children[0].zombies == 1
        over.set()
        supervisor.stop()


async def test_what_ends_a_program_passes_from_a_zombie_too(stage):
    over = anyio.Event()

    async def stuck(_):
        with anyio.CancelScope(shield=True):
            await over.wait()
        raise SystemExit(3)

    supervisor = stage.supervisor(
        stage.child("a", stuck, stage.lasts, watch=Counting().watch(timeout=1.0), stop_timeout=1.0)
    )

    async def host_task():
        with pytest.raises(SystemExit):
            await supervisor.run()

    async with anyio.create_task_group() as host:
        host.start_soon(host_task)
        await anyio.sleep(3)
        over.set()
    assert stage.log[-2:] == ["-a", "-a"]


async def test_a_watch_that_fails_replaces_the_child(stage):
    def fails():
        raise ZeroDivisionError

    watch = Watch(pending=fails, progress=lambda: 0, timeout=1.0)
    supervisor = stage.supervisor(ChildSpec(name="a", start=lambda: stage.enter("a", (stage.lasts,)), watch=watch))
    with pytest.raises(SupervisionFailed) as failure:
        await supervisor.run()
    assert [type(error) for error in failure.value.exceptions] == [ZeroDivisionError] * 4


async def test_a_zombie_is_reported_once_however_often_it_is_told_to_end(stage):
    over = anyio.Event()
    supervisor = stage.supervisor(
        stage.child("a", stage.ignores_cancellation(over), watch=Counting().watch(), stop_timeout=5.0)
    )
    async with anyio.create_task_group() as host:
        host.start_soon(supervisor.run)
        await anyio.sleep(12)
        supervisor.stop()
        await anyio.sleep(10)
        over.set()
    assert len(stage.told(ChildBecameZombie)) == len(stage.told(ZombieEnded)) == 1


async def test_a_zombie_that_ends_in_the_delay_before_the_next_life_changes_nothing_about_it(stage):
    over = anyio.Event()
    child = stage.child(
        "a", stage.ignores_cancellation(over), stage.lasts, watch=Counting().watch(timeout=1.0), stop_timeout=1.0
    )
    supervisor = stage.supervisor(child, delay=10.0)
    async with anyio.create_task_group() as host:
        host.start_soon(supervisor.run)
        await anyio.sleep(5)
        over.set()
        await anyio.wait_all_tasks_blocked()
        assert stage.log == ["+a", "-a"]
        assert supervisor.tree().children[0].state is State.WAITING
        supervisor.stop()


async def test_a_child_is_a_zombie_until_its_last_life_ended_whatever_became_of_those_before(stage):
    first, last = anyio.Event(), anyio.Event()
    child = stage.child(
        "a",
        stage.ignores_cancellation(first),
        stage.ignores_cancellation(last),
        watch=Counting().watch(timeout=1.0),
        stop_timeout=1.0,
    )
    supervisor = stage.supervisor(child)

    def seen():
        status = supervisor.tree().children[0]
        return status.state, status.zombies

    async with anyio.create_task_group() as host:
        host.start_soon(supervisor.run)
        await anyio.sleep(3)
        supervisor.stop()
        await anyio.sleep(2)
        assert seen() == (State.ZOMBIE, 2)
        first.set()
        await anyio.wait_all_tasks_blocked()
        assert seen() == (State.ZOMBIE, 1)
        last.set()
        await anyio.wait_all_tasks_blocked()
        assert seen() == (State.STOPPED, 0)
