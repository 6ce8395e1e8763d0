"""Transcription: find the speech of a track, ask the engine, fix the words, write them exactly once."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import anyio

from transcriber.core.composition import Composition, Entry, Pass
from transcriber.core.endpointing import WINDOW
from transcriber.core.ring import Ring
from transcriber.errors import EngineError, RequestFailed
from transcriber.link import Link
from transcriber.ports import Engine, Recording, Transcript, Vad
from transcriber.types import RATE, SAMPLE_BYTES, Block, DecodeRequest, Gap, GapReason, Position, samples
from transcriber.watermark import Watermark

WINDOW_BYTES = WINDOW * SAMPLE_BYTES

REMEMBERED = 40 * RATE
"""Samples kept in memory for decoding: a little more than Whisper hears at once. Older ones are in the recording."""

READ_BACK = 10 * RATE
"""Samples read from the recording at a time."""

FINAL, PARTIAL = 0, 1
"""Urgency of a decode: text that stays before text that goes, whichever track asks."""


@dataclass(slots=True, kw_only=True)
class Transcription:
    """One life of a track's transcription, from the cursor that `restore` finds to the end of the recording.

    `speech` may skip blocks: what is missing is read back from the recording once it is durable. After `speech` has
    ended the rest of the recording is transcribed, so a track that is not live any more is served by an empty link.
    """

    speech: Link[Block | Gap]
    recording: Recording
    durable: Watermark
    vad: Vad
    engine: Engine
    transcript: Transcript
    restore: Callable[[], Awaitable[Composition]]
    suspended: Callable[[BaseException], None]
    prompt: str = ""
    hotwords: str = ""
    _composition: Composition = field(init=False)
    _heard: Position = Position(0)
    _ended: bool = False
    _ring: Ring = field(default_factory=lambda: Ring(REMEMBERED))
    _windows: bytearray = field(default_factory=bytearray)  # samples heard that do not fill a window yet
    _vad_state: bytes = b""
    _stretch: int = 0  # samples between partial passes, from what the last one took
    _news: anyio.Event = field(default_factory=anyio.Event)

    async def run(self) -> None:
        """Transcribe to the end of the recording, or as far as there is an engine: the rest is left for later."""
        self._composition = await self.restore()
        self._heard = self._composition.endpointing.position
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen)
                await self._compose()
        except* EngineError as group:
            self.suspended(group.exceptions[0])

    # Hearing: samples to speech probabilities

    async def _listen(self) -> None:
        with self.speech.inbox() as inbox:
            async for piece in inbox:
                if piece.end > self._heard:
                    await self._read_back(piece.start)
                    await self._hear(piece)
        await self._read_back(await self.durable.final())
        await self._fill_window()
        self._composition.end(self._heard)
        self._ended = True
        self._news.set()

    async def _read_back(self, until: Position) -> None:
        while self._heard < until:
            for piece in await self._read(until):
                await self._hear(piece)

    async def _read(self, until: Position) -> Sequence[Block | Gap]:
        """Return what comes next in the recording; a gap is not cut, however long, so that it is told once."""
        pieces: list[Block | Gap] = []
        begin = end = self._heard
        while True:
            end = Position(min(until, end + READ_BACK))
            await self.durable.reach(end)
            pieces += await self.recording.read(begin, end)
            if end == until or not isinstance(last := pieces[-1], Gap):
                return pieces
            begin = last.start
            pieces.pop()

    async def _hear(self, piece: Block | Gap) -> None:
        if isinstance(piece, Gap):
            await self._fill_window()
            self._vad_state = b""
            self._composition.gap(piece)
        else:
            block = piece.after(self._heard)
            self._ring.append(block)
            self._windows += block.pcm
            await self._detect(len(self._windows) // WINDOW_BYTES * WINDOW_BYTES)
        self._heard = piece.end
        self._news.set()

    async def _fill_window(self) -> None:
        """Let the last samples before a gap or the end be judged, as if silence followed."""
        await self._detect(len(self._windows))

    async def _detect(self, size: int) -> None:
        """Have the first `size` bytes of `_windows` judged."""
        if not size:
            return
        pcm = bytes(self._windows[:size]) + bytes(-size % WINDOW_BYTES)
        try:
            probabilities, self._vad_state = await self.vad.probabilities(pcm, self._vad_state)
        except RequestFailed:
            # Neither speech nor silence can be told: a gap by name, and the rest of the track goes on.
            start = self._composition.endpointing.position
            self._composition.gap(Gap(start, Position(start + size // SAMPLE_BYTES), GapReason.ENGINE))
            self._vad_state = b""
        else:
            self._composition.feed(probabilities)
        del self._windows[:size]

    # Composing: speech to words

    async def _compose(self) -> None:
        composition = self._composition
        while True:
            if entries := composition.settle():
                await self._publish(entries)
            elif task := composition.next_pass(self._stretch):
                await self._publish(await self._decode(task))
            elif self._ended:
                break
            else:
                await self._news.wait()
                self._news = anyio.Event()
        await self._publish(composition.finish(self._heard))

    async def _decode(self, task: Pass) -> Sequence[Entry]:
        urgency = FINAL if task.final else PARTIAL
        pcm = await self._samples(task.start, task.end)
        request = DecodeRequest(pcm, task.final, task.language, self.prompt, self.hotwords)
        began = anyio.current_time()
        try:
            hypothesis = await self.engine.decode(request, urgency=urgency)
        except RequestFailed:
            return self._composition.failed() if task.final else []
        if not task.final:
            # A new pass before this one would have been answered only piles up work.
            self._stretch = samples(anyio.current_time() - began)
        return self._composition.decoded(task, hypothesis)

    async def _samples(self, start: Position, end: Position) -> bytes:
        pcm = self._ring.slice(start, end)
        if pcm is not None:
            return pcm
        await self.durable.reach(end)
        pieces = await self.recording.read(start, end)
        return b"".join(
            piece.pcm if isinstance(piece, Block) else bytes((piece.end - piece.start) * SAMPLE_BYTES)
            for piece in pieces
        )

    async def _publish(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            await self.transcript.publish(entry.event, coverage=entry.coverage, track=self._composition.track)
