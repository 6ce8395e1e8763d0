"""The buffer pool: memory for audio on its way to the disk, allocated once and bounded."""

from collections import deque
from dataclasses import dataclass

from transcriber.types import SAMPLE_BYTES, Block, Position


@dataclass(slots=True, eq=False)
class Chunk:
    """Up to one disk write of contiguous samples in a buffer of the pool: `[start, end)`."""

    buffer: bytearray
    start: Position = Position(0)
    length: int = 0

    @property
    def end(self) -> Position:
        """Position after the last sample."""
        return Position(self.start + self.length // SAMPLE_BYTES)

    @property
    def full(self) -> bool:
        """True if not one more sample fits."""
        return self.length >= len(self.buffer)

    def fill(self, pcm: memoryview) -> int:
        """Copy in as many bytes as fit; return how many that were."""
        count = min(len(pcm), len(self.buffer) - self.length)
        self.buffer[self.length : self.length + count] = pcm[:count]
        self.length += count
        return count

    def block(self) -> Block:
        """Return the samples as a block of their own."""
        return Block(self.start, bytes(memoryview(self.buffer)[: self.length]))


class Pool:
    """`count` chunks of `size` bytes. None is ever made or freed later, so memory is as flat as it can be."""

    def __init__(self, count: int, size: int) -> None:
        self._size = count
        self._free = deque(Chunk(bytearray(size)) for _ in range(count))

    @property
    def size(self) -> int:
        """Chunks in all."""
        return self._size

    @property
    def fill(self) -> float:
        """Share of the chunks that is in use, 0 to 1."""
        return 1 - len(self._free) / self._size

    def acquire(self, start: Position) -> Chunk:
        """Return an empty chunk for samples from `start` on.

        Raises:
            IndexError: all are in use; the link to storage must be shorter than the pool is large.

        """
        chunk = self._free.popleft()
        chunk.start, chunk.length = start, 0
        return chunk

    def release(self, chunk: Chunk) -> None:
        """Take a chunk back. Its samples are no longer needed."""
        self._free.append(chunk)
