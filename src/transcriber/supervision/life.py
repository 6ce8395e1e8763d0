"""One life of a child: a task in a cancel scope of its own, and how it ended."""

from collections.abc import Callable
from typing import cast

import anyio

from transcriber.supervision.errors import ChildInterrupted
from transcriber.supervision.spec import Actor, ReportingActor


class Life:
    """Runs what `start` makes. It feels no cancellation but its own: who ends it decides when, and in what order."""

    def __init__(
        self, name: str, start: Callable[[], Actor | ReportingActor], *, reports: bool, on_end: Callable[["Life"], None]
    ) -> None:
        self.actor: Actor | ReportingActor | None = None
        self.ready_at: float | None = None
        self.condemned: Exception | None = None
        """Why the supervisor ended it, where that is the failure."""
        self.fatal: BaseException | None = None
        """What is no failure of the child, and must reach the host."""
        self.abandoned = False
        """It was cancelled and went on: nobody waits for it."""
        self.successor: int | None = None
        """Which of its child's starts is to follow it: it was ended for something better."""
        self._name = name
        self._start = start
        self._reports = reports
        self._on_end = on_end
        self._error: Exception | None = None
        self._scope = anyio.CancelScope(shield=True)
        self._ended = anyio.Event()
        self._settled = anyio.Event()

    @property
    def ended(self) -> bool:
        """Whether the task is over."""
        return self._ended.is_set()

    @property
    def ending(self) -> bool:
        """Whether it was told to end."""
        return self._scope.cancel_called

    @property
    def returned(self) -> bool:
        """Whether it ended well, and by itself."""
        return self.ended and self.error is None and self.fatal is None and not self.ending

    @property
    def error(self) -> Exception | None:
        """The failure that it ended by."""
        return self.condemned or self._error

    def started(self, value: None = None) -> None:  # noqa: ARG002 - the shape of anyio's TaskStatus
        """Be told that the actor is ready."""
        if self.ready_at is None:
            self.ready_at = anyio.current_time()
            self._settled.set()

    async def run(self) -> None:
        """Live. Never raises: `error` and `fatal` say how it ended."""
        try:
            with self._scope:
                await self._act()
        except BaseException as error:  # noqa: BLE001 - what must pass is handed to the host by the supervisor
            self._judge(error)
        finally:
            self._ended.set()
            self._settled.set()
            self._on_end(self)

    async def wait_settled(self) -> None:
        """Wait until it is ready or over."""
        await self._settled.wait()

    async def wait_ended(self) -> None:
        """Wait until it is over."""
        await self._ended.wait()

    async def end(self, grace: float) -> bool:
        """Cancel it, and wait for `grace` seconds at most. False if it still runs."""
        self._scope.cancel()
        with anyio.move_on_after(grace):
            await self._ended.wait()
        return self.ended

    async def _act(self) -> None:
        self.actor = actor = self._start()
        if self._reports:
            await actor.run(task_status=self)  # type: ignore[call-arg] - that is what `reports_ready` says
        else:
            self.started()
            await actor.run()  # type: ignore[call-arg] - as above

    def _judge(self, error: BaseException) -> None:
        rest = _without(error, anyio.get_cancelled_exc_class())
        if rest is None:
            if not self.ending:
                self._error = ChildInterrupted(f"{self._name} was cancelled, and not by its supervisor")
                self._error.__cause__ = error
        elif isinstance(rest, Exception) and not _holds_memory_error(rest):
            self._error = rest
        else:
            self.fatal = rest


def _without(error: BaseException, cancelled: type[BaseException]) -> BaseException | None:
    if isinstance(error, cancelled):
        return None
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        part, rest = group.split(cancelled)
        return group if part is None else rest
    return error


def _holds_memory_error(error: Exception) -> bool:
    if isinstance(error, ExceptionGroup):
        return cast("ExceptionGroup[Exception]", error).subgroup(MemoryError) is not None
    return isinstance(error, MemoryError)
