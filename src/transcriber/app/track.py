"""One track of a session: its links, what outlives its actors, and the specs of the actors themselves."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio

from transcriber.actors.buffering import Buffering
from transcriber.actors.capture import Capture, Standby
from transcriber.actors.holder import Holder, delivers
from transcriber.actors.resampling import Conversion, Resampling
from transcriber.actors.storage import Storage
from transcriber.actors.transcription import Transcription
from transcriber.adapters.guarded_recording import GuardedRecording
from transcriber.adapters.pcm import SILENCE_DBFS, peak_dbfs
from transcriber.adapters.soxr_resampler import SoxrResampler
from transcriber.app.kept_original import KeptOriginal, keep_original
from transcriber.app.recorded_track import make_transcription
from transcriber.app.reporting import brief
from transcriber.app.services import Services, TrackEngine, TrackReading
from transcriber.core import component_states as states
from transcriber.core.assembly import Assembly
from transcriber.core.pool import Chunk, Pool
from transcriber.errors import NoDeviceError, SourceError
from transcriber.link import Link
from transcriber.ports import Source
from transcriber.supervision import ChildSpec, Recall, Watch
from transcriber.types import RATE, SAMPLE_BYTES, Block, DeviceBlock, Gap, TrackName
from transcriber.watermark import Watermark

AHEAD = 64
"""Blocks that wait for transcription, some seconds of sound; what does not fit is read back from the recording."""

WAITING = 16
"""Blocks that wait for resampling, and for buffering."""

SPARE = 3
"""Chunks beside those in the link to storage: one being filled, one being written, one between the two."""

EVERY = sys.maxsize
"""Lives that may crash on a message before it is set aside, on the way to the disk: it is the disk that fails there,
and a piece left out would be a hole without a name. Transcription may leave out what it finds in the recording."""

SILENT = 5.0
"""Seconds without an answer after which a live source hangs: fifty times as long as one may take to say "nothing"."""

DRAIN = 2.0
"""Seconds to bring what was captured to disk after the actors were cancelled."""


@dataclass(slots=True, eq=False)
class Track:
    """What a track needs to be recorded and transcribed. The links and the objects here outlive every actor."""

    name: TrackName
    services: Services
    recording: GuardedRecording
    holder: Holder
    sources: tuple[Source, ...]
    """What to record, then what stands in for it. The holder has one of them open."""
    level: float = SILENCE_DBFS
    """Peak of the newest block in dBFS."""
    durable: Watermark = field(init=False)
    engine: TrackEngine = field(init=False)
    _blocks: Link[DeviceBlock | Gap] = field(init=False)
    _samples: Link[Block | Gap] = field(init=False)
    _chunks: Link[Chunk | Gap] = field(init=False)
    _speech: Link[Block | Gap] = field(init=False)
    _original: KeptOriginal | None = field(init=False)
    _conversion: Conversion = field(default_factory=lambda: Conversion(SoxrResampler))
    _assembly: Assembly = field(init=False)
    _lost: SourceError | None = None
    _closed: bool = False

    def __post_init__(self) -> None:
        buffering = self.services.settings.buffering
        pool = Pool(buffering.chunks, buffering.chunk_size)
        # Half of it, so that transcription is offered everything while something waits for a place on a disk.
        self.recording.room = lambda: pool.fill < buffering.watermark / 2
        self._assembly = Assembly(pool)
        self._blocks = Link(f"{self.name}.blocks", WAITING, attempts=EVERY)
        self._samples = Link(f"{self.name}.samples", WAITING, attempts=EVERY)
        self._chunks = Link(f"{self.name}.chunks", buffering.chunks - SPARE, attempts=EVERY)
        self._speech = Link(f"{self.name}.speech", AHEAD)
        self._original = keep_original(self.name, self.services, waits=not self.sources[0].live)
        self.durable = Watermark(self.recording.durable)
        self.engine = self.services.track_engine()
        self.holder.on_absent = self._tell_absent

    def children(self) -> tuple[ChildSpec, ...]:
        """Return the actors, sinks first: they are stopped in reverse, the source first."""
        limits = self.services.settings.supervision
        spec = partial(
            ChildSpec, start_timeout=limits.start_timeout, stop_timeout=limits.stop_timeout, significant=True
        )
        return (
            spec(
                name="storage", start=self._storage, watch=self._watch(self._chunks, unless=lambda: self.recording.busy)
            ),
            *([self._original.child(spec, self._watch)] if self._original is not None else []),
            spec(
                name="transcription",
                start=self._transcription,
                essential=False,
                watch=self._watch(self._speech, unless=self._is_transcription_waiting),
            ),
            spec(
                name="buffering",
                start=self._buffering,
                watch=self._watch(self._samples, unless=self._chunks.congested),
            ),
            spec(
                name="resampling",
                start=self._resampling,
                watch=self._watch(self._blocks, unless=self._waits_further_down),
            ),
            self._capture_spec(spec),
        )

    def _waits_further_down(self) -> bool:
        """Whether resampling waits for room in a link, whose reader is watched."""
        return self._samples.congested() or (self._original is not None and self._original.pieces.congested())

    def _capture_spec(self, spec: Callable[..., ChildSpec]) -> ChildSpec:
        """Return the capture: from what was asked for, else from what stands in for it, else from nothing."""
        limits = self.services.settings.supervision
        live = self.sources[0].live
        starts = [partial(self._capture, source) for source in self.sources]
        return spec(
            name="capture",
            start=starts[0],
            fallbacks=(*starts[1:], *([self._standby] if live else [])),
            initial=self.sources.index(self.holder.source),
            recall=Recall(probe=self._probe, interval=limits.probe_interval, stopgap=live),
            reports_ready=True,
            essential=False,
            watch=Watch(
                pending=lambda: self.holder.asking,
                progress=lambda: self.holder.readings,
                timeout=min(SILENT, limits.hang_timeout),
                on_hung=self.holder.forsake,
            ),
        )

    def _watch[T](self, link: Link[T], *, unless: Callable[[], bool] = lambda: False) -> Watch:
        """Watch over the reader of a link; `unless` says that it waits for another, who is watched as well."""
        return Watch(
            pending=lambda: link.pending() and not unless(),
            progress=link.progress,
            timeout=self.services.settings.supervision.hang_timeout,
            on_hung=link.blame,
        )

    @property
    def links(self) -> Sequence[Link[Any]]:
        """The links of the track, in the order in which its audio flows; the last one leads to transcription."""
        original = [] if self._original is None else [self._original.pieces]
        return self._blocks, *original, self._samples, self._chunks, self._speech

    def _is_transcription_waiting(self) -> bool:
        return self.engine.waiting > 0 or self.durable.awaited or self.services.transcript.busy

    def reading(self) -> TrackReading:
        """Return the counters of the audio."""
        captured = self.holder.timeline.position
        cursor = self.services.tally.of(self.name).coverage.position
        form = self.holder.format if self._original is not None else None
        original = captured * form.rate * form.frame_bytes // RATE if form is not None else 0
        return TrackReading(captured, cursor, self._assembly.pool.fill, captured * SAMPLE_BYTES + original)

    @property
    def fault(self) -> SourceError | None:
        """Why the track ended before its source did."""
        return self._lost or self.holder.fault

    @property
    def choices(self) -> Sequence[str]:
        """What may be captured, the best first, for people."""
        return [source.label for source in self.sources]

    def stop(self) -> None:
        """End the capture in order."""
        self.holder.stop()

    def give_up(self, child: str, error: Exception) -> None:
        """Go on without a child that failed for good."""
        if child == "capture":
            self._end_for(error)
        if child == "original" and self._original is not None:
            self._original.pieces.end()

    def _end_for(self, error: Exception) -> None:
        """End the track in order after its capture failed for good: what was captured is kept and transcribed."""
        self._lost = NoDeviceError(f"track {self.name}: {brief(error)}; check the device, or name a --fallback")
        # There is room: nothing was captured for as long as the restarts took.
        for piece in (*self.holder.outbox, *self.holder.timeline.ended(self.holder.now())):
            self._blocks.offer(piece)
        self._blocks.end()

    async def drain(self) -> None:
        """Bring what was captured to disk, after the actors were cancelled; nothing is left to do if they ended."""
        self.recording.limit = DRAIN / 4
        with anyio.move_on_after(DRAIN, shield=True):
            async with anyio.create_task_group() as tasks:
                for actor in (self._storage(), self._buffering(), self._resampling()):
                    tasks.start_soon(actor.run)
                if self._original is not None:
                    tasks.start_soon(self._original.actor().run)
                if not self._blocks.statistics().ended:
                    await self._blocks.drain(self.holder.outbox)
                    self._blocks.end()

    async def settle(self) -> bool:
        """Bring home what went to the emergency file; return whether all of the recording is where it belongs."""
        return self.recording.at_home or await self.recording.come_home()

    async def close(self) -> None:
        """Close the source and the files. Idempotent."""
        if not self._closed:
            self._closed = True
            self._tell_clock()
        await self.holder.close()
        await self.recording.close()

    def _tell_clock(self) -> None:
        """Tell by how much the device's clock had to be corrected, if it had."""
        timeline = self.holder.timeline
        if timeline.drift.added and timeline.position:
            seconds = round(timeline.drift.added, 4)
            ppm = round(1e6 * RATE * seconds / timeline.position)
            self.services.log.info("clock_kept", component="capture", track=self.name, seconds=seconds, ppm=ppm)

    def _meter(self, block: Block) -> None:
        self.level = peak_dbfs(block.pcm)

    def _tell_absent(self, absent: bool) -> None:  # noqa: FBT001 - what the holder tells
        label = self.holder.source.label
        stands_in = self.holder.source is not self.sources[0]
        here = states.Actor.FALLBACK if stands_in else states.Actor.RUNNING
        after, reason = (
            (states.Actor.WAITING, f"nobody feeds {label}; there is a gap until somebody does")
            if absent
            else (here, f"somebody feeds {label}")
        )
        self.services.reporter.changed("capture", after, reason, track=self.name)

    async def _probe(self, number: int) -> bool:
        return await delivers(self.sources[number])

    def _capture(self, source: Source) -> Capture:
        return Capture(self.holder, source, self._blocks)

    def _standby(self) -> Standby:
        def waiting(why: SourceError) -> None:
            reason = f"{brief(why)}; there is a gap until a device is back"
            self.services.reporter.changed("capture", states.Actor.WAITING, reason, track=self.name)

        return Standby(self.holder, self._blocks, waiting)

    def _resampling(self) -> Resampling:
        tee = None if self._original is None else self._original.tee
        return Resampling(self._blocks, self._samples, self._conversion, self._meter, tee)

    def _buffering(self) -> Buffering:
        settings = self.services.settings
        # Half of the interval: the other half is for what comes before and after, so that the whole stays within it.
        return Buffering(
            samples=self._samples,
            chunks=self._chunks,
            speech=self._speech,
            assembly=self._assembly,
            flush_after=settings.storage.flush_interval / 2,
            watermark=settings.buffering.watermark,
        )

    def _storage(self) -> Storage:
        return Storage(self._chunks, self.recording, self.durable, self._assembly.pool)

    def _transcription(self) -> Transcription:
        return make_transcription(self, self.services, self._speech, self.durable)
