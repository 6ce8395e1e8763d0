"""Opening a session: a new one that records, or one on disk that is to be finished."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import anyio
import anyio.to_thread

from transcriber.actors.holder import Holder
from transcriber.adapters.disk import Disk
from transcriber.adapters.guarded_recording import GuardedRecording
from transcriber.adapters.guarded_transcript import GuardedTranscript
from transcriber.adapters.recording import TrackRecording
from transcriber.adapters.recovery import RecoveryReport, recover
from transcriber.adapters.session_folder import SessionFolder, TrackEntry
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.app.emergency import EmergencySpace
from transcriber.app.engine import EngineSupply, check_model, language_of, make_client, start_timeout
from transcriber.app.publisher import Publisher
from transcriber.app.reporting import Log, Reporter
from transcriber.app.retention import make_room
from transcriber.app.services import Services
from transcriber.app.session import AnyTrack, Session
from transcriber.app.track import RecordedTrack, Track
from transcriber.core import component_states as states
from transcriber.core.session_states import SessionStates, tells_states, told
from transcriber.core.source_spec import parse_source
from transcriber.core.tally import Tally
from transcriber.core.timeline import Timeline
from transcriber.errors import SourceError
from transcriber.events import SessionStarted, TrackStarted
from transcriber.plugins import make_source, schemes
from transcriber.ports import Source
from transcriber.settings import Settings
from transcriber.settings import Track as TrackSettings
from transcriber.types import CaptureOptions, Position, TrackName, samples

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Now:
    """A moment on both clocks: the monotonic one in seconds, and the wall's."""

    at: float
    wall: datetime


@dataclass(frozen=True, slots=True)
class _Opened:
    """A track whose source delivers from now on."""

    name: TrackName
    asked: str
    holder: Holder
    sources: tuple[Source, ...]
    """What was asked for, then its fallbacks. `holder` has one of them open."""
    began: _Now
    """The moment of position 0."""


@asynccontextmanager
async def recording(settings: Settings, log: Log, duration: float | None = None) -> AsyncGenerator[Session]:
    """Open the sources, then a new session for them. `duration` ends each track after so many seconds.

    The sources come first: a session that could not begin leaves no folder behind.

    Raises:
        ConfigError: a setting or a name is wrong.
        SourceError: a source cannot be opened, nor any of its fallbacks.
        StorageError: the session's folder cannot be made, or too little space is free on its disk.

    """
    async with AsyncExitStack() as resources:
        await check_model(settings.engine)
        await make_room(settings, log)
        now = _Now(anyio.current_time(), datetime.now(UTC))
        opened = [await _open_source(track, settings, duration, now, resources) for track in settings.tracks]
        folder = await anyio.to_thread.run_sync(partial(_create_folder, settings, opened))
        services = await _services(settings, log, folder, resources)
        tracks: list[AnyTrack] = []
        for source in opened:
            track = await _open_track(source, services)
            resources.push_async_callback(_to_the_end, track.close)
            services.publisher.begin(source.name, source.began.at)
            tracks.append(track)
        yield _session(services, tracks, resumed=False)


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
        services = await _services(settings, log, folder, resources)
        await _tell_how_it_was_left(services, report)
        tracks: list[AnyTrack] = []
        now, wall = anyio.current_time(), datetime.now(UTC)
        services.publisher.begin(None, now - (wall - folder.manifest.created).total_seconds())
        for entry in folder.manifest.tracks:
            recording = await _open_recording(entry.name, services)
            tracks.append(RecordedTrack(entry.name, services, recording))
            resources.push_async_callback(_to_the_end, recording.close)
            began = entry.started or folder.manifest.created
            services.publisher.begin(entry.name, now - (wall - began).total_seconds())
        yield _session(services, tracks, resumed=True), report


async def _open_source(
    track: TrackSettings, settings: Settings, duration: float | None, now: _Now, resources: AsyncExitStack
) -> _Opened:
    sources = tuple(_make_source(text, settings) for text in (track.source, *track.fallbacks))
    live = sources[0].live
    until = None if duration is None else Position(samples(duration))
    # Live tracks begin at the same moment; a file begins when it is open, at its own beginning.
    holder = Holder(sources[0], Timeline(live=live, origin=now.at if live else None), until)
    resources.push_async_callback(_to_the_end, holder.close)
    await _open_first(holder, sources)
    began = now if live else _Now(anyio.current_time(), datetime.now(UTC))
    return _Opened(TrackName(track.name), track.source, holder, sources, began)


async def _open_first(holder: Holder, sources: Sequence[Source]) -> None:
    """Open the first of the sources that can be opened; if none can, it is the first one's error that counts."""
    errors: list[SourceError] = []
    for source in sources:
        try:
            await holder.open(source)
        except SourceError as error:
            errors.append(error)
        else:
            return
    raise errors[0]


async def _to_the_end(close: Callable[[], Awaitable[None]]) -> None:
    """Close something, also while cancelled; each takes no longer than the deadline of the disk."""
    with anyio.CancelScope(shield=True):
        await close()


def _make_source(text: str, settings: Settings) -> Source:
    given = settings.capture
    options = CaptureOptions(pace=given.pace, block=given.block, device_buffer=given.device_buffer)
    return make_source(parse_source(text, schemes=schemes()), options)


def _create_folder(settings: Settings, opened: list[_Opened]) -> SessionFolder:
    entries = [
        TrackEntry(
            name=track.name,
            source=track.asked,
            device=track.holder.source.label,
            format=track.holder.format,
            started=track.began.wall,
        )
        for track in opened
    ]
    return SessionFolder.create(
        settings.session.place.absolute(),
        entries,
        model=settings.engine.model,
        app=version("transcriber"),
        language=language_of(settings.engine),
        name=settings.session.name or None,
        emergency=settings.storage.emergency_place,
    )


async def _services(settings: Settings, log: Log, folder: SessionFolder, resources: AsyncExitStack) -> Services:
    resources.callback(folder.close)
    disk = Disk()
    emergency = EmergencySpace(folder, settings.storage.emergency_size, Disk("emergency disk"), log)
    for thread in (disk, emergency.disk):
        resources.push_async_callback(thread.close)
    database = await disk.run(partial(TranscriptDatabase.open, folder.database))

    def changed(state: states.Disk, reason: str) -> None:
        reporter.changed("disk", state, reason)

    transcript = GuardedTranscript(database, disk, await emergency.for_transcript(), emergency.disk, changed)
    resources.push_async_callback(_to_the_end, transcript.close)
    tally = Tally()
    publisher = Publisher(transcript, tally, anyio.current_time)
    resources.callback(publisher.close)
    reporter = Reporter(log, publisher)
    client = make_client(settings.engine)
    return Services(settings, log, folder, disk, emergency, transcript, tally, publisher, reporter, client)


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


async def _open_recording(track: TrackName, services: Services) -> TrackRecording:
    folder = services.folder
    return await TrackRecording.open(folder.audio(track), folder.journal(track), services.disk)


async def _open_track(source: _Opened, services: Services) -> Track:
    recording = await _open_recording(source.name, services)
    at, wall = source.began.at, source.began.wall.timestamp()
    await recording.clock(Position(0), round(at * NANOSECONDS), round(wall * NANOSECONDS))
    guarded = GuardedRecording(
        recording,
        await services.emergency.for_track(source.name),
        services.emergency.disk,
        partial(services.reporter.changed, "disk", track=source.name),
        patience=not source.holder.source.live,
    )
    return Track(source.name, services, guarded, source.holder, source.sources)


def _session(services: Services, tracks: list[AnyTrack], *, resumed: bool) -> Session:
    manifest = services.folder.manifest
    started = SessionStarted(
        id=manifest.id,
        folder=str(services.folder.path),
        started=manifest.created,
        tracks=tuple(TrackStarted(track.name, track.source) for track in manifest.tracks),
        model=services.settings.engine.model,
        resumed=resumed,
    )
    services.log.info("session_opened", component="session", session=manifest.id, resumed=resumed)
    changed = partial(services.reporter.changed, "engine")
    supply = EngineSupply(
        services.settings.engine,
        services.client,
        changed,
        services.log,
        start_timeout=start_timeout(services.settings.supervision),
    )
    timed = not resumed and services.settings.capture.pace == "realtime"
    return Session(services=services, supply=supply, tracks=tracks, started=started, timed=timed)
