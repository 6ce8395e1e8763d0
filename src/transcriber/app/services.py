"""What the tracks of a session share, and how it is opened."""

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

import anyio

from transcriber.adapters.disk import DEADLINE, Disk
from transcriber.adapters.engine.client import EngineClient
from transcriber.adapters.guarded_transcript import GuardedTranscript
from transcriber.adapters.recording import TrackRecording
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_remake import SessionRemake
from transcriber.adapters.sleep import SleepWatch
from transcriber.app.emergency import EmergencySpace
from transcriber.app.publisher import Publisher
from transcriber.app.reporting import Log, Reporter, SessionLog
from transcriber.core import component_states as states
from transcriber.core.composition import Composition, CompositionRules
from transcriber.core.endpointing import EndpointingRules
from transcriber.core.language import LanguageVote
from transcriber.core.tally import Tally
from transcriber.settings import Settings
from transcriber.types import RATE, SAMPLE_BYTES, DecodeRequest, Hypothesis, TrackName, samples


@dataclass(frozen=True, slots=True)
class TrackReading:
    """Counters of one track: samples captured, cursor, and the share of its buffer pool in use (0 to 1).

    `stored` is what all that was captured takes of the disk, in bytes, as the source delivers it now.
    """

    captured: int
    cursor: int
    buffer: float
    stored: int

    @property
    def lag(self) -> float:
        """Seconds from the newest audio back to the cursor."""
        return (self.captured - self.cursor) / RATE


@dataclass(slots=True)
class TrackEngine:
    """The engine as one track has it, with a stopwatch: `took` seconds of decoding for `audio` seconds of sound.

    `urgency` is added to that of each decode: 0 for what is live.
    """

    client: EngineClient
    urgency: int = 0
    took: float = 0.0
    audio: float = 0.0
    waiting: int = 0
    """Requests that are not answered yet. The engine has deadlines of its own: who waits for it does not hang."""

    async def probabilities(self, pcm: bytes, state: bytes) -> tuple[Sequence[float], bytes]:
        """Tell speech as the client does."""
        with self._waiting():
            return await self.client.probabilities(pcm, state)

    async def decode(self, request: DecodeRequest, *, urgency: int = 0) -> Hypothesis:
        """Decode as the client does."""
        with self._waiting():
            hypothesis = await self.client.decode(request, urgency=self.urgency + urgency)
        self.took += hypothesis.took
        self.audio += len(request.pcm) / SAMPLE_BYTES / RATE
        return hypothesis

    @contextmanager
    def _waiting(self) -> Generator[None]:
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1


@dataclass(slots=True)
class Services:
    """One of each for a session."""

    settings: Settings
    log: Log
    folder: SessionFolder
    disk: Disk
    original_disk: Disk | None
    """A thread of its own for what is kept in source quality: the recording never waits for it. None: nothing is."""
    emergency: EmergencySpace
    transcript: GuardedTranscript
    tally: Tally
    publisher: Publisher
    reporter: Reporter
    client: EngineClient
    urgency: int
    """Added to that of each decode: 0 for what is live."""
    captured: anyio.Event = field(default_factory=anyio.Event)
    """Set once nothing more is captured: all that is left is to transcribe it."""

    def track_engine(self) -> TrackEngine:
        """Return the engine for a track."""
        return TrackEngine(self.client, self.urgency)

    async def restore(self, track: TrackName) -> Composition:
        """Return the composition of a track as the database knows it: where every life of a transcription begins."""
        rules = composition_rules(self.settings)
        past = await self.transcript.past(track, rules.context)
        self.tally.restore(track, past.coverage, await self.transcript.told(track))
        language = self.settings.engine.language
        return Composition(track, rules, past, LanguageVote(None if language == "auto" else language))


def composition_rules(settings: Settings) -> CompositionRules:
    """Return the settings of transcription in samples."""
    given = settings.transcription

    endpointing = EndpointingRules(
        begin=given.vad_threshold,
        keep=given.vad_threshold - given.vad_hysteresis,
        pre_roll=samples(given.pre_roll),
        hangover=samples(given.min_silence),
        tail=samples(given.min_silence / 2),
        longest=samples(given.max_utterance),
    )
    return CompositionRules(
        endpointing=endpointing,
        interval=samples(given.partial_interval),
        partials=given.policy == "agreement",
    )


async def open_services(
    settings: Settings,
    log: Log,
    folder: SessionFolder,
    client: EngineClient,
    resources: AsyncExitStack,
    *,
    urgency: int = 0,
) -> Services:
    """Open what the tracks of a session will share; `resources` close it, and the folder.

    Raises:
        StorageError: the transcript cannot be opened.

    """
    resources.callback(folder.close)
    log = SessionLog(log, folder.id)
    # A third of what memory holds, so that it lasts while two disks hang.
    deadline = min(DEADLINE, settings.buffering.chunks * settings.buffering.chunk_size / SAMPLE_BYTES / RATE / 3)
    disk = Disk(deadline=deadline)
    emergency = EmergencySpace(folder, settings.storage.emergency_size, Disk("emergency disk", deadline=deadline), log)
    original_disk = Disk("original disk", deadline=deadline) if settings.storage.source_quality else None
    for thread in filter(None, (disk, original_disk, emergency.disk)):
        resources.push_async_callback(thread.close)
    database = await disk.run(folder.open_transcript)
    newest = await disk.run(database.newest)

    def changed(state: states.Disk, reason: str) -> None:
        reporter.changed("disk", state, reason)

    held = await emergency.for_transcript()
    transcript = GuardedTranscript(database, disk, held, emergency.disk, changed, newest=newest)
    resources.push_async_callback(to_the_end, transcript.close)
    tally = Tally()
    slept = SleepWatch().slept
    publisher = Publisher(transcript, tally, lambda: anyio.current_time() + slept())
    resources.callback(publisher.close)
    reporter = Reporter(log, publisher)
    return Services(
        settings, log, folder, disk, original_disk, emergency, transcript, tally, publisher, reporter, client, urgency
    )


async def open_recording(track: TrackName, services: Services) -> TrackRecording:
    """Open what is on disk of a track, also if that is nothing yet."""
    folder = services.folder
    remake = partial(SessionRemake(folder).track, track)
    return await TrackRecording.open(folder.audio(track), folder.journal(track), services.disk, remake=remake)


async def to_the_end(close: Callable[[], Awaitable[None]]) -> None:
    """Close something, also while cancelled; each takes no longer than the deadline of the disk."""
    with anyio.CancelScope(shield=True):
        await close()
