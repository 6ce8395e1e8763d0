"""The public face: a session as an async context manager, for programs that embed it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from transcriber.app import opening
from transcriber.app.publisher import Subscription
from transcriber.app.reporting import Log, SilentLog
from transcriber.app.session import Session
from transcriber.errors import TranscriberError
from transcriber.events import GapFound, SegmentClosed, Summary
from transcriber.settings import Settings
from transcriber.types import Gap, Segment


class Transcriber:
    """Records and transcribes what its settings say, from entering the context to leaving it.

        async with Transcriber(settings) as transcriber:
            async for result in transcriber.results():     # Segment | Gap
                print(result)

    It runs in the host's event loop and touches nothing else of the host: no signal handler, no logging, no loop
    policy; several run side by side. Leaving the block ends the captures and waits until what was captured is
    transcribed; leaving it by an exception, or by cancellation, brings it to disk and leaves the rest to `resume`.

    `resume` names the folder of a session to finish, in place of recording a new one. `duration` ends the captures
    after so many seconds. `log` is a structlog logger, or anything like it.

    Raises:
        ConfigError: a setting or a name is wrong.
        SourceError: a source cannot be opened (NoDeviceError if there is no such device).
        StorageError: the session cannot be written.
        TranscriberError: a part failed for good while it ran; raised on leaving.

    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        resume: Path | None = None,
        duration: float | None = None,
        log: Log | None = None,
    ) -> None:
        self._settings = settings or Settings()
        self._resume = resume
        self._duration = duration
        self._log = log or SilentLog()
        self._exits = AsyncExitStack()
        self._tasks: TaskGroup | None = None
        self._session: Session | None = None
        self._over = anyio.Event()
        self.repairs: tuple[str, ...] = ()
        """What recovery changed in a session that is resumed, one line each."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as exits:
            if self._resume is None:
                opened = opening.recording(self._settings, self._log, self._duration)
                self._session = await exits.enter_async_context(opened)
            else:
                resumed = opening.resuming(self._resume, self._settings, self._log)
                self._session, report = await exits.enter_async_context(resumed)
                self.repairs = tuple(report.actions)
            self._tasks = await exits.enter_async_context(anyio.create_task_group())
            self._tasks.start_soon(self._run, self._session)
            self._exits = exits.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> bool | None:
        if error is None:
            self.stop()
        elif self._tasks is not None:
            self._tasks.cancel_scope.cancel()
        handled = await self._exits.__aexit__(kind, error, where)
        if error is None and self.session.failure is not None:
            raise self.session.failure
        return handled

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

    def stop(self) -> None:
        """End the captures in order; what was captured is still transcribed. Returns at once; idempotent."""
        self.session.stop()

    async def wait(self) -> None:
        """Wait until the session has ended: every file was read, or `stop` was called and the rest transcribed."""
        await self._over.wait()

    async def _run(self, session: Session) -> None:
        try:
            await session.run()
        except TranscriberError as error:
            session.failure = error
        finally:
            session.services.publisher.close()
            self._over.set()


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
