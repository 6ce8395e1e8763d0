"""What the source delivers is passed on to be kept, and nobody waits for it who must not."""

import anyio
import pytest
from anyio.lowlevel import checkpoint

from transcriber.actors.original import Original
from transcriber.link import Link
from transcriber.types import AudioFormat, DeviceBlock, Gap, GapReason, Position

pytestmark = pytest.mark.anyio

CORE = AudioFormat(16_000, 1)


def block(number: int) -> DeviceBlock:
    return DeviceBlock(Position(number * 10), bytes([number] * 20), CORE)


PIECES = [block(0), block(1), Gap(Position(20), Position(30), GapReason.DEVICE), block(3)]


class Recording:
    """Notes what is taken, once, and what is written of it and when."""

    def __init__(self, most: int = 100):
        self.most = most
        self.held, self.written = [], []
        self.flushes: list[tuple[float, int]] = []

    def take(self, piece):
        if piece not in self.held + self.written:
            self.held.append(piece)
        return len(self.held) >= self.most

    async def flush(self):
        await checkpoint()
        held, self.held = self.held, []
        if held:
            self.flushes.append((anyio.current_time(), len(held)))
        self.written += held


async def test_what_is_taken_is_written_every_second_and_at_the_end():
    pieces, recording = Link("pieces", 100), Recording()
    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Original(pieces, recording, 1.0).run)
        await anyio.sleep(0.05)
        for number in range(25):
            pieces.offer(block(number))
            await anyio.sleep(0.1)
        pieces.end()
    assert [number for _, number in recording.flushes] == [10, 10, 5]
    assert [round(at - began, 6) for at, _ in recording.flushes] == [1.0, 2.0, 2.55]


async def test_what_was_taken_is_written_though_nothing_follows():
    pieces, recording = Link("pieces", 100), Recording()
    pieces.offer(block(0))
    with anyio.move_on_after(1.5):
        await Original(pieces, recording, 1.0).run()
    assert recording.written == [block(0)]


async def test_much_is_written_at_once():
    pieces, recording = Link("pieces", 100), Recording(most=2)
    for number in range(5):
        pieces.offer(block(number))
    pieces.end()
    began = anyio.current_time()
    await Original(pieces, recording, 1.0).run()
    assert [number for _, number in recording.flushes] == [2, 2, 1]
    assert anyio.current_time() == began


async def test_a_life_that_ends_at_any_await_costs_nothing(at_every_await):
    async def scenario(strike):
        pieces, recording = Link("pieces", 10), Recording(most=2)
        for piece in PIECES:
            pieces.offer(piece)
        pieces.end()
        await strike(lambda: Original(pieces, recording, 1.0))
        assert recording.written == PIECES

    assert await at_every_await(scenario) > 5
