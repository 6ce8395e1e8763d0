import anyio
import pytest
from anyio.lowlevel import checkpoint

from transcriber.actors.storage import Storage
from transcriber.core.pool import Chunk, Pool
from transcriber.errors import StorageError
from transcriber.link import Link
from transcriber.types import Block, Gap, GapReason, Position
from transcriber.watermark import Watermark

pytestmark = pytest.mark.anyio


class Recording:
    """A disk that fails when it is told to; `written` is what it acknowledged."""

    def __init__(self, failures=()):
        self.durable = Position(0)
        self.written: list[Block | Gap] = []
        self.calls = 0
        self.failures = set(failures)

    async def append(self, pieces):
        self.calls += 1
        await checkpoint()
        if self.calls in self.failures:
            raise StorageError("the disk is full")
        for piece in pieces:
            if piece.end > self.durable:
                assert piece.start == self.durable, "a hole"
                self.written.append(piece)
                self.durable = piece.end
        await checkpoint()
        return self.durable

    async def read(self, start, end):
        raise NotImplementedError


class Line:
    """Storage behind a link that was filled with three chunks and a gap."""

    def __init__(self, failures=()):
        self.pool = Pool(4, 20)
        self.chunks: Link[Chunk | Gap] = Link("chunks", 10)
        self.recording = Recording(failures)
        self.durable = Watermark()
        self.pieces: list[Block | Gap] = []
        for start in (0, 10, 30):
            chunk = self.pool.acquire(Position(start))
            chunk.fill(memoryview(bytes([start]) * 20))
            self.pieces.append(chunk.block())
            self.chunks.offer(chunk)
            if start == 10:
                self.pieces.append(Gap(Position(20), Position(30), GapReason.DEVICE))
                self.chunks.offer(self.pieces[-1])
        self.chunks.end()

    def actor(self) -> Storage:
        return Storage(self.chunks, self.recording, self.durable, self.pool)

    def assert_stored(self) -> None:
        assert self.recording.written == self.pieces
        assert self.durable.position == 40
        assert self.durable.ended
        assert self.pool.fill == 0
        chunks = [self.pool.acquire(Position(0)) for _ in range(self.pool.size)]
        assert len({id(chunk) for chunk in chunks}) == self.pool.size, "a chunk was given back twice"


async def test_everything_is_written_in_order_and_the_memory_given_back():
    line = Line()
    await line.actor().run()
    line.assert_stored()


async def test_no_blow_costs_or_doubles_a_chunk(at_every_await):
    async def scenario(strike):
        line = Line()
        await strike(line.actor)
        line.assert_stored()

    assert await at_every_await(scenario) > 10


@pytest.mark.parametrize("failures", [{1}, {2}, {4}, {2, 3}, {1, 3, 5}])
async def test_what_the_disk_refused_is_given_to_it_again(failures):
    line = Line(failures)
    for _ in failures:
        with pytest.raises(StorageError):
            await line.actor().run()
        assert not line.durable.ended
        assert line.durable.position == line.recording.durable
    await line.actor().run()
    line.assert_stored()


async def test_a_chunk_is_given_back_only_once_it_is_durable():
    line = Line({1})
    with pytest.raises(StorageError):
        await line.actor().run()
    assert line.pool.fill == 0.75


async def test_those_who_wait_are_told_how_far_it_is():
    line, seen = Line(), []

    async def wait():
        assert await line.durable.reach(Position(20))
        seen.append(line.recording.durable)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await line.actor().run()
    assert seen[0] in (20, 30)
