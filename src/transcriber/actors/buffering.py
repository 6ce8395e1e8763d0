"""Buffering: the shock absorber between what arrives in real time and what takes its time."""

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio

from transcriber.core.assembly import Assembly
from transcriber.core.pool import Chunk
from transcriber.link import Link
from transcriber.types import Block, Gap

BEHIND = 0.05
"""Seconds between two looks at a disk that has not done what it was given before."""


@dataclass(slots=True)
class Buffering:
    """Puts blocks together for storage, and passes them on to transcription if that keeps up.

    Storage gets everything, and a full link holds this actor up: the links before it fill, then the source's own
    buffer. Transcription is offered each block and never waited for: what it does not take it finds in the recording.
    Above `watermark` (share of the pool in use) it is offered nothing, so that all there is serves the disk.
    A chunk waits at most `flush_after` seconds to be filled, or until the disk has done what it was given before:
    cut earlier it would be no sooner on disk, and take as much of the pool as a whole one.
    """

    samples: Link[Block | Gap]
    chunks: Link[Chunk | Gap]
    speech: Link[Block | Gap]
    assembly: Assembly
    flush_after: float
    watermark: float

    async def run(self) -> None:
        """Pass on until the samples end, then end both links."""
        await self.chunks.drain(self.assembly.outbox)
        with self.samples.inbox() as inbox:
            await self._pass_on(inbox)
        await self._flush()
        self.chunks.end()
        self.speech.end()

    async def _pass_on(self, inbox: AsyncIterator[Block | Gap]) -> None:
        waiting: Chunk | None = None
        due = math.inf
        while True:
            if self.assembly.partial is not waiting:
                waiting = self.assembly.partial
                due = anyio.current_time() + self.flush_after if waiting else math.inf
            piece = None
            with anyio.CancelScope(deadline=due):
                try:
                    piece = await anext(inbox)
                except StopAsyncIteration:
                    return
            if piece is None:
                if self.chunks.pending():
                    due = anyio.current_time() + BEHIND
                else:
                    await self._flush()
                continue
            await self._store(piece)
            if self.assembly.pool.fill < self.watermark:
                self.speech.offer(piece)

    async def _store(self, piece: Block | Gap) -> None:
        self.assembly.add(piece)
        await self.chunks.drain(self.assembly.outbox)
        while self.assembly.pour():
            await self.chunks.drain(self.assembly.outbox)

    async def _flush(self) -> None:
        self.assembly.cut()
        await self.chunks.drain(self.assembly.outbox)
