import anyio
import pytest

from transcriber.actors.buffering import Buffering
from transcriber.core.assembly import Assembly
from transcriber.core.pool import Chunk, Pool
from transcriber.link import Link
from transcriber.types import Block, Gap, GapReason, Position

pytestmark = pytest.mark.anyio

SIZE = 40  # bytes: 20 samples


def sound(start: int, end: int) -> bytes:
    return b"".join((at % 30_000).to_bytes(2, "little") for at in range(start, end))


def block(start: int, end: int) -> Block:
    return Block(Position(start), sound(start, end))


def gap(start: int, end: int) -> Gap:
    return Gap(Position(start), Position(end), GapReason.DEVICE)


class Line:
    """Buffering, with the links before and behind it; `stored` and `heard` are what came out, and when."""

    def __init__(self, *pieces, chunks=8, link=5, speech=100, flush_after=0.5, watermark=0.8):
        self.samples: Link[Block | Gap] = Link("samples", 1000)
        self.chunks: Link[Chunk | Gap] = Link("chunks", link)
        self.speech: Link[Block | Gap] = Link("speech", speech)
        self.assembly = Assembly(Pool(chunks, SIZE))
        self.flush_after = flush_after
        self.watermark = watermark
        self.stored: list[tuple[float, Block | Gap]] = []
        for piece in pieces:
            self.samples.offer(piece)

    def actor(self) -> Buffering:
        return Buffering(
            samples=self.samples,
            chunks=self.chunks,
            speech=self.speech,
            assembly=self.assembly,
            flush_after=self.flush_after,
            watermark=self.watermark,
        )

    async def store(self) -> None:
        """What storage does."""
        with self.chunks.inbox() as inbox:
            async for piece in inbox:
                if isinstance(piece, Chunk):
                    self.stored.append((anyio.current_time(), piece.block()))
                    self.assembly.pool.release(piece)
                else:
                    self.stored.append((anyio.current_time(), piece))

    async def heard(self) -> list[Block | Gap]:
        with self.speech.inbox() as inbox:
            return [piece async for piece in inbox]

    def flat(self) -> list[Gap | tuple[int, int]]:
        """Every sample that was stored, with its position, and every gap, in order."""
        found: list[Gap | tuple[int, int]] = []
        for _, piece in self.stored:
            if isinstance(piece, Gap):
                found.append(piece)
            else:
                values = [int.from_bytes(piece.pcm[at : at + 2], "little") for at in range(0, len(piece.pcm), 2)]
                found += enumerate(values, piece.start)
        return found


def samples(start: int, end: int) -> list[tuple[int, int]]:
    return [(at, at) for at in range(start, end)]


PIECES = [block(0, 5), block(5, 75), gap(75, 90), block(90, 91), gap(91, 95), block(95, 115), block(115, 200)]
WANTED = [*samples(0, 75), PIECES[2], *samples(90, 91), PIECES[4], *samples(95, 200)]


async def run(line: Line, *, end=True) -> None:
    if end:
        line.samples.end()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(line.store)
        await line.actor().run()


async def test_storage_gets_everything_in_chunks_and_transcription_the_blocks_as_they_came():
    line = Line(*PIECES)
    await run(line)
    assert line.flat() == WANTED
    assert all(len(piece.pcm) <= SIZE for _, piece in line.stored if isinstance(piece, Block))
    assert await line.heard() == PIECES
    assert line.assembly.pool.fill == 0


@pytest.mark.parametrize("link", [1, 5])
async def test_no_blow_costs_or_doubles_a_sample(at_every_await, link):
    async def scenario(strike):
        line = Line(*PIECES, link=link, chunks=link + 3)
        line.samples.end()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(line.store)
            await strike(line.actor)
        assert line.flat() == WANTED
        assert line.assembly.pool.fill == 0
        heard = await line.heard()
        assert [piece for at, piece in enumerate(heard) if piece not in heard[:at]] == PIECES

    assert await at_every_await(scenario) > 10


@pytest.mark.parametrize("length", [3, 20, 25, 40])
async def test_nothing_waits_longer_for_more_than_it_may(length):
    line = Line()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(line.store)
        tasks.start_soon(line.actor().run)
        await anyio.sleep(10)
        line.samples.offer(block(0, length))
        await anyio.sleep(0.3)
        line.samples.offer(block(length, length + 1))
        await anyio.sleep(100)
        assert line.flat() == samples(0, length + 1)
        begun = dict.fromkeys(range(length), 10.0) | {length: 10.3}
        for now, piece in line.stored:
            assert now - begun[piece.start] <= 0.5 + 1e-6
        tasks.cancel_scope.cancel()


async def test_a_block_that_fills_its_chunks_exactly_leaves_none_behind():
    line = Line(block(0, 40))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(line.store)
        tasks.start_soon(line.actor().run)
        await anyio.sleep(100)
        assert line.flat() == samples(0, 40)
        tasks.cancel_scope.cancel()


async def test_what_an_earlier_life_put_together_is_sent_though_nothing_more_comes():
    line = Line()
    line.assembly.add(block(0, 20))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(line.store)
        tasks.start_soon(line.actor().run)
        await anyio.wait_all_tasks_blocked()
        assert line.flat() == samples(0, 20)
        tasks.cancel_scope.cancel()


async def test_a_chunk_that_fills_in_time_is_not_cut_short():
    line = Line()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(line.store)
        tasks.start_soon(line.actor().run)
        for start in range(0, 200, 5):
            line.samples.offer(block(start, start + 5))
            await anyio.sleep(0.1)
        assert {len(piece.pcm) for _, piece in line.stored} == {SIZE}
        tasks.cancel_scope.cancel()


async def test_a_transcription_that_takes_nothing_holds_nothing_up():
    line = Line(*(block(start, start + 10) for start in range(0, 500, 10)), speech=2)
    await run(line)
    assert line.flat() == samples(0, 500)
    assert await line.heard() == [block(0, 10), block(10, 20)]


async def test_a_storage_that_takes_nothing_holds_everything_up_within_the_pool():
    line = Line(*(block(start, start + 50) for start in range(0, 5000, 50)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(line.actor().run)
        await anyio.wait_all_tasks_blocked()
        assert line.assembly.pool.fill <= 1
        left = line.samples.statistics().depth
        assert left > 90
        line.samples.end()
        await line.store()
        tasks.cancel_scope.cancel()
    assert line.flat() == samples(0, 5000)


async def test_while_the_disk_is_behind_chunks_are_filled_and_the_last_one_goes_as_soon_as_it_is_not():
    line = Line()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(line.actor().run)
        for start in range(85):
            line.samples.offer(block(start, start + 1))
            await anyio.sleep(0.2)
        tasks.start_soon(line.store)
        await anyio.sleep(0.2)
        assert [piece.end for _, piece in line.stored] == [3, 23, 43, 63, 83, 85]
        tasks.cancel_scope.cancel()


async def test_above_the_watermark_transcription_is_offered_nothing():
    line = Line(*(block(start, start + 20) for start in range(0, 160, 20)), chunks=8, link=5, watermark=0.5)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(line.actor().run)
        await anyio.wait_all_tasks_blocked()
        assert line.speech.statistics().depth == 3, "the fourth chunk in use is half of the pool"
        line.samples.end()
        await line.store()
    assert line.flat() == samples(0, 160)


async def test_both_links_end_with_the_samples():
    line = Line()
    await run(line)
    assert line.chunks.statistics().ended
    assert line.speech.statistics().ended
    assert line.stored == []
