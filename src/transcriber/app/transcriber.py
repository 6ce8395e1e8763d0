"""The public face: a session as an async context manager, for programs that embed it."""

import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import anyio
from anyio import CancelScope
from anyio.abc import TaskGroup

from transcriber.app.engine import check_model
from transcriber.app.opening import recording
from transcriber.app.publisher import Subscription
from transcriber.app.reporting import Log, SilentLog
from transcriber.app.resuming import reopened, repaired
from transcriber.app.session import Session
from transcriber.errors import TranscriberError
from transcriber.events import GapFound, SegmentClosed, Summary
from transcriber.settings import Settings
from transcriber.types import Gap, Segment

_MISPLACED = "a transcriber is to be left by the task that entered it, after all that was entered since"


@dataclass(frozen=True, slots=True)
class _Entry:
    """What there is from entering the block on: who entered it, and the scope that ends the session at once."""

    task: int
    tasks: TaskGroup
    life: CancelScope


class Transcriber:
    """Records and transcribes what its settings say, from entering the context to leaving it.

        async with Transcriber(settings) as transcriber:
            async for result in transcriber.results():     # Segment | Gap
                print(result)

    It runs in the host's event loop and touches nothing else of the host: no signal handler, no logging, no loop
    policy; several run side by side. Leaving the block ends the captures and waits until what was captured is
    transcribed; leaving it by an exception, or by cancellation, brings it to disk and leaves the rest to `resume`.

    As any task group, it is to be left by the task that entered it, after all that was entered since: an async
    generator that its consumer may abandon is no place for it. Otherwise the session ends all the same, and all is
    brought to disk, but RuntimeError is raised.

    `resume` names the folder of a session to finish, in place of recording a new one. `duration` ends the captures
    after so many seconds. `log` is a structlog logger, or anything like it. With `backlog` it also does, beside its
    recording, what the setting `session.backlog` says about sessions that earlier runs left unfinished in its folder;
    a host that resumes them itself, or has several in one folder, would find them taken.

    Raises:
        ConfigError: a setting or a name is wrong.
        SourceError: a source cannot be opened (NoDeviceError if there is no such device).
        StorageError: the session cannot be written.
        TranscriberError: a part failed for good while it ran, there was no model (NoModelError), or a source broke off
            (SourceError). Raised on leaving, once all else is transcribed and closed; the session can be resumed.

    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        resume: Path | None = None,
        duration: float | None = None,
        log: Log | None = None,
        backlog: bool = False,
    ) -> None:
        self._settings = settings or Settings()
        self._resume = resume
        self._duration = duration
        self._log = log or SilentLog()
        self._backlog = backlog
        self._entry: _Entry | None = None
        self._session: Session | None = None
        self._failure: Exception | None = None
        self._stopping = anyio.Event()
        self._reason = ""
        self._opened = anyio.Event()
        self._over = anyio.Event()
        self._left = anyio.Event()
        self._closed = anyio.Event()
        self.repairs: tuple[str, ...] = ()
        """What recovery changed in a session that is resumed, one line each."""

    async def __aenter__(self) -> Self:
        if self._entry is not None:
            raise RuntimeError("a transcriber runs once: make another")
        self._entry = entry = _Entry(anyio.get_current_task().id, anyio.create_task_group(), anyio.CancelScope())
        await entry.tasks.__aenter__()
        try:
            entry.tasks.start_soon(self._live, entry.life)
            await self._opened.wait()
        except BaseException:
            await self._leave(entry, at_once=True)
            raise
        if self._session is None:
            await self._leave(entry, at_once=True)
            raise self._failure or RuntimeError("the session was not opened")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._entry is None:
            return
        if anyio.get_current_task().id != self._entry.task:
            await self._leave_elsewhere(self._entry)
        if error is None:
            self.stop()
        await self._leave(self._entry, at_once=error is not None)
        if error is None and self._failure is not None:
            raise self._failure
        if error is None and self.session.summary is None:
            raise TranscriberError(f"the session was cancelled; finish it with: {self.session.remedy}")

    @property
    def opened(self) -> bool:
        """Whether there is a session: its sources were open, and its folder is there."""
        return self._session is not None

    @property
    def session(self) -> Session:
        """The session in progress, for a status page or a view."""
        if self._session is None:
            raise RuntimeError("enter the transcriber first: async with Transcriber(...) as transcriber")
        return self._session

    @property
    def folder(self) -> Path:
        """Folder of the session."""
        return self.session.services.folder.path

    @property
    def summary(self) -> Summary | None:
        """The numbers of the run, once it has ended."""
        return self.session.summary

    def events(self, *, after: int | None = None) -> Subscription:
        """Return a subscription to what happens from now on, or to everything after event number `after`."""
        return self.session.services.publisher.subscribe(after)

    def results(self, *, after: int | None = None) -> AsyncIterator[Segment | Gap]:
        """Return a subscription to the transcript alone: each closed segment and each gap, once and in order.

        It ends with the session, so for devices after `stop`.
        """
        return Results(self.events(after=after))

    def stop(self, reason: str = "asked to stop") -> None:
        """End the captures in order; what was captured is still transcribed. Returns at once; idempotent.

        A task may call it, or a callback of the loop; from elsewhere, `loop.call_soon_threadsafe(transcriber.stop)`.
        Before the session is open it means: as soon as it is. `reason` is told in a `state` event.
        """
        if not self._stopping.is_set():
            self._reason = reason
            self._stopping.set()

    async def wait(self) -> None:
        """Wait until the session has ended: every file was read, or `stop` was called and the rest transcribed."""
        await self._over.wait()

    async def _live(self, life: CancelScope) -> None:
        """Open the session, run it, and close it once the block was left.

        All of it is in a task of its own: the host may be cancelled in ways (`task.cancel()`, twice) that no clean-up
        in its own task would survive. Here only a scope cancels.
        """
        try:
            with life:
                async with self._open() as session:
                    await self._run(session)
        except Exception as error:  # noqa: BLE001 - raised where the host enters, or leaves
            self._failure = error
        except anyio.get_cancelled_exc_class():
            # Some hosts end by cancelling every task that there is, natively. If this one ended as cancelled, the group
            # would cancel the task that is in the block; leaving says what happened.
            if anyio.current_effective_deadline() == -math.inf:
                raise
        finally:
            self._opened.set()
            self._over.set()
            self._closed.set()

    async def _run(self, session: Session) -> None:
        self._session = session
        self._opened.set()
        try:
            async with anyio.create_task_group() as beside:
                if self._stopping.is_set():
                    session.stop(self._reason)
                else:
                    beside.start_soon(self._stop_when_asked, session)
                await session.run()
                beside.cancel_scope.cancel()
            self._failure = session.fault()
        finally:
            session.services.publisher.close()
            self._over.set()
        await self._left.wait()

    async def _stop_when_asked(self, session: Session) -> None:
        """Stop in a task: a callback, where the host may ask, has no clock."""
        await self._stopping.wait()
        session.stop(self._reason)

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[Session]:
        if self._resume is None:
            async with recording(self._settings, self._log, self._duration, backlog=self._backlog) as session:
                yield session
            return
        await check_model(self._settings.engine)
        async with repaired(self._resume) as found, reopened(found, self._settings, self._log) as session:
            self.repairs = tuple(found.report.actions)
            yield session

    async def _leave(self, entry: _Entry, *, at_once: bool) -> None:
        """Wait for the session to end. The group never sees the host's error, which it would wrap."""
        self._left.set()
        if at_once:
            entry.life.cancel()
        try:
            await entry.tasks.__aexit__(None, None, None)
        except RuntimeError as error:
            raise RuntimeError(_MISPLACED) from error

    async def _leave_elsewhere(self, entry: _Entry) -> NoReturn:
        """End the session all the same: nothing may go on recording because of a mistake."""
        entry.life.cancel()
        await self._closed.wait()
        raise RuntimeError(_MISPLACED)


class Results:
    """Segments and gaps out of a subscription. No generator: one that is left in the middle keeps nothing open."""

    def __init__(self, events: Subscription) -> None:
        self._events = events

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Segment | Gap:
        while True:
            envelope = await anext(self._events)
            match envelope.event:
                case SegmentClosed(segment):
                    return segment
                case GapFound(gap=gap):
                    return gap
                case _:
                    pass
