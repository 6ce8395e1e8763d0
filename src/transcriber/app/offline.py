"""Offline: whole files through the engine, as fast as the machine goes."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from transcriber.adapters.engine.client import EngineClient
from transcriber.adapters.media.source import probe
from transcriber.app.engine import EngineSupply, check_model, language_of, make_client
from transcriber.app.reporting import Log, SilentLog
from transcriber.core.document import Document, DocumentTrack
from transcriber.core.names import safe_name
from transcriber.core.words import placed
from transcriber.errors import SourceError
from transcriber.events import Envelope, SegmentClosed
from transcriber.settings import Settings
from transcriber.supervision import Supervisor
from transcriber.types import Coverage, Position, Segment, SegmentId, TrackName, samples


@dataclass(frozen=True, slots=True)
class Transcribed:
    """The transcript of a file, as far as it could be read; `fault` says why that is not to its end."""

    document: Document
    fault: SourceError | None


@dataclass(slots=True)
class Offline:
    """Transcribes one file after the other with one engine."""

    settings: Settings
    client: EngineClient
    supply: EngineSupply

    async def transcribe(self, path: Path, progress: Callable[[float], None]) -> Transcribed:
        """Return the transcript of a media file; `progress` is told the share that is done, 0 to 1.

        Raises:
            ConfigError: there is no such file, or it may not be read.
            SourceError: it cannot be read as audio.
            EngineError: the engine failed on it, or there is none.

        """
        header = await probe(path)
        track = TrackName(safe_name(path.stem, default="file"))
        entries: list[Envelope] = []
        language = language_of(self.settings.engine)
        async with self.client.transcribe_file(path, language=language, words=True) as found:
            async for part in found:
                start, end = Position(samples(part.start)), Position(samples(part.end))
                words = tuple(placed(part.words, Position(0), end))
                segment = Segment(SegmentId(f"{track}-{start}"), track, start, end, words, found.language)
                entries.append(Envelope(len(entries) + 1, part.end, SegmentClosed(segment)))
                progress(part.end / found.duration if found.duration else 1.0)
            length = Position(samples(found.duration))
        covered = DocumentTrack(track, f"file:{path}", length, Coverage(length, length))
        document = Document.of(entries, title=path.name, tracks=[covered], model=self.supply.model)
        shortfall = header.shortfall(found.duration)
        return Transcribed(document, SourceError(f"file {path}: {shortfall}") if shortfall else None)


@asynccontextmanager
async def offline(settings: Settings, log: Log | None = None) -> AsyncGenerator[Offline]:
    """Run an engine for files; it is started at once, so that it loads while the first file is looked at.

    Raises:
        ConfigError: the model cannot be meant.

    """
    await check_model(settings.engine)
    log = log or SilentLog()
    client = make_client(settings.engine)

    def changed(state: str, reason: str) -> None:
        log.info("state_changed", component="engine", after=state, reason=reason)

    nothing_is_captured = anyio.Event()
    nothing_is_captured.set()
    supply = EngineSupply(settings.engine, client, changed, log, nothing_is_captured)
    supervisor = Supervisor("offline", [supply.child()], on_event=supply.supervised)
    raised: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.run)
        try:
            yield Offline(settings, client, supply)
        except Exception as error:  # noqa: BLE001 - raised below, outside the group, which would wrap it
            raised = error
        supervisor.stop()
    if raised is not None:
        raise raised
