import threading
import time

import anyio
import anyio.lowlevel
import pytest

from transcriber.adapters.disk import STOOD_STILL, Disk, InlineDisk
from transcriber.errors import StorageError

pytestmark = pytest.mark.anyio


@pytest.fixture
async def disk():
    disk = Disk("test", deadline=30)
    yield disk
    await disk.close()


@pytest.fixture
def stuck():
    """Stand for a disk that does not answer until the test is over."""
    answer = threading.Event()
    yield answer.wait
    answer.set()


async def give_and_leave(disk, call):
    """Give a call, and be cancelled while it is waited for."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(disk.run, call)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()


async def test_calls_are_made_in_order_in_one_thread(disk):
    given, made, threads = [], [], set()

    def call(number):
        made.append(number)
        threads.add(threading.get_ident())

    async def give(number):
        given.append(number)
        await disk.run(lambda: call(number))

    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(give, number)
    assert made == given
    assert len(threads) == 1
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("kind", [Disk, InlineDisk])
async def test_results_and_errors_come_back(kind):
    disk = kind()
    assert await disk.run(lambda: 7) == await disk.read(lambda: 7) == 7
    for call in (disk.run, disk.read):
        with pytest.raises(ZeroDivisionError):
            await call(lambda: 1 // 0)
    assert await disk.run(lambda: 8) == 8
    if isinstance(disk, Disk):
        await disk.close()


async def test_a_deadline_that_passed_while_the_program_stood_still_does_not_count():
    disk = Disk("test", deadline=0.5)
    go = threading.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(disk.run, go.wait)
        await anyio.wait_all_tasks_blocked()
        time.sleep(0.5 + 2 * STOOD_STILL)  # noqa: ASYNC251 - as a process that is stopped
        threading.Timer(0.1, go.set).start()
    assert disk.statistics().hung == 0
    await disk.close()


async def test_a_cancelled_caller_leaves_and_the_call_is_made_all_the_same(disk):
    go, made = threading.Event(), threading.Event()

    def call():
        go.wait()
        made.set()

    await give_and_leave(disk, call)
    await give_and_leave(disk, made.is_set)
    assert not made.is_set()
    go.set()
    assert await disk.run(made.is_set)


async def test_the_queue_is_bounded():
    disk = Disk("test", capacity=2)
    go = threading.Event()
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(disk.run, go.wait)
        await anyio.wait_all_tasks_blocked()
        assert disk.statistics().waiting == 2
        assert disk._jobs.qsize() <= 2
        go.set()
    assert disk.statistics().calls == 5
    assert disk.statistics().waiting == 0
    await disk.close()


async def test_a_hung_disk_costs_an_error_and_a_new_thread_goes_on(stuck):
    disk = Disk("usb", deadline=0.05)
    with pytest.raises(StorageError, match="usb: no answer"):
        await disk.run(stuck)
    assert await disk.run(lambda: 1) == 1
    assert disk.statistics().hung == 1
    await disk.close()


async def test_a_call_that_nobody_waits_for_can_hang_too(stuck):
    disk = Disk(deadline=0.05)
    await give_and_leave(disk, stuck)
    with pytest.raises(StorageError):
        await disk.run(lambda: None)
    assert disk.statistics().hung == 1
    assert await disk.run(lambda: 1) == 1
    await disk.close()


async def test_calls_that_wait_behind_a_hung_one_are_made_by_the_new_thread():
    disk = Disk(deadline=0.2)
    answer = threading.Event()
    results = []

    async def late():
        await anyio.sleep(0.1)
        results.append(await disk.run(lambda: "made"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(late)
        with pytest.raises(StorageError):
            await disk.run(answer.wait)
    assert results == ["made"]
    answer.set()
    await disk.close()


async def test_an_abandoned_thread_takes_no_more_calls():
    disk = Disk(deadline=0.05)
    answer, threads = threading.Event(), []

    def hang():
        threads.append(threading.current_thread())
        answer.wait()

    with pytest.raises(StorageError):
        await disk.run(hang)
    answer.set()
    await anyio.to_thread.run_sync(threads[0].join)
    made_by = await disk.run(threading.current_thread)
    assert made_by is not threads[0]
    assert made_by.is_alive()
    await disk.close()


async def test_a_withdrawn_call_is_not_made_later(stuck):
    disk = Disk(deadline=0.05)
    made = []
    await give_and_leave(disk, stuck)
    with pytest.raises(StorageError):
        await disk.run(lambda: made.append(1))
    assert await disk.run(lambda: list(made)) == []
    await disk.close()


async def test_close_waits_for_what_was_given_and_refuses_more(disk):
    made = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(disk.run, lambda: made.append(1))
        await anyio.wait_all_tasks_blocked()
        await disk.close()
        assert made == [1]
    await disk.close()
    with pytest.raises(StorageError, match="closed"):
        await disk.run(lambda: None)


async def test_statistics(disk):
    assert disk.statistics().p99 == 0
    for _ in range(1_000):
        await disk.run(lambda: None)
    taken = disk.statistics()
    assert taken.calls == 1_000
    assert 0 < taken.p50 <= taken.p99 <= taken.slowest
    assert len(disk._latest) == 512


async def test_a_call_counts_as_recent_for_as_long_as_it_takes_and_is_forgotten_later(disk, stuck, monkeypatch):
    assert disk.statistics().recent == 0
    now = time.monotonic()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(disk.run, lambda: stuck(60))
        while disk._writer.busy() == 0:
            await anyio.lowlevel.checkpoint()
        monkeypatch.setattr("transcriber.adapters.disk.time.monotonic", lambda: now + 3600)
        assert disk.statistics().recent > 3500
        monkeypatch.undo()
        stuck.__self__.set()
    took = disk.statistics().recent
    assert took > 0
    monkeypatch.setattr("transcriber.adapters.disk.time.monotonic", lambda: now + 3600)
    assert disk.statistics().recent == 0
