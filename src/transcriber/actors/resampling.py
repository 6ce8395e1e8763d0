"""Resampling: any rate, format and channel count to the track's 16 kHz mono."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import anyio

from transcriber.core.timeline import samples_of
from transcriber.link import Link
from transcriber.ports import Resampler
from transcriber.types import AudioFormat, Block, DeviceBlock, Gap, Position


@dataclass(slots=True)
class Conversion:
    """Feeds a resampler runs of contiguous blocks: a run ends at a gap, or where the format changes.

    It outlives the actor, so that the samples which the filter holds back survive a crash; a block that is delivered
    again is known by its position. What comes out waits in `outbox` until the link has taken it.
    """

    make_resampler: Callable[[AudioFormat], Resampler]
    outbox: deque[Block | Gap] = field(default_factory=deque["Block | Gap"])
    _format: AudioFormat | None = None
    _resampler: Resampler | None = None
    _run: Position = Position(0)  # where the run began
    _frames: int = 0  # taken of it
    _given: Position = Position(0)  # end of what came out of it

    @property
    def _next(self) -> Position:
        """Where the next block of the run will start."""
        return Position(self._run + (samples_of(self._frames, self._format.rate) if self._format else 0))

    def take(self, piece: DeviceBlock | Gap) -> None:
        """Convert a piece; one that was taken before changes nothing."""
        if piece.start < self._next:
            return
        if isinstance(piece, Gap):
            self.finish()
            self.outbox.append(piece)
            self._begin(piece.end)
            return
        if self._resampler is None or piece.format != self._format or piece.start != self._next:
            self.finish()
            self._begin(piece.start)
            self._format = piece.format
            self._resampler = self.make_resampler(piece.format)
        pcm = self._resampler.feed(piece.pcm)
        self._frames += piece.frames
        self._give(pcm)

    def finish(self) -> None:
        """End the run: what the filter held back comes out."""
        if self._resampler is not None:
            self._give(self._resampler.flush())
            self._begin(self._next)

    def _begin(self, position: Position) -> None:
        self._resampler = self._format = None
        self._run = self._given = position
        self._frames = 0

    def _give(self, pcm: bytes) -> None:
        if pcm:
            block = Block(self._given, pcm)
            self._given = block.end
            self.outbox.append(block)


@dataclass(slots=True)
class Tee:
    """Gives the pieces that are resampled to who keeps them as they are: all of them if it `waits`, else what it takes.

    A reader that has failed for good has ended the link, and holds nobody up.
    """

    pieces: Link[DeviceBlock | Gap]
    waits: bool

    async def give(self, piece: DeviceBlock | Gap) -> None:
        """Give a piece; one may come twice."""
        with suppress(anyio.ClosedResourceError):
            if self.waits:
                await self.pieces.put(piece)
            else:
                self.pieces.offer(piece)


@dataclass(slots=True)
class Resampling:
    """Turns device blocks into 16 kHz mono, sample-exact over any length. `meter` is shown every block."""

    blocks: Link[DeviceBlock | Gap]
    samples: Link[Block | Gap]
    conversion: Conversion
    meter: Callable[[Block], None]
    tee: Tee | None = None

    async def run(self) -> None:
        """Convert until the blocks end, then end what follows."""
        await self.samples.drain(self.conversion.outbox)
        with self.blocks.inbox() as inbox:
            async for piece in inbox:
                self.conversion.take(piece)
                await self._deliver()
                if self.tee is not None:
                    await self.tee.give(piece)
        self.conversion.finish()
        await self._deliver()
        self.samples.end()
        if self.tee is not None:
            self.tee.pieces.end()

    async def _deliver(self) -> None:
        for piece in self.conversion.outbox:
            if isinstance(piece, Block):
                self.meter(piece)
        await self.samples.drain(self.conversion.outbox)
