"""One writer thread for each disk: blocking calls in order, off the event loop, with a deadline.

A thread cannot be killed. When a call is stuck in the kernel beyond the deadline its thread is abandoned and a new one
takes over the calls that wait, so that a hung disk costs its callers an error and never the program. What a stuck call
holds (descriptors, a connection) must not be used again: whoever gave the call opens anew.
"""

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Protocol, cast

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread

from transcriber.errors import StorageError

CAPACITY = 64
"""Calls that wait or run at once; `run` waits for a place."""

DEADLINE = 10.0
"""Seconds in which a call must be done: far above a sync on a busy disk (11.5 ms was the longest measured on ext4)."""

STOOD_STILL = 1.0
"""Seconds by which a deadline is noticed too late if the program itself was stopped, or the loop was blocked: then the
disk has had no time."""

_KEPT = 512
"""Newest durations that the percentiles are taken from."""

_RECENT = 10.0
"""Seconds within which a call counts as recent."""


@dataclass(frozen=True, slots=True)
class DiskStatistics:
    """How the disk does. Durations in seconds; p50 and p99 of the newest 512 calls, `slowest` of all.

    `recent` is the slowest call of the last 10 s; one that is not done yet counts as long as it has taken.
    """

    calls: int
    waiting: int
    hung: int
    """Threads that were abandoned."""
    p50: float
    p99: float
    slowest: float
    recent: float


class CallRunner(Protocol):
    """Where blocking calls on files are made."""

    async def run[T](self, call: Callable[[], T]) -> T:
        """Make a call that writes, after all those given before it."""
        ...

    async def read[T](self, call: Callable[[], T]) -> T:
        """Make a call that only reads, beside those that write."""
        ...


@dataclass(slots=True, eq=False)
class _Job:
    """A call on its way through the thread and back."""

    call: Callable[[], object]
    token: anyio.lowlevel.EventLoopToken
    settle: Callable[["_Job"], None]
    """Called in the loop of whoever waits, when the call is done."""
    done: anyio.Event = field(default_factory=anyio.Event)
    withdrawn: bool = False
    started: float = math.inf
    took: float | None = None
    result: object = None
    error: BaseException | None = None


class _Writer:
    """The thread. It takes jobs until it is told to end, or is abandoned in the middle of one."""

    def __init__(self, name: str, jobs: SimpleQueue[_Job | None]) -> None:
        self._jobs = jobs
        self._lock = threading.Lock()
        self._current: _Job | None = None
        self._abandoned = False
        # A daemon: a thread stuck in the kernel must not keep the interpreter from ending.
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def abandon(self, after: float) -> bool:
        """Give up the thread if its call has been running for `after` seconds: it will take no other."""
        with self._lock:
            if self._current is not None and time.monotonic() - self._current.started >= after:
                self._abandoned = True
            return self._abandoned

    def busy(self) -> float:
        """Return for how many seconds the call in hand has been running; 0 without one."""
        with self._lock:
            return time.monotonic() - self._current.started if self._current is not None else 0.0

    def _work(self) -> None:
        while not self._abandoned and (job := self._jobs.get()) is not None:
            if not job.withdrawn:
                self._call(job)
            # The loop of whoever waited may be closed: the call is done all the same.
            with contextlib.suppress(RuntimeError):
                anyio.from_thread.run_sync(job.settle, job, token=job.token)

    def _call(self, job: _Job) -> None:
        with self._lock:
            job.started = time.monotonic()
            self._current = job
        try:
            job.result = job.call()
        except BaseException as error:  # noqa: BLE001 - it is raised where the call was awaited
            job.error = error
        job.took = time.monotonic() - job.started
        with self._lock:
            self._current = None


class Disk:
    """The writer thread of one disk, for the tasks of one event loop."""

    def __init__(self, name: str = "disk", *, deadline: float = DEADLINE, capacity: int = CAPACITY) -> None:
        self._name = name
        self._deadline = deadline
        self._capacity = capacity
        self._places = anyio.Semaphore(capacity, fast_acquire=True)
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._writer = _Writer(name, self._jobs)
        self._latest: deque[tuple[float, float]] = deque(maxlen=_KEPT)  # when each began, and what it took
        self._slowest = 0.0
        self._calls = 0
        self._hung = 0
        self._closed = False

    async def run[T](self, call: Callable[[], T]) -> T:
        """Make a blocking call in the writer thread, after all those given before it, and return what it returns.

        A caller that is cancelled does not wait for its call, which is made all the same.

        Raises:
            StorageError: the call was not done by the deadline. It may still come to its end at any time later.

        """
        if self._closed:
            raise StorageError(f"{self._name}: the writer is closed")
        job = _Job(call, anyio.lowlevel.current_token(), self._settle)
        given = False
        with anyio.move_on_after(self._deadline) as patience:
            await self._places.acquire()
            self._jobs.put(job)
            given = True
            await job.done.wait()
        if given and anyio.current_time() > patience.deadline + STOOD_STILL:
            with anyio.move_on_after(self._deadline):
                await job.done.wait()
        if not job.done.is_set():
            job.withdrawn = True
            self._replace_stuck_writer()
            raise StorageError(f"{self._name}: no answer from the disk for {self._deadline:g} s; check that it works")
        if job.error is not None:
            raise job.error
        return cast("T", job.result)

    async def read[T](self, call: Callable[[], T]) -> T:
        """Make a blocking call that only reads, in the thread pool, beside those that write."""
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True)

    def statistics(self) -> DiskStatistics:
        """Return how the disk does."""
        ordered = sorted(took for _, took in self._latest)
        since = time.monotonic() - _RECENT
        recent = (took for began, took in self._latest if began + took >= since)
        return DiskStatistics(
            calls=self._calls,
            waiting=self._capacity - self._places.value,
            hung=self._hung,
            p50=_percentile(ordered, 0.50),
            p99=_percentile(ordered, 0.99),
            slowest=self._slowest,
            recent=max([self._writer.busy(), *recent]),
        )

    async def close(self) -> None:
        """Wait, up to the deadline, for the calls that were given, and end the thread. Idempotent."""
        if self._closed:
            return
        # A hung call is no news here: whoever gave it was told, or had stopped waiting.
        with anyio.CancelScope(shield=True), contextlib.suppress(StorageError):
            await self.run(lambda: None)
        self._closed = True
        self._jobs.put(None)

    def _settle(self, job: _Job) -> None:
        if job.took is not None:
            self._calls += 1
            self._slowest = max(self._slowest, job.took)
            self._latest.append((job.started, job.took))
        job.done.set()
        self._places.release()

    def _replace_stuck_writer(self) -> None:
        # Less than the whole deadline: the call that is stuck began a moment after its caller started to wait.
        if self._writer.abandon(after=0.9 * self._deadline):
            self._hung += 1
            self._writer = _Writer(self._name, self._jobs)


class InlineDisk:
    """A disk without a thread: every call is made where it is awaited. For tests on virtual time, and small tools."""

    async def run[T](self, call: Callable[[], T]) -> T:
        """Make the call at once."""
        await anyio.lowlevel.checkpoint()
        return call()

    async def read[T](self, call: Callable[[], T]) -> T:
        """Make the call at once."""
        await anyio.lowlevel.checkpoint()
        return call()


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else 0.0
