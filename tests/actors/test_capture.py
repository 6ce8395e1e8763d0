import anyio
import pytest

from transcriber.actors.capture import Capture
from transcriber.actors.holder import Holder
from transcriber.adapters.scripted_source import ScriptedSource
from transcriber.core.timeline import Timeline
from transcriber.errors import DeviceLost, NoDeviceError, SourceError
from transcriber.link import Link
from transcriber.types import RATE, AudioFormat, DeviceBlock, Gap, GapReason, Position, Reading

pytestmark = pytest.mark.anyio

WIDE = AudioFormat(48_000, 2)


def sound(seconds: float, first: int = 0) -> bytes:
    """Samples that tell their place."""
    return b"".join(((first + at) % 30_000).to_bytes(2, "little") for at in range(round(seconds * RATE)))


class Track:
    """A source, its holder and the link that it is read into."""

    def __init__(self, *script, until=None, capacity=1000, **options):
        self.source = ScriptedSource(script, **options)
        self.holder = Holder(self.source, Timeline(live=self.source.live, until=until))
        self.link: Link[DeviceBlock | Gap] = Link("blocks", capacity)

    def capture(self, source=None) -> Capture:
        return Capture(self.holder, source or self.source, self.link)

    async def taken(self) -> list[DeviceBlock | Gap]:
        """What the link holds, up to its end."""
        with self.link.inbox() as inbox:
            return [piece async for piece in inbox]


def pcm(pieces) -> bytes:
    return b"".join(piece.pcm for piece in pieces if isinstance(piece, DeviceBlock))


def assert_contiguous(pieces, start=0):
    for piece in pieces:
        assert piece.start == start
        start = piece.end if isinstance(piece, Gap) else piece.start + piece.frames * RATE // piece.format.rate
    return start


async def test_a_file_is_delivered_whole_and_ends_the_link():
    track = Track(sound(1))
    await track.capture().run()
    pieces = await track.taken()
    assert pcm(pieces) == sound(1)
    assert assert_contiguous(pieces) == RATE


@pytest.mark.parametrize("live", [False, True])
async def test_no_blow_costs_or_doubles_a_sample(at_every_await, live):
    async def scenario(strike):
        track = Track(sound(0.7), live=live, capacity=2)
        pieces = []

        async def read():
            pieces.extend(await track.taken())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await strike(track.capture)
        assert pcm(pieces) == sound(0.7)
        assert assert_contiguous(pieces) == RATE * 7 // 10
        await track.holder.close()

    assert await at_every_await(scenario) > 10


async def test_what_an_earlier_life_read_is_sent_though_nothing_more_comes():
    track = Track(sound(0.1), 60.0, live=True)
    await track.holder.open()
    await track.holder.read()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(track.capture().run)
        await anyio.wait_all_tasks_blocked()
        assert track.link.statistics().depth == 1
        tasks.cancel_scope.cancel()


async def test_it_is_ready_when_the_source_is_open():
    track = Track(sound(1), live=True)
    async with anyio.create_task_group() as tasks:
        await tasks.start(track.capture().run)
        assert track.holder.format == AudioFormat(RATE, 1)
        assert anyio.current_time() == pytest.approx(0)
        tasks.cancel_scope.cancel()


async def test_a_source_that_cannot_be_opened_fails_before_it_is_ready():
    track = Track(refusals=[NoDeviceError("none")])
    with pytest.raises(NoDeviceError):
        await track.capture().run()
    await track.capture().run()
    assert await track.taken() == []


async def test_the_time_that_a_device_was_gone_is_a_gap():
    track = Track(sound(0.5), DeviceLost("gone"), sound(0.5, RATE), live=True)
    with pytest.raises(DeviceLost):
        await track.capture().run()
    assert track.holder.format is None
    await anyio.sleep(2)
    await track.capture().run()
    pieces = await track.taken()
    assert [piece for piece in pieces if isinstance(piece, Gap)] == [
        Gap(Position(8_000), Position(40_000), GapReason.DEVICE)
    ]
    assert pcm(pieces) == sound(0.5) + sound(0.5, RATE)
    assert assert_contiguous(pieces) == 48_000
    assert track.source.opened == 2


async def test_another_source_takes_the_place_of_one_that_is_lost():
    track = Track(sound(0.5), DeviceLost("gone"), live=True)
    other = ScriptedSource([bytes(48_000 * 4)], form=WIDE, live=True)
    with pytest.raises(DeviceLost):
        await track.capture().run()
    await anyio.sleep(1)
    await track.capture(other).run()
    pieces = await track.taken()
    assert track.holder.source is other
    assert {piece.format for piece in pieces if isinstance(piece, DeviceBlock)} == {AudioFormat(RATE, 1), WIDE}
    assert assert_contiguous(pieces) == RATE * 5 // 2


async def test_a_source_that_works_is_closed_when_another_takes_its_place():
    track = Track(sound(5), live=True)
    with anyio.move_on_after(0.35):
        await track.capture().run()
    other = ScriptedSource([sound(0.1)], live=True)
    await track.capture(other).run()
    assert not track.source._open
    assert_contiguous(await track.taken())


async def test_frames_that_the_source_dropped_are_a_gap():
    track = Track(Reading(sound(0.1), 0.1), Reading(sound(0.1), 0.3, lost=1600))
    await track.capture().run()
    assert Gap(Position(1600), Position(3200), GapReason.OVERLOAD) in await track.taken()


async def test_a_file_that_breaks_off_ends_in_order_and_says_why():
    broken = SourceError("cut off")
    track = Track(sound(0.3), broken)
    await track.capture().run()
    assert pcm(await track.taken()) == sound(0.3)
    assert track.holder.fault is broken


async def test_to_stop_delivers_what_was_read_and_ends_the_link():
    track = Track(sound(60), live=True)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(track.capture().run)
        await anyio.sleep(0.55)
        track.holder.stop()
    assert pcm(await track.taken()) == sound(0.5)
    assert anyio.current_time() == pytest.approx(0.55)


async def test_to_stop_while_the_device_is_gone_opens_nothing_and_names_what_is_missing():
    track = Track(sound(0.5), DeviceLost("gone"), sound(0.5), live=True)
    with pytest.raises(DeviceLost):
        await track.capture().run()
    await anyio.sleep(1)
    track.holder.stop()
    await track.capture().run()
    assert (await track.taken())[-1] == Gap(Position(8_000), Position(24_000), GapReason.DEVICE)
    assert track.source.opened == 1


@pytest.mark.parametrize("live", [False, True])
async def test_it_ends_by_itself_where_it_was_told_to(live):
    track = Track(sound(60), live=live, until=Position(8_123))
    await track.capture().run()
    assert assert_contiguous(await track.taken()) == 8_123


async def test_to_close_is_idempotent_and_works_in_a_scope_that_is_cancelled():
    track = Track(sound(1))
    await track.holder.open()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await track.holder.close()
    await track.holder.close()
    assert not track.source._open
