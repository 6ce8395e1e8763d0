"""Resuming: a session on disk that ended before its transcript was complete is repaired, and opened to finish it."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.to_thread
from msgspec.structs import replace

from transcriber.adapters.recovery import RecoveryReport, recover
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_manifest import Manifest
from transcriber.app.engine import check_model, make_client, make_supply
from transcriber.app.recorded_track import RecordedTrack
from transcriber.app.reporting import Log
from transcriber.app.services import Services, open_recording, open_services, to_the_end
from transcriber.app.session import AnyTrack, Session
from transcriber.core import component_states as states
from transcriber.core.session_states import SessionStates, tells_states, told
from transcriber.settings import Settings


@asynccontextmanager
async def resuming(path: Path, settings: Settings, log: Log) -> AsyncGenerator[tuple[Session, RecoveryReport]]:
    """Open a session that ended before its transcript was complete, repaired where need be.

    Raises:
        StorageError: there is no session, it is newer than this program, or another process writes it.

    """
    async with AsyncExitStack() as resources:
        folder = await anyio.to_thread.run_sync(SessionFolder.open, path)
        resources.callback(folder.close)
        await check_model(settings.engine)
        report = await anyio.to_thread.run_sync(recover, folder)
        services = await open_services(settings, log, folder, make_client(settings.engine), resources)
        await _tell_how_it_was_left(services, report)
        tracks = await _open_tracks(services, resources)
        yield Session(services=services, supply=make_supply(services), tracks=tracks, resumed=True), report


def as_begun(settings: Settings, manifest: Manifest) -> Settings:
    """Return the settings with the model and the language that a session was begun with."""
    begun = replace(settings.engine, model=manifest.model, language=manifest.language or "auto")
    return replace(settings, engine=begun)


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
