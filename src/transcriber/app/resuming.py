"""Resuming: a session on disk that ended before its transcript was complete is repaired, and opened to finish it."""

import threading
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.to_thread
from msgspec.structs import replace

from transcriber.adapters.recovery import RecoveryReport, recover
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_manifest import Manifest
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.app.engine import EngineSupply, make_client, make_supply
from transcriber.app.recorded_track import RecordedTrack
from transcriber.app.reporting import Log
from transcriber.app.services import Services, open_recording, open_services, to_the_end
from transcriber.app.session import AnyTrack, Session
from transcriber.core import component_states as states
from transcriber.core.session_states import SessionStates, tells_states, told
from transcriber.settings import Settings


@dataclass(frozen=True, slots=True)
class Repaired:
    """A session that is whole, and locked. `left` samples of it are still to be transcribed."""

    folder: SessionFolder
    report: RecoveryReport
    left: int


class _Claim:
    """A session that a thread opens and repairs: whoever waits for it may leave, and the thread then lets go of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._left = False
        self._folder: SessionFolder | None = None

    def repair(self) -> Repaired:
        """Open and repair it."""
        folder = SessionFolder.open(self._path)
        try:
            report = recover(folder)
            repaired = Repaired(folder, report, _left_to_transcribe(folder, report))
        except BaseException:
            folder.close()
            raise
        with self._lock:
            self._folder = folder
            if self._left:
                folder.close()
        return repaired

    def leave(self) -> None:
        """Let go of it: now, or as soon as it is repaired."""
        with self._lock:
            self._left = True
            if self._folder is not None:
                self._folder.close()


@asynccontextmanager
async def repaired(path: Path) -> AsyncGenerator[Repaired]:
    """Hold a session, repaired where need be. A cancellation does not wait for the repair, which goes on alone.

    Raises:
        StorageError: there is no session, it is newer than this program, another process writes it, or the disk failed.

    """
    claim = _Claim(path)
    try:
        yield await anyio.to_thread.run_sync(claim.repair, abandon_on_cancel=True)
    finally:
        claim.leave()


@asynccontextmanager
async def reopened(
    found: Repaired, settings: Settings, log: Log, supply: EngineSupply | None = None, *, urgency: int = 0
) -> AsyncGenerator[Session]:
    """Open a repaired session to transcribe the rest of it: with an engine of its own, or with that of another session.

    Raises:
        StorageError: its files cannot be opened.

    """
    async with AsyncExitStack() as resources:
        client = supply.client if supply else make_client(settings.engine)
        services = await open_services(settings, log, found.folder, client, resources, urgency=urgency)
        await _tell_how_it_was_left(services, found.report)
        yield Session(
            services=services,
            supply=supply or make_supply(services),
            tracks=await _open_tracks(services, resources),
            resumed=True,
            own_engine=supply is None,
        )


def as_begun(settings: Settings, manifest: Manifest) -> Settings:
    """Return the settings with the model and the language that a session was begun with."""
    begun = replace(settings.engine, model=manifest.model, language=manifest.language or "auto")
    return replace(settings, engine=begun)


def _left_to_transcribe(folder: SessionFolder, report: RecoveryReport) -> int:
    with closing(TranscriptDatabase.view(folder.database)) as database:
        return sum(track.durable - database.cursor(track.name).position for track in report.tracks)


async def _tell_how_it_was_left(services: Services, report: RecoveryReport) -> None:
    """Go on from the state that the session was left in, as far as it said; each step is told once it runs."""
    lines: list[str] = []
    after = 0
    while rows := await services.transcript.events(after):
        lines += [line for _, line in rows if tells_states(line)]
        after = rows[-1][0]
    reporter = services.reporter
    reporter.found(SessionStates.of(told(lines), {None: services.folder.manifest.created}).session.state)
    if not reporter.allows("session", states.Session.RECOVERING):
        reporter.changed("session", states.Session.INTERRUPTED, "it was found unfinished")
    repairs = f"repairs: {len(report.actions)}" if report.actions else "nothing had to be repaired"
    reporter.changed("session", states.Session.RECOVERING, repairs)


async def _open_tracks(services: Services, resources: AsyncExitStack) -> list[AnyTrack]:
    """Open the recordings; what is told of them is `emitted` as if the clocks had gone on since."""
    manifest, publisher = services.folder.manifest, services.publisher
    tracks: list[AnyTrack] = []
    now, wall = anyio.current_time(), datetime.now(UTC)
    publisher.begin(None, now - (wall - manifest.created).total_seconds())
    for entry in manifest.tracks:
        recording = await open_recording(entry.name, services)
        tracks.append(RecordedTrack(entry.name, services, recording))
        resources.push_async_callback(to_the_end, recording.close)
        publisher.begin(entry.name, now - (wall - (entry.started or manifest.created)).total_seconds())
    return tracks
