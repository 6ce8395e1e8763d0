"""Opening a new session: the sources first, then a folder for what they deliver."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

import anyio
import anyio.to_thread

from transcriber.actors.holder import Holder
from transcriber.adapters.guarded_recording import GuardedRecording
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_manifest import TrackEntry
from transcriber.adapters.sleep import SleepWatch
from transcriber.app.archiving import Archiving
from transcriber.app.backlog import Backlog
from transcriber.app.engine import check_model, language_of, make_client, make_supply
from transcriber.app.reporting import Log
from transcriber.app.retention import Retention, make_room
from transcriber.app.services import Services, open_recording, open_services, to_the_end
from transcriber.app.session import AnyTrack, Session
from transcriber.app.track import Track
from transcriber.core.source_spec import parse_source
from transcriber.core.stream_url import without_secrets
from transcriber.core.timeline import Timeline
from transcriber.errors import SourceError
from transcriber.plugins import make_source, schemes
from transcriber.ports import Source
from transcriber.settings import Settings
from transcriber.settings import Track as TrackSettings
from transcriber.supervision import ChildSpec
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
async def recording(
    settings: Settings, log: Log, duration: float | None = None, *, backlog: bool = False
) -> AsyncGenerator[Session]:
    """Open the sources, then a new session for them. `duration` ends each track after so many seconds.

    With `backlog` it also does what the settings say about sessions that earlier runs left unfinished.

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
        services = await open_services(settings, log, folder, make_client(settings.engine), resources)
        tracks: list[AnyTrack] = []
        for source in opened:
            track = await _open_track(source, services)
            resources.push_async_callback(to_the_end, track.close)
            services.publisher.begin(source.name, source.began.at)
            tracks.append(track)

        def errands(session: Session) -> Sequence[ChildSpec]:
            upkeep = *Retention(settings, log).children(), *Archiving(services).children()
            return (*upkeep, *(Backlog(session, log).children() if backlog else ()))

        yield Session(services=services, supply=make_supply(services), tracks=tracks, errands=errands)


async def _open_source(
    track: TrackSettings, settings: Settings, duration: float | None, now: _Now, resources: AsyncExitStack
) -> _Opened:
    sources = tuple(_make_source(text, settings) for text in (track.source, *track.fallbacks))
    live = sources[0].live
    until = None if duration is None else Position(samples(duration))
    # Live tracks begin at the same moment; a file begins when it is open, at its own beginning.
    timeline = Timeline(live=live, origin=now.at if live else None, until=until)
    holder = Holder(sources[0], timeline, slept=SleepWatch().slept)
    resources.push_async_callback(to_the_end, holder.close)
    await _open_first(holder, sources)
    began = now if live else _Now(anyio.current_time(), datetime.now(UTC))
    return _Opened(TrackName(track.name), without_secrets(track.source), holder, sources, began)


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


async def _open_track(source: _Opened, services: Services) -> Track:
    recording = await open_recording(source.name, services)
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
