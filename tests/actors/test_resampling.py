import math

import anyio
import numpy as np
import pytest

from transcriber.actors.resampling import Conversion, Resampling, Tee
from transcriber.adapters.soxr_resampler import SoxrResampler
from transcriber.core.timeline import samples_of
from transcriber.link import Link
from transcriber.types import AudioFormat, Block, DeviceBlock, Gap, GapReason, Position

pytestmark = pytest.mark.anyio

WIDE = AudioFormat(44_100, 2)
CORE = AudioFormat(16_000, 1)
GAP = GapReason.DEVICE


class Holding:
    """A resampler from 16 kHz to 16 kHz that holds back the newest samples, as a filter does."""

    def __init__(self, form: AudioFormat):
        assert form == CORE
        self.rest = b""

    def feed(self, pcm: bytes) -> bytes:
        self.rest += pcm
        given, self.rest = self.rest[:-20], self.rest[-20:]
        return given

    def flush(self) -> bytes:
        given, self.rest = self.rest, b""
        return given


def sound(start: int, end: int) -> bytes:
    return b"".join((at % 30_000).to_bytes(2, "little") for at in range(start, end))


def block(start: int, end: int) -> DeviceBlock:
    return DeviceBlock(Position(start), sound(start, end), CORE)


class Line:
    """Resampling between two links."""

    def __init__(self, *pieces, make=Holding, capacity=1000):
        self.blocks: Link[DeviceBlock | Gap] = Link("blocks", 1000)
        self.samples: Link[Block | Gap] = Link("samples", capacity)
        self.conversion = Conversion(make)
        self.metered: list[Block] = []
        for piece in pieces:
            self.blocks.offer(piece)
        self.blocks.end()

    def actor(self) -> Resampling:
        return Resampling(self.blocks, self.samples, self.conversion, self.metered.append)

    async def taken(self) -> list[Block | Gap]:
        with self.samples.inbox() as inbox:
            return [piece async for piece in inbox]


def joined(pieces) -> list[tuple[int, bytes] | Gap]:
    """The pieces with blocks that follow one another put together."""
    found: list[tuple[int, bytes] | Gap] = []
    for piece in pieces:
        if isinstance(piece, Gap):
            found.append(piece)
        elif found and isinstance(found[-1], tuple) and found[-1][0] + len(found[-1][1]) // 2 == piece.start:
            found[-1] = found[-1][0], found[-1][1] + piece.pcm
        else:
            found.append((piece.start, piece.pcm))
    return found


PIECES = [
    block(0, 100),
    block(100, 105),
    Gap(Position(105), Position(300), GAP),
    block(300, 350),
    Gap(Position(350), Position(360), GAP),
    Gap(Position(360), Position(365), GapReason.OVERLOAD),
    block(365, 380),
    block(380, 500),
]
WANTED = [(0, sound(0, 105)), PIECES[2], (300, sound(300, 350)), PIECES[4], PIECES[5], (365, sound(365, 500))]


async def test_what_the_filter_held_back_comes_before_a_gap_and_at_the_end():
    line = Line(*PIECES)
    await line.actor().run()
    assert joined(await line.taken()) == WANTED


async def test_no_blow_costs_doubles_or_moves_a_sample(at_every_await):
    async def scenario(strike):
        line = Line(*PIECES, capacity=1)
        pieces = []

        async def read():
            pieces.extend(await line.taken())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await strike(line.actor)
        assert joined(pieces) == WANTED

    assert await at_every_await(scenario) > 10


async def test_what_an_earlier_life_converted_is_sent_though_nothing_more_comes():
    line = Line()
    line.blocks = Link("blocks", 1)
    line.conversion.take(block(0, 100))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(line.actor().run)
        await anyio.wait_all_tasks_blocked()
        assert line.samples.statistics().depth == 1
        tasks.cancel_scope.cancel()


async def test_a_block_that_the_resampler_fails_on_is_given_to_it_again():
    class Failing(Holding):
        failures = 1

        def feed(self, pcm: bytes) -> bytes:
            if pcm == PIECES[1].pcm and Failing.failures:
                Failing.failures -= 1
                raise MemoryError
            return super().feed(pcm)

    line = Line(*PIECES, make=Failing)
    with pytest.raises(MemoryError):
        await line.actor().run()
    await line.actor().run()
    assert joined(await line.taken()) == WANTED


def tone(frames: int, start: int = 0) -> bytes:
    at = np.arange(start, start + frames) / WIDE.rate
    one = np.round(8000 * np.sin(2 * np.pi * 440 * at)).astype("<i2")
    return np.repeat(one, 2).tobytes()


async def test_a_rate_that_does_not_divide_gives_the_exact_number_of_samples_in_any_blocks():
    lengths = [441, 1, 7, 4410, 1000, 333] * 5
    pieces, frames = [], 0
    for length in lengths:
        pieces.append(DeviceBlock(Position(samples_of(frames, WIDE.rate)), tone(length, frames), WIDE))
        frames += length
    line = Line(*pieces, make=SoxrResampler)
    await line.actor().run()
    [(start, pcm)] = joined(await line.taken())
    assert start == 0
    assert len(pcm) // 2 == samples_of(frames, WIDE.rate)
    found = np.frombuffer(pcm, "<i2").astype(float)[200:-200]
    at = (np.arange(len(found)) + 200) / 16_000
    assert np.max(np.abs(found - 8000 * np.sin(2 * math.pi * 440 * at))) < 100, "the tone is where it was"


async def test_a_format_that_changes_begins_a_new_run():
    first = DeviceBlock(Position(0), tone(4410), WIDE)
    line = Line(first, block(1600, 1700), make=lambda form: SoxrResampler(form) if form == WIDE else Holding(form))
    await line.actor().run()
    [(start, pcm)] = joined(await line.taken())
    assert start == 0
    assert len(pcm) // 2 == 1700
    assert pcm[3200:] == sound(1600, 1700)


async def test_every_block_is_metered():
    line = Line(*PIECES)
    await line.actor().run()
    assert line.metered == [piece for piece in await line.taken() if isinstance(piece, Block)]


async def test_nothing_in_gives_nothing_and_ends():
    line = Line()
    await line.actor().run()
    assert await line.taken() == []


def teed(line: Line, *, capacity: int, waits: bool) -> Link[DeviceBlock | Gap]:
    """Have the pieces of a line passed on as well, as they are."""
    originals: Link[DeviceBlock | Gap] = Link("originals", capacity)
    line.actor = lambda: Resampling(
        line.blocks, line.samples, line.conversion, line.metered.append, Tee(originals, waits)
    )
    return originals


async def test_no_blow_costs_a_piece_that_is_to_be_kept_as_it_is(at_every_await):
    async def scenario(strike):
        line = Line(*PIECES)
        originals, kept = teed(line, capacity=1, waits=True), []

        async def read():
            with originals.inbox() as inbox:
                async for piece in inbox:
                    kept.extend([piece] if piece not in kept else [])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await strike(line.actor)
        assert kept == PIECES
        assert joined(await line.taken()) == WANTED

    assert await at_every_await(scenario) > 10


async def test_who_keeps_the_original_of_a_device_is_never_waited_for():
    line = Line(*PIECES)
    originals = teed(line, capacity=2, waits=False)
    await line.actor().run()
    assert joined(await line.taken()) == WANTED
    with originals.inbox() as inbox:
        assert [piece async for piece in inbox] == PIECES[:2]


@pytest.mark.parametrize("waits", [True, False])
async def test_who_keeps_the_original_and_failed_for_good_holds_nobody_up(waits):
    line = Line(*PIECES)
    originals = teed(line, capacity=1, waits=waits)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(line.actor().run)
        await anyio.wait_all_tasks_blocked()
        assert originals.congested() is waits
        originals.end()
    assert joined(await line.taken()) == WANTED
