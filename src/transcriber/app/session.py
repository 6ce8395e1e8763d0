"""A session in progress: the tree that runs in it, how it ends, and what is said of it then."""

import math
import shlex
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import anyio

from transcriber.actors.monitoring import Gauges
from transcriber.adapters.session_folder import SessionFolder
from transcriber.app.beside import beside
from transcriber.app.engine import EngineSupply
from transcriber.app.measuring import MeasuredTrack, Measuring
from transcriber.app.notifying import Notifying
from transcriber.app.reporting import cause
from transcriber.app.services import Services
from transcriber.core import component_states as states
from transcriber.errors import SourceError, StorageError, TranscriberError
from transcriber.events import SessionStarted, Summary, TrackStarted
from transcriber.supervision import ChildSpec, Supervisor, Tree
from transcriber.supervision import events as supervised
from transcriber.types import TrackName

CLOSING = 10.0
"""Seconds to close a session after everything ended or was cancelled; a disk that hangs must not hold up the host."""


class AnyTrack(MeasuredTrack, Protocol):
    """A track that is being recorded, or one that was."""

    @property
    def fault(self) -> SourceError | None:
        """Why the track ended before its source did."""
        ...

    @property
    def choices(self) -> Sequence[str]:
        """What may be captured, the best first, for people."""
        ...

    def children(self) -> tuple[ChildSpec, ...]:
        """Return the actors, sinks first."""
        ...

    def stop(self) -> None:
        """End the capture in order."""
        ...

    def give_up(self, child: str, error: Exception) -> None:
        """Go on without a child that failed for good; after its capture the track ends in order."""
        ...

    async def drain(self) -> None:
        """Bring what was captured to disk, after the actors were cancelled."""
        ...

    async def settle(self) -> bool:
        """Bring home what went to the emergency file; return whether all of the recording is where it belongs."""
        ...


@dataclass(slots=True, kw_only=True)
class Session:
    """A tree over services and tracks that are open. Runs once. `failure` says why it ended, if it failed."""

    services: Services
    supply: EngineSupply
    tracks: Sequence[AnyTrack]
    resumed: bool = False
    """Whether it was on disk before, and nothing is captured."""
    own_engine: bool = True
    """Whether it has an engine to itself. Else `supply` is that of another session, and its tracks are all it runs."""
    errands: Callable[["Session"], Sequence[ChildSpec]] = lambda _: ()
    """What is to be done once, beside the recording."""
    gauges: Gauges = field(default_factory=Gauges)
    summary: Summary | None = None
    failure: TranscriberError | None = None
    _capturing: set[TrackName] = field(init=False)
    _clean: bool = False  # whether the folder says that nothing is left to do
    _restarts: int = 0
    _measuring: Measuring = field(init=False)
    _notifying: Notifying = field(init=False)
    _root: Supervisor = field(init=False)
    _began: float = 0.0

    def __post_init__(self) -> None:
        self._capturing = set() if self.resumed else {track.name for track in self.tracks}
        if self.resumed:
            self.services.captured.set()
        self._measuring = Measuring(
            services=self.services, tracks=self.tracks, restarts=lambda: self._restarts, timed=self.timed
        )
        services = self.services
        self._notifying = Notifying(services.settings.monitoring, services.folder.id, services.log)
        limits = services.settings.supervision
        # A track whose parts fail by time-out takes up to its window, and a time-out, to give up. The settings see to
        # it that `max_restarts` such time-outs fit into a window: so this one escalates whatever a track fails by.
        window = limits.window * (limits.max_restarts + 1)
        self._root = self._supervisor("session", self._children(), self._report, window=window)

    async def run(self) -> None:
        """Record and transcribe until all tracks have ended, or it is cancelled; then bring everything to disk.

        It raises nothing but its cancellation: `fault` says what went wrong.
        """
        self._began = anyio.current_time()
        services = self.services
        services.log.info("session_opened", component="session", resumed=self.resumed)
        async with anyio.create_task_group() as reports:
            reports.start_soon(services.reporter.run)
            try:
                await self._live()
                self.gauges.take(self._measuring.snapshot())
                self.summary = await self._conclude()
            finally:
                services.reporter.end()
        with self._noting_failure():
            await services.publisher.publish(self.summary)

    async def _live(self) -> None:
        try:
            with self._noting_failure(), self._measuring.collector:
                await self.services.publisher.publish(self._started())
                await self._root.run()
        finally:
            with anyio.move_on_after(CLOSING, shield=True):
                for track in self.tracks:
                    with self._noting_failure():
                        await track.drain()

    async def _conclude(self) -> Summary:
        """Bring the session to its last state: complete once its folder says so, else incomplete."""
        reporter, summary = self.services.reporter, self._summary()
        if reporter.allows("session", states.Session.FINISHING):
            reporter.changed("session", states.Session.FINISHING, "every track has ended")
        settled = [await track.settle() for track in self.tracks]
        settled.append(self.services.transcript.at_home or await self.services.transcript.come_home())
        reason = "a part of the recording is not transcribed yet"
        if not all(settled):
            lost = any(status.component == "disk" and status.state == states.Disk.LOST for status in reporter.states())
            reason = f"a part of the session {'found no place' if lost else 'is in the emergency file'}"
            self.failure = self.failure or StorageError(f"the disk takes no more: {reason}; check the disk")
        elif summary.complete:
            reason = "the folder could not be marked as complete"
            with self._noting_failure():
                with reporter.moving("session", states.Session.COMPLETE, "every sample is accounted for"):
                    await self.services.disk.run(self.services.folder.mark_clean)
                    self._clean = True
                return summary
        reporter.changed("session", states.Session.INCOMPLETE, reason)
        return summary

    @property
    def timed(self) -> bool:
        """Whether the sources run in real time, so that a commit latency means something."""
        return not self.resumed and self.services.settings.capture.pace == "realtime"

    @property
    def tree(self) -> Tree:
        """The supervisors and their children as they are now."""
        return self._root.tree()

    @property
    def elapsed(self) -> float:
        """Seconds since the session began to run."""
        return anyio.current_time() - self._began

    def stop(self, reason: str) -> None:
        """End the captures in order; what was captured is still transcribed. Nothing happens after the end."""
        reporter = self.services.reporter
        if reporter.allows("session", states.Session.FINISHING):
            with reporter.moving("session", states.Session.FINISHING, reason):
                for track in self.tracks:
                    track.stop()

    def fault(self) -> TranscriberError | None:
        """Return what went wrong for good, or None: a part failed, there is no engine, or a source broke off."""
        faults = (track.fault for track in self.tracks if track.fault is not None)
        fault = self.failure or self.supply.error or next(faults, None)
        if fault is None or self._clean:
            return fault
        return type(fault)(f"{fault}; what was recorded is kept, finish it with: {self.remedy}")

    @property
    def remedy(self) -> str:
        """The command that finishes the session, wherever it is given."""
        return remedy(self.services.folder)

    @contextmanager
    def _noting_failure(self) -> Generator[None]:
        try:
            yield
        except Exception as error:
            # `fault` tells it, once everything else has been brought to an end.
            self.services.log.error("session_failed", exc_info=error)  # noqa: TRY400 - as all errors here: `Log` is no logging.Logger
            self.failure = self.failure or cause(error)

    def _started(self) -> SessionStarted:
        manifest = self.services.folder.manifest
        return SessionStarted(
            id=manifest.id,
            folder=str(self.services.folder.path),
            started=manifest.created,
            tracks=tuple(TrackStarted(track.name, track.source) for track in manifest.tracks),
            model=self.services.settings.engine.model,
            resumed=self.resumed,
        )

    def _summary(self) -> Summary:
        services = self.services
        tracks = tuple(
            services.tally.of(track.name).summary(track.name, track.reading().captured, timed=self.timed)
            for track in self.tracks
        )
        took = sum(track.engine.took for track in self.tracks)
        audio = sum(track.engine.audio for track in self.tracks)
        return Summary(
            tracks=tracks,
            complete=all(track.coverage.position == track.captured for track in tracks),
            elapsed=self.elapsed,
            real_time_factor=round(took / audio, 4) if audio else None,
            restarts=self._restarts,
            peak_memory=self._peak_memory(),
        )

    def _peak_memory(self) -> dict[str, int]:
        """Return the largest resident set of each process; the engine knows its own between two measurements."""
        peak = dict(self.gauges.peak_memory)
        if engine := self.services.client.peak_rss():
            peak["engine"] = max(engine, peak.get("engine", 0))
        return peak

    def _supervisor(
        self,
        name: str,
        children: Sequence[ChildSpec],
        on_event: Callable[[supervised.SupervisionEvent], None],
        *,
        window: float | None = None,
    ) -> Supervisor:
        limits = self.services.settings.supervision
        return Supervisor(
            name,
            children,
            max_restarts=limits.max_restarts,
            window=limits.window if window is None else window,
            delay=limits.delay,
            on_event=on_event,
        )

    def _children(self) -> tuple[ChildSpec, ...]:
        # The tracks come first, so that nothing of what is heard waits for the engine.
        subtree = partial(ChildSpec, stop_timeout=math.inf)
        tracks = (
            subtree(name=f"track {track.name}", start=partial(self._track_supervisor, track), significant=True)
            for track in self.tracks
        )
        services = subtree(name="services", start=self._services_supervisor)
        return (*tracks, services) if self.own_engine else tuple(tracks)

    def _track_supervisor(self, track: AnyTrack) -> Supervisor:
        return self._supervisor(f"track {track.name}", track.children(), partial(self._track_event, track))

    def _services_supervisor(self) -> Supervisor:
        services = beside(self.services, self.supply, self._measuring, self.gauges, self._notifying)
        return self._supervisor("services", (*services, *self.errands(self)), self._services_event)

    def _services_event(self, event: supervised.SupervisionEvent) -> None:
        self._report(event)
        self.supply.supervised(event)

    def _track_event(self, track: AnyTrack, event: supervised.SupervisionEvent) -> None:
        self._report(event, track)
        match event:
            case supervised.ChildFinished(child="capture"):
                self._capture_ended(track)
            case supervised.ChildGivenUp(child=child, error=error):
                track.give_up(child, error)
                if child == "capture":
                    self._capture_ended(track)
                else:
                    self.failure = self.failure or cause(error)
            case _:
                pass

    def _capture_ended(self, track: AnyTrack) -> None:
        self._capturing.discard(track.name)
        if not self._capturing:
            self.services.captured.set()

    def _report(self, event: supervised.SupervisionEvent, track: AnyTrack | None = None) -> None:
        self._restarts += isinstance(event, supervised.ChildRestarting | supervised.ChildFellBack)
        if track is None:
            self.services.reporter.supervised(event)
        else:
            self.services.reporter.supervised(event, track.name, track.choices)


def remedy(folder: SessionFolder) -> str:
    """Return the command that finishes a session, wherever it is given."""
    return f"transcriber resume {shlex.quote(str(folder.path.absolute()))}"
