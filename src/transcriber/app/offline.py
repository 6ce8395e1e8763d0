"""Offline: whole files through the engine, as fast as the machine goes."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from transcriber.adapters.engine.client import EngineClient
from transcriber.app.engine import EngineSupply, check_model, language_of, make_client
from transcriber.app.reporting import Log, SilentLog
from transcriber.core.document import Document, DocumentTrack
from transcriber.core.names import safe_name
from transcriber.errors import ConfigError
from transcriber.events import Envelope, SegmentClosed
from transcriber.settings import Settings
from transcriber.supervision import ChildGivenUp, SupervisionEvent, Supervisor
from transcriber.types import RATE, Coverage, Position, Segment, SegmentId, TrackName, Word


@dataclass(slots=True)
class Offline:
    """Transcribes one file after the other with one engine."""

    settings: Settings
    client: EngineClient
    supply: EngineSupply

    async def transcribe(self, path: Path, progress: Callable[[float], None]) -> Document:
        """Return the transcript of a media file; `progress` is told the share that is done, 0 to 1.

        Raises:
            ConfigError: there is no such file.
            SourceError: it cannot be read as audio.
            EngineError: the engine failed on it, or there is none.

        """
        if not await anyio.Path(path).is_file():
            raise ConfigError(f"{path} is not a file; check the path")
        track = TrackName(safe_name(path.stem, default="file"))
        entries: list[Envelope] = []
        language = language_of(self.settings.engine)
        async with self.client.transcribe_file(path, language=language, words=True) as found:
            async for part in found:
                start = Position(round(part.start * RATE))
                words = tuple(
                    Word(
                        word.text,
                        Position(round(word.start * RATE)),
                        Position(round(word.end * RATE)),
                        round(word.probability, 3),
                    )
                    for word in part.words
                )
                name = SegmentId(f"{track}-{start}")
                segment = Segment(name, track, start, Position(round(part.end * RATE)), words, found.language)
                entries.append(Envelope(len(entries) + 1, part.end, SegmentClosed(segment)))
                progress(part.end / found.duration if found.duration else 1.0)
            end = Position(round(found.duration * RATE))
        covered = DocumentTrack(track, f"file:{path}", end, Coverage(end, end))
        return Document.of(entries, title=path.name, tracks=[covered], model=self.supply.model)


@asynccontextmanager
async def offline(settings: Settings, log: Log | None = None) -> AsyncGenerator[Offline]:
    """Run an engine for files; it is started at once, so that it loads while the first file is looked at.

    Raises:
        ConfigError: the model cannot be meant.

    """
    await check_model(settings.engine)
    log = log or SilentLog()
    client = make_client(settings.engine)

    def changed(before: str, after: str, reason: str) -> None:
        log.info("state_changed", component="engine", before=before, after=after, reason=reason)

    supply = EngineSupply(settings.engine, client, changed, log)

    def supervised(event: SupervisionEvent) -> None:
        if isinstance(event, ChildGivenUp):
            supply.given_up(event.error)

    supervisor = Supervisor("offline", [supply.child()], on_event=supervised)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.run)
        try:
            yield Offline(settings, client, supply)
        finally:
            supervisor.stop()
