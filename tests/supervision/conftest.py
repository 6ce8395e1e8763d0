"""A stage for scripted children, and virtual time on both backends."""

import asyncio
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from anyio.abc import TaskStatus
from trio.testing import MockClock

from transcriber.supervision import ChildSpec, SupervisionEvent, Supervisor

A_DAY = 24 * 60 * 60.0
"""Seconds that an asyncio loop waits at most at a time, even for a timer that never fires."""


class _JumpingSelector(selectors.DefaultSelector):
    """Where a loop would wait for time to pass, time passes; where it would wait for ever, it fails."""

    now = 0.0

    def select(self, timeout=None):
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or timeout >= A_DAY:
            raise RuntimeError("every task waits, and for nothing that will ever happen")
        self.now += max(timeout, 1e-9)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._clock = _JumpingSelector()
        super().__init__(self._clock)

    def time(self):
        return self._clock.now


@pytest.fixture
def virtual_time_loop():
    return VirtualTimeLoop


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    if request.param == "asyncio":
        return "asyncio", {"loop_factory": VirtualTimeLoop}
    return "trio", {"clock": MockClock(autojump_threshold=0)}


type Act = Callable[[TaskStatus[None]], Awaitable[None]]


@dataclass
class Scripted:
    """An actor that plays one act, and logs when it came on and when it went off."""

    name: str
    act: Act
    log: list[str]

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        self.log.append(f"+{self.name}")
        try:
            await self.act(task_status)
        finally:
            self.log.append(f"-{self.name}")


@dataclass
class Stage:
    log: list[str] = field(default_factory=list)
    events: list[SupervisionEvent] = field(default_factory=list)
    lives: Counter[str] = field(default_factory=Counter)

    def child(self, name: str, *acts: Act | Exception, **spec: Any) -> ChildSpec:
        """Return a child that plays one act a life, the last one again and again; an error is a failed start."""
        return ChildSpec(name=name, start=lambda: self.enter(name, acts or (self.lasts,)), **spec)

    def enter(self, name: str, acts: tuple[Act | Exception, ...]) -> Scripted:
        act = acts[min(self.lives[name], len(acts) - 1)]
        self.lives[name] += 1
        if isinstance(act, BaseException):
            raise act
        return Scripted(name, act, self.log)

    def supervisor(self, *children: ChildSpec, name: str = "root", **options: Any) -> Supervisor:
        return Supervisor(name, children, **{"on_event": self.events.append} | options)

    @staticmethod
    async def run_for(seconds: float, supervisor: Supervisor) -> None:
        """Run a supervisor, and cancel it after some seconds."""
        with anyio.move_on_after(seconds):
            await supervisor.run()

    def told(self, kind: type, child: str | None = None) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind) and (child is None or event.child == child)]

    @staticmethod
    async def lasts(task_status: TaskStatus[None]) -> None:
        task_status.started()
        await anyio.sleep_forever()

    @staticmethod
    async def returns(task_status: TaskStatus[None]) -> None:
        task_status.started()

    @staticmethod
    async def never_ready(_: TaskStatus[None]) -> None:
        await anyio.sleep_forever()

    @staticmethod
    def fails(after: float = 0.0, error: BaseException | None = None, *, ready: bool = True) -> Act:
        async def act(task_status: TaskStatus[None]) -> None:
            if ready:
                task_status.started()
            await anyio.sleep(after)
            raise error or RuntimeError("scripted")

        return act

    @staticmethod
    def returns_after(seconds: float) -> Act:
        async def act(task_status: TaskStatus[None]) -> None:
            task_status.started()
            await anyio.sleep(seconds)

        return act

    @staticmethod
    def ignores_cancellation(until: anyio.Event) -> Act:
        async def act(task_status: TaskStatus[None]) -> None:
            task_status.started()
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await until.wait()

        return act

    @staticmethod
    def fails_in_cleanup(error: Exception) -> Act:
        async def act(task_status: TaskStatus[None]) -> None:
            task_status.started()
            try:
                await anyio.sleep_forever()
            finally:
                raise error

        return act


@pytest.fixture
def stage() -> Stage:
    return Stage()
