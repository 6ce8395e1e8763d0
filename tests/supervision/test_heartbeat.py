import threading
import time
import traceback

import anyio
import pytest
from anyio.lowlevel import checkpoint

from transcriber.supervision import Heartbeat, LoopBlocked
from transcriber.supervision.heartbeat import DEPTH

pytestmark = pytest.mark.anyio


def blocks_the_loop(until):
    assert until.wait(60)


async def test_it_names_the_line_that_blocks_the_loop_while_it_blocks():
    seen, told = [], threading.Event()

    def tell(blocked):
        seen.append(blocked)
        told.set()

    async with anyio.create_task_group() as host:
        host.start_soon(Heartbeat(tell, interval=0.01, threshold=0.05).run)
        await anyio.wait_all_tasks_blocked()
        blocks_the_loop(told)
        host.cancel_scope.cancel()
    functions = [frame.name for frame in seen[0].stack]
    assert blocks_the_loop.__name__ in functions
    assert blocks_the_loop.__name__ in seen[0].calls.split(" < ", 3)[2]  # Event.wait, Condition.wait, and then this
    assert seen[0].line.split(" in ")[0] in seen[0].calls
    assert seen[0].seconds >= 0.05


async def test_a_loop_that_blocks_before_the_first_beat_is_late_since_the_start():
    seen, told = [], threading.Event()

    def tell(blocked):
        seen.append(blocked)
        told.set()

    began = time.monotonic()
    async with anyio.create_task_group() as host:
        host.start_soon(Heartbeat(tell, interval=0.01, threshold=0.05).run)
        await checkpoint()
        await checkpoint()
        blocks_the_loop(told)
        host.cancel_scope.cancel()
    assert 0.05 <= seen[0].seconds <= time.monotonic() - began


async def test_it_tells_once_for_every_time_that_the_loop_blocks_and_survives_its_listener():
    told, beats = threading.Semaphore(0), []

    def tell(_):
        beats.append(heartbeat._beat)
        told.release()
        raise ZeroDivisionError

    heartbeat = Heartbeat(tell, interval=0.001, threshold=0.01)
    async with anyio.create_task_group() as host:
        host.start_soon(heartbeat.run)
        for _ in range(3):
            await anyio.sleep(0.01)  # virtual: some beats
            while heartbeat._beat not in beats:
                assert told.acquire(timeout=60)
            # The loop stays blocked for fifty more looks of the thread, which has nothing new to say.
            told.acquire(timeout=0.05)
        host.cancel_scope.cancel()
    assert len(beats) == len(set(beats)) >= 3
    assert isinstance(heartbeat.listener_error, ZeroDivisionError)


async def test_its_thread_lives_as_long_as_it_runs_and_holds_up_no_exit():
    def watchdogs():
        return [thread for thread in threading.enumerate() if thread.name == "heartbeat watchdog"]

    async with anyio.create_task_group() as host:
        host.start_soon(Heartbeat(print).run)
        await anyio.wait_all_tasks_blocked()
        (watchdog,) = watchdogs()
        assert watchdog.daemon
        host.cancel_scope.cancel()
    watchdog.join(60)
    assert not watchdogs()


def test_a_line_is_named_by_file_number_and_function():
    stack = traceback.StackSummary.from_list([("a.py", 1, "main", ""), ("b.py", 7, "read", "")])
    assert LoopBlocked(0.5, stack).line == "b.py:7 in read"


def test_calls_are_named_innermost_first():
    stack = traceback.StackSummary.from_list([("a.py", 1, "main", ""), ("b.py", 7, "read", "")])
    assert LoopBlocked(0.5, stack).calls == "b.py:7 read < a.py:1 main"


def test_of_many_calls_those_next_to_the_one_that_blocks_are_named():
    stack = traceback.StackSummary.from_list([("a.py", line, "recurse", "") for line in range(50)])
    named = LoopBlocked(0.5, stack).calls.split(" < ")
    assert named == [f"a.py:{line} recurse" for line in reversed(range(50 - DEPTH, 50))]


@pytest.mark.parametrize("interval", [0.0, 0.5, 0.6])
def test_an_interval_that_is_no_time_or_not_below_the_threshold_is_refused(interval):
    with pytest.raises(ValueError, match="must exceed the interval"):
        Heartbeat(print, interval=interval, threshold=0.5)


def test_a_loop_whose_thread_is_gone_blocks_nothing():
    class TwoLooks:
        def __init__(self):
            self.answers = iter([False, True])

        def wait(self, _):
            return next(self.answers)

    Heartbeat(pytest.fail)._watch(-1, TwoLooks())


async def test_each_beat_tells_how_late_it_came():
    late, enough = [], anyio.Event()

    def beat(seconds):
        late.append(seconds)
        if len(late) == 1:
            time.sleep(0.03)  # the loop is blocked, and the next beat comes late
        if len(late) == 2:
            enough.set()

    async with anyio.create_task_group() as host:
        host.start_soon(Heartbeat(lambda _: None, on_beat=beat, interval=0.01, threshold=60).run)
        await enough.wait()
        host.cancel_scope.cancel()
    assert min(late) >= 0
    assert late[1] >= 0.02
