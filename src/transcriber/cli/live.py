"""A session at the command line: shown while it runs, ended by Ctrl-C, its outcome an exit code."""

import shlex
import sys
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from signal import Signals

import anyio
import click

from transcriber.adapters.logs import open_logger
from transcriber.adapters.service_manager import ServiceManager
from transcriber.app.reporting import Log, SilentLog
from transcriber.app.transcriber import Transcriber
from transcriber.cli import page
from transcriber.cli.objectives import Objective, check_objectives
from transcriber.cli.signals import interruptions
from transcriber.cli.view import OutputClosed, TrackStatus, ViewStatus, open_view
from transcriber.errors import TranscriberError
from transcriber.settings import Settings, Status

FINISHING = "{}; once more stops at once and leaves the rest to `transcriber resume`"
UNFINISHED = "stopped before everything was transcribed; finish it with: {}"
UNSHOWN = "the output could not be written ({}); the transcript is kept: transcriber sessions export {}"


@dataclass(slots=True)
class LiveRun:
    """Shows the events of a transcriber until it has ended; the first Ctrl-C ends it in order, the second at once."""

    settings: Settings
    make: Callable[[Log], Transcriber]
    objectives: Sequence[Objective] = ()
    status: Status | None = None
    """The page that is wanted, if one is."""
    stopped: bool = False
    """Whether somebody stopped it, or nobody reads its output any more."""
    _unshown: OSError | None = None
    _manager: ServiceManager = field(default_factory=ServiceManager)

    async def run(self) -> None:
        """Run to the end.

        Raises:
            TranscriberError: something failed, is missing, or was not reached; the exit code says which.
            click.Abort: it was interrupted twice before there was a session.

        """
        with self._log() as log, interruptions() as signals, page.listening(self.status) as offer:
            transcriber = self.make(log)
            with anyio.CancelScope() as everything:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._obey, signals, transcriber, everything)
                    async with transcriber:
                        tasks.start_soon(self._tell_manager)
                        if offer is not None:
                            self._tell_link(offer, log)
                            tasks.start_soon(page.serve, transcriber, offer, log)
                        for repair in transcriber.repairs:
                            click.echo(f"repaired: {repair}", err=True)
                        await self._show(transcriber)
                        await transcriber.wait()
                    tasks.cancel_scope.cancel()
        self._judge(transcriber)

    def _log(self) -> AbstractContextManager[Log]:
        logs, at_terminal = self.settings.logs, sys.stdout.isatty() and sys.stderr.isatty()
        if at_terminal and self.settings.output.format == "text" and not logs.file:
            # Lines of a log would tear the live view apart; what matters of them it shows itself.
            return _silence()
        return open_logger(style=logs.format, level=logs.level, file=logs.file)

    def _tell_link(self, offer: page.Offer, log: Log) -> None:
        """Tell people where the page is; a log gets no more than its address, for whoever has the link may enter."""
        logs = self.settings.logs
        json_lines = logs.format == "json" or (logs.format == "auto" and not sys.stderr.isatty())
        if json_lines and not logs.file:
            log.info("status_page", component="status", url=offer.address)
        else:
            click.echo(f"status page: {offer.link}", err=True)

    async def _obey(
        self, signals: AsyncIterator[Signals], transcriber: Transcriber, everything: anyio.CancelScope
    ) -> None:
        name = (await anext(signals)).name
        self.stopped = True
        self._manager.stopping()
        transcriber.stop(FINISHING.format(name))
        await anext(signals)
        everything.cancel()

    async def _tell_manager(self) -> None:
        """Tell the service manager that the recording runs, and then that the event loop does."""
        self._manager.ready()
        while self._manager.interval is not None:
            self._manager.alive()
            await anyio.sleep(self._manager.interval)

    async def _show(self, transcriber: Transcriber) -> None:
        events = transcriber.events()
        async with open_view(self.settings.output.format, lambda: view_status(transcriber)) as view:
            try:
                async for envelope in events:
                    await view.show(envelope)
            except OutputClosed:
                # Nobody reads any more: end as if asked to. What was captured is kept and transcribed.
                self.stopped = True
                transcriber.stop("nobody reads the output any more")
            except OSError as error:
                # A full disk under a redirected output, say: no reason to stop recording.
                self._unshown = error

    def _judge(self, transcriber: Transcriber) -> None:
        if not transcriber.opened:
            raise click.Abort
        if transcriber.summary is None:
            raise TranscriberError(UNFINISHED.format(transcriber.session.remedy))
        if self._unshown is not None:
            raise TranscriberError(UNSHOWN.format(self._unshown.strerror, shlex.quote(str(transcriber.folder))))
        check_objectives(self.objectives, transcriber.summary)


@contextmanager
def _silence() -> Generator[Log]:
    yield SilentLog()


def view_status(transcriber: Transcriber) -> ViewStatus:
    """Return the run at this moment, as the live view shows it."""
    session = transcriber.session
    raised = session.gauges.raised
    engine = session.supply.state
    state = "recording without a model" if engine == "absent" else "listening" if engine == "ready" else "loading"
    return ViewStatus(
        state=f"{state}, {', '.join(raised)} alert" if raised else state,
        elapsed=session.elapsed,
        model=session.supply.model,
        tracks=tuple(TrackStatus(track.name, track.level, track.reading().lag) for track in session.tracks),
        catch_up=session.gauges.estimate(),
        healthy=not raised and engine != "absent",
    )
