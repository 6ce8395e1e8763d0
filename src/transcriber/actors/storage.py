"""Storage: put every sample on disk, and say when it is safe there."""

from dataclasses import dataclass

from transcriber.core.pool import Chunk, Pool
from transcriber.link import Link
from transcriber.ports import Recording
from transcriber.types import Block, Gap
from transcriber.watermark import Watermark


@dataclass(slots=True)
class Storage:
    """Writes and syncs chunk by chunk; then `durable` moves on and the chunk's memory goes back to the pool."""

    chunks: Link[Chunk | Gap]
    recording: Recording
    durable: Watermark
    pool: Pool

    async def run(self) -> None:
        """Write until the chunks end, then end the watermark."""
        with self.chunks.inbox() as inbox:
            async for piece in inbox:
                content: Block | Gap = piece if isinstance(piece, Gap) else piece.block()
                self.durable.advance(await self.recording.append([content]))
                # From here to the next request nothing waits, so a chunk is never given back twice.
                if isinstance(piece, Chunk):
                    self.pool.release(piece)
        self.durable.end()
