"""Assembly: blocks of any size become chunks of one disk write each."""

from collections import deque
from dataclasses import dataclass, field

from transcriber.core.pool import Chunk, Pool
from transcriber.types import SAMPLE_BYTES, Block, Gap, Position


@dataclass(slots=True)
class Assembly:
    """Puts blocks together in the pool's chunks; what is complete waits in `outbox` to be sent.

    It outlives the actor that uses it: a block that is delivered again after a crash is recognised by its position,
    and what had been put together is not lost.
    """

    pool: Pool
    outbox: deque[Chunk | Gap] = field(default_factory=deque["Chunk | Gap"])
    _end: Position = Position(0)  # everything before it has been taken
    _chunk: Chunk | None = None
    _rest: Block | None = None

    @property
    def partial(self) -> Chunk | None:
        """The chunk that has been begun and is not full, if there is one."""
        return self._chunk

    def add(self, piece: Block | Gap) -> None:
        """Take a block or a gap; begin what of it fits, and `pour` the rest after the outbox was sent."""
        if piece.end <= self._end:
            return
        if isinstance(piece, Gap):
            self.cut()
            self.outbox.append(piece)
            self._end = piece.end
            return
        if piece.start > self._end:
            self.cut()
        self._rest = piece.after(self._end)
        self.pour()

    def pour(self) -> bool:
        """Fill one chunk from the block in hand, and send it on if it is full; return False if nothing was in hand."""
        block = self._rest
        if block is None:
            return False
        if self._chunk is None:
            self._chunk = self.pool.acquire(block.start)
        taken = self._chunk.fill(memoryview(block.pcm))
        self._end = Position(block.start + taken // SAMPLE_BYTES)
        self._rest = block.after(self._end) if taken < len(block.pcm) else None
        if self._chunk.full:
            self.cut()
        return True

    def cut(self) -> None:
        """Let the chunk that has been begun go as it is."""
        if self._chunk is not None:
            self.outbox.append(self._chunk)
            self._chunk = None
