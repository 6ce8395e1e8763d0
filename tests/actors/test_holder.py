"""Switching sources, sources that hang, and tracks without a source."""

from dataclasses import replace

import anyio
import pytest
from anyio.lowlevel import checkpoint

from transcriber.actors.capture import Capture, Standby
from transcriber.actors.holder import Holder, delivers
from transcriber.adapters.scripted_source import ScriptedSource
from transcriber.core.timeline import Timeline
from transcriber.errors import DeviceLost, NoDeviceError
from transcriber.link import Link
from transcriber.types import RATE, DeviceBlock, Gap, GapReason, Position, Reading

pytestmark = pytest.mark.anyio

BLOCK = 1_600
"""Samples that a scripted device gives at a time: 0.1 s."""


def tone(seconds: float, byte: int) -> bytes:
    return bytes([byte, byte]) * round(seconds * RATE)


class Device(ScriptedSource):
    """A live device that sounds of one byte, and can take its time to open."""

    def __init__(self, byte, seconds=600.0, *, opening=0.0, **options):
        super().__init__([tone(seconds, byte)], live=True, label=f"device {byte}", **options)
        self.opening = opening

    async def open(self):
        await anyio.sleep(self.opening)
        return await super().open()


class Stuck(Device):
    """A device whose read does not come back until it is let go, whoever cancels it."""

    def __init__(self, byte):
        super().__init__(byte)
        self.answers = anyio.Event()
        self.answers.set()

    async def read(self):
        reading = await super().read()
        with anyio.CancelScope(shield=True):
            await self.answers.wait()
        return reading


def track(source, until=None):
    return Holder(source, Timeline(live=True, until=until)), Link[DeviceBlock | Gap]("blocks", 10_000)


def taken(holder):
    pieces = list(holder.outbox)
    position = 0
    for piece in pieces:
        assert piece.start == position
        position = piece.end if isinstance(piece, Gap) else piece.start + piece.frames
    return pieces


async def read_for(holder, seconds):
    with anyio.move_on_after(seconds):
        while await holder.read():
            pass


class Queueing(Device):
    """A device that goes on while nobody reads: the next reading has what came since the last one."""

    async def open(self):
        form = await super().open()
        self.begun = anyio.current_time()
        return form

    async def read(self):
        now = max(anyio.current_time(), self.begun + 0.1)
        await anyio.sleep(now - anyio.current_time())
        frames, self.begun = round((now - self.begun) * RATE), now
        byte = int(self.label[-1])
        return Reading(bytes([byte, byte]) * frames, now)


async def test_a_switch_costs_no_more_than_a_block_however_long_the_other_takes_to_open():
    holder, _ = track(Queueing(1))
    await holder.open()
    await read_for(holder, 1.0)
    await holder.open(Queueing(2, opening=3.0))
    await read_for(holder, 1.0)
    pieces = taken(holder)
    missing = sum(piece.end - piece.start for piece in pieces if isinstance(piece, Gap))
    assert missing <= BLOCK
    first = sum(len(piece.pcm) // 2 for piece in pieces if isinstance(piece, DeviceBlock) and piece.pcm[0] == 1)
    assert first == pytest.approx(4.1 * RATE, abs=2 * BLOCK)
    assert holder.timeline.position == pytest.approx(anyio.current_time() * RATE, abs=2 * BLOCK)
    await holder.close()


async def test_another_that_cannot_be_opened_leaves_the_first_as_it_is():
    first = Device(1)
    holder, _ = track(first)
    await holder.open()
    await read_for(holder, 0.55)
    with pytest.raises(NoDeviceError):
        await holder.open(Device(2, refusals=[NoDeviceError("none")]))
    assert holder.source is first
    await read_for(holder, 0.55)
    assert not [piece for piece in taken(holder) if isinstance(piece, Gap)]
    await holder.close()


@pytest.mark.parametrize("step", [DeviceLost("gone at once"), None])
async def test_another_that_is_lost_at_once_or_cancelled_is_closed(step):
    other = Device(2, 0.5)
    if step is not None:
        other._steps.insert(0, step)
    first = Device(1)
    holder, _ = track(first)
    await holder.open()
    with anyio.move_on_after(0.05):
        with pytest.raises(DeviceLost) if step else anyio.CancelScope():
            await holder.open(other)
    assert not other._open
    assert first._open
    await holder.close()


async def test_a_source_that_hangs_is_opened_anew_and_its_late_answer_is_dropped():
    source = Stuck(1)
    holder, link = track(source)
    await holder.open()
    errors = []

    async def first_life():
        try:
            await Capture(holder, source, link).run()
        except DeviceLost as error:
            errors.append(str(error))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first_life)
        await anyio.sleep(0.55)
        source.answers = anyio.Event()
        before = holder.readings
        await anyio.sleep(5)
        assert holder.asking
        assert holder.readings == before
        holder.forsake()
        late, source.answers = source.answers, anyio.Event()
        source.answers.set()
        second = Capture(holder, source, link)
        with anyio.move_on_after(0.55):
            await second.run()
        position = holder.timeline.position
        late.set()
        await anyio.wait_all_tasks_blocked()
        assert holder.timeline.position == position
    assert errors == ["device 1 answered after it was given up"]
    assert source.opened == 2
    link.end()
    with link.inbox() as inbox:
        pieces = [piece async for piece in inbox]
    [gap] = [piece for piece in pieces if isinstance(piece, Gap)]
    assert gap.reason is GapReason.DEVICE
    assert gap.end - gap.start == pytest.approx(5 * RATE, abs=2 * BLOCK)
    await holder.close()


async def test_what_the_computer_slept_through_is_a_gap_that_the_loops_own_clock_did_not_see():
    slept = 0.0
    holder = Holder(Queueing(1), Timeline(live=True), slept=lambda: slept)
    await holder.open()
    await read_for(holder, 3.0)
    slept = 1_800.0
    await read_for(holder, 3.0)
    await holder.lose()
    slept = 3_600.0
    await holder.open()
    await read_for(holder, 3.0)
    gaps = [piece for piece in taken(holder) if isinstance(piece, Gap)]
    assert [gap.reason for gap in gaps] == [GapReason.OVERLOAD, GapReason.DEVICE]
    for gap in gaps:
        assert gap.end - gap.start == pytest.approx(1_800 * RATE, abs=2 * BLOCK)
    assert holder.timeline.position == pytest.approx((anyio.current_time() + slept) * RATE, abs=2 * BLOCK)
    await holder.close()


async def test_a_source_that_answers_is_not_asking_and_one_that_is_no_device_never_is():
    holder = Holder(ScriptedSource([tone(1, 1)]), Timeline(live=False))
    await holder.open()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(holder.read)
        await checkpoint()
        assert not holder.asking
    device, _ = track(Device(1))
    await device.open()
    with anyio.move_on_after(0.05):
        await device.read()
    assert not device.asking
    await holder.close()
    await device.close()


async def test_without_a_device_a_track_waits_until_it_is_stopped_and_names_what_is_missing():
    source = ScriptedSource([tone(0.5, 1), DeviceLost("the headset is gone")], live=True)
    holder, link = track(source)
    with pytest.raises(DeviceLost):
        await Capture(holder, source, link).run()
    reasons = []
    async with anyio.create_task_group() as tasks:
        await tasks.start(Standby(holder, link, reasons.append).run)
        await anyio.sleep(9.5)
        assert not [piece for piece in holder.outbox if isinstance(piece, Gap)]
        holder.stop()
    with link.inbox() as inbox:
        pieces = [piece async for piece in inbox]
    assert pieces[-1] == Gap(Position(RATE // 2), Position(10 * RATE), GapReason.DEVICE)
    assert [str(why) for why in reasons] == ["the headset is gone"]
    assert isinstance(holder.fault, NoDeviceError)
    assert "the headset is gone" in str(holder.fault)
    assert "--fallback" in str(holder.fault)


async def test_without_a_device_a_track_ends_at_the_sample_where_it_should():
    holder, link = track(Device(1), until=Position(12_345))
    await holder.open()
    await read_for(holder, 0.25)
    await Standby(holder, link, lambda _why: None).run()
    with link.inbox() as inbox:
        pieces = [piece async for piece in inbox]
    assert pieces[-1].end == 12_345
    assert anyio.current_time() == pytest.approx(12_345 / RATE, abs=1e-3)


async def test_a_device_that_comes_back_ends_the_wait_with_a_gap():
    source = Device(1)
    holder, link = track(source)
    await holder.open()
    await read_for(holder, 0.55)
    with anyio.move_on_after(10):
        await Standby(holder, link, lambda _why: None).run()
    with anyio.move_on_after(1.05):
        await Capture(holder, source, link).run()
    link.end()
    with link.inbox() as inbox:
        gaps = [piece async for piece in inbox if isinstance(piece, Gap)]
    assert [gap.end - gap.start for gap in gaps] == [pytest.approx(10 * RATE, abs=2 * BLOCK)]
    await holder.close()


@pytest.mark.parametrize(
    ("script", "refusals", "answer"),
    [
        ([tone(1, 1)], [], True),
        ([1.0], [], True),
        ([DeviceLost("gone at once")], [], False),
        ([], [], False),
        ([tone(1, 1)], [NoDeviceError("none")], False),
    ],
    ids=["sounds", "is silent", "is lost at once", "has ended", "cannot be opened"],
)
async def test_a_source_that_is_tried_is_closed_again(script, refusals, answer):
    source = ScriptedSource(script, live=True, refusals=refusals)
    assert await delivers(source) is answer
    assert not source._open


NOBODY = Reading(b"", 0.0, absent=True)


class Unfed(Device):
    """A source that nobody feeds for some seconds at its beginning."""

    def __init__(self, byte, absent):
        super().__init__(byte)
        self.absent = absent

    async def read(self):
        if self.absent > 0:
            self.absent -= 0.1
            await anyio.sleep(0.1)
            return replace(NOBODY, at=anyio.current_time())
        return await super().read()


async def test_an_absence_is_told_once_when_it_begins_and_once_when_it_is_over():
    told = []
    holder, _ = track(Unfed(1, 3.0))
    holder.on_absent = lambda absent: told.append((absent, round(anyio.current_time() - began, 1)))
    began = anyio.current_time()
    await holder.open()
    await read_for(holder, 5.05)
    assert told == [(True, 0.1), (False, 3.1)]
    assert [(type(piece), piece.start) for piece in taken(holder)][:2] == [(Gap, 0), (DeviceBlock, 3 * RATE)]


async def test_a_track_that_nobody_feeds_ends_by_the_clock():
    holder, _ = track(Unfed(1, 60.0), until=Position(2 * RATE))
    await holder.open()
    with anyio.fail_after(2.5):
        while await holder.read():
            pass
    assert taken(holder) == [Gap(Position(0), Position(2 * RATE), GapReason.DEVICE)]


async def test_a_track_that_somebody_feeds_at_last_ends_by_its_frames():
    holder, _ = track(Unfed(1, 1.0), until=Position(2 * RATE))
    await holder.open()
    while await holder.read():
        pass
    assert holder.timeline.position == 2 * RATE
    assert [type(piece) for piece in taken(holder)].count(Gap) == 1
