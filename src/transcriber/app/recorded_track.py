"""A track of a session that is resumed; and the transcription, which is the same for one that is being recorded."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from transcriber.actors.transcription import Transcription
from transcriber.adapters.pcm import SILENCE_DBFS
from transcriber.adapters.recording import TrackRecording
from transcriber.app.reporting import brief
from transcriber.app.services import Services, TrackEngine, TrackReading
from transcriber.errors import SourceError
from transcriber.link import Link
from transcriber.ports import Recording
from transcriber.supervision import ChildSpec
from transcriber.types import Block, Gap, TrackName
from transcriber.watermark import Watermark


class Transcribed(Protocol):
    """A track as its transcription knows it."""

    @property
    def name(self) -> TrackName:
        """Its name."""
        ...

    @property
    def recording(self) -> Recording:
        """What is read back."""
        ...

    @property
    def engine(self) -> TrackEngine:
        """What hears it."""
        ...


@dataclass(slots=True, eq=False)
class RecordedTrack:
    """A track whose capture is over: all that is left is to transcribe the rest of its recording."""

    name: TrackName
    services: Services
    recording: TrackRecording
    level: float = SILENCE_DBFS
    fault: SourceError | None = None
    choices: Sequence[str] = ()
    engine: TrackEngine = field(init=False)
    _speech: Link[Block | Gap] = field(init=False)
    _durable: Watermark = field(init=False)

    def __post_init__(self) -> None:
        self._speech = Link(f"{self.name}.speech", 1)
        self._speech.end()
        self._durable = Watermark(self.recording.durable)
        self._durable.end()
        self.engine = self.services.track_engine()

    def children(self) -> tuple[ChildSpec, ...]:
        """Return the one actor."""
        return (ChildSpec(name="transcription", start=self._transcription, significant=True, essential=False),)

    @property
    def links(self) -> Sequence[Link[Any]]:
        """The one link, which never had anything."""
        return (self._speech,)

    def reading(self) -> TrackReading:
        """Return the counters of the audio."""
        return TrackReading(self.recording.durable, self.services.tally.of(self.name).coverage.position, 0.0, 0)

    def stop(self) -> None:
        """Do nothing: nothing is captured."""

    def give_up(self, child: str, error: Exception) -> None:
        """Do nothing: there is no capture to give up."""

    async def drain(self) -> None:
        """Do nothing: all is on disk."""

    async def settle(self) -> bool:
        """Return True: nothing is written."""
        return True

    async def close(self) -> None:
        """Close the files. Idempotent."""
        await self.recording.close()

    def _transcription(self) -> Transcription:
        return make_transcription(self, self.services, self._speech, self._durable)


def make_transcription(
    track: Transcribed, services: Services, speech: Link[Block | Gap], durable: Watermark
) -> Transcription:
    """Return a life of a track's transcription."""
    settings = services.settings.transcription
    return Transcription(
        speech=speech,
        recording=track.recording,
        durable=durable,
        vad=track.engine,
        engine=track.engine,
        transcript=services.publisher,
        restore=partial(services.restore, track.name),
        suspended=lambda error: services.reporter.changed("transcription", "suspended", brief(error), track=track.name),
        prompt=settings.prompt,
        hotwords=settings.hotwords,
    )
