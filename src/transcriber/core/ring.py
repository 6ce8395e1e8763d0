"""The newest samples of a track, by position."""

from dataclasses import dataclass, field

from transcriber.types import SAMPLE_BYTES, Block, Position


@dataclass(slots=True)
class Ring:
    """Keeps at least the last `capacity` samples of what was appended, in order and without holes."""

    capacity: int
    start: Position = Position(0)
    _pcm: bytearray = field(default_factory=bytearray)

    @property
    def end(self) -> Position:
        """Position after the newest sample."""
        return Position(self.start + len(self._pcm) // SAMPLE_BYTES)

    def append(self, block: Block) -> None:
        """Add the samples of a block. One that does not begin at `end` replaces everything."""
        if block.start != self.end:
            self.start = block.start
            self._pcm.clear()
        self._pcm += block.pcm
        # Cut in large steps: moving the rest of the bytes at every block would cost more than the memory it saves.
        if self.end - self.start > 2 * self.capacity:
            surplus = self.end - self.start - self.capacity
            del self._pcm[: surplus * SAMPLE_BYTES]
            self.start = Position(self.start + surplus)

    def slice(self, start: Position, end: Position) -> bytes | None:
        """Return the samples `[start, end)`, or None if not all of them are here."""
        if start < self.start or end > self.end or start > end:
            return None
        offset = (start - self.start) * SAMPLE_BYTES
        return bytes(self._pcm[offset : offset + (end - start) * SAMPLE_BYTES])
