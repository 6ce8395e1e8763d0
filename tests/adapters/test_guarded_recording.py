"""A recording whose disk fails, hangs, and works again."""

import shutil

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from transcriber.adapters.disk import InlineDisk
from transcriber.adapters.emergency_file import EmergencyFile, salvaged
from transcriber.adapters.guarded_recording import LAST_TRY, LONGEST_WAIT, GuardedRecording
from transcriber.adapters.recording import TrackRecording, read_extent, read_pieces
from transcriber.core import journal, piece_codec
from transcriber.core.component_states import Disk
from transcriber.errors import StorageError
from transcriber.types import Block, Gap, GapReason, Position

pytestmark = pytest.mark.anyio

LENGTH = 160
SIZE = 16 * 1024


@pytest.fixture
def anyio_backend():
    return "trio", {"clock": MockClock(autojump_threshold=0)}


def block(number: int) -> Block:
    """Samples that tell their place."""
    start = Position(number * LENGTH)
    return Block(start, b"".join((start + at).to_bytes(2, "little") for at in range(LENGTH)))


class FailingDisk(InlineDisk):
    """A disk that does what it is told."""

    works = True
    tried = 0

    async def run(self, call):
        if not self.works:
            self.tried += 1
            raise StorageError("no space left on the disk")
        return await super().run(call)


class World:
    def __init__(self, folder, size=SIZE):
        self.audio, self.journal = folder / "audio", folder / "journal"
        self.audio.mkdir()
        self.home, self.away = FailingDisk(), FailingDisk()
        self.emergency = folder / "emergency"
        self.size = size
        self.states, self.reasons = [], []

    async def open(self, *, emergency=True, patience=False, remake=None):
        self.recording = await TrackRecording.open(self.audio, self.journal, self.home, remake=remake)
        self.file = file = EmergencyFile(self.emergency, self.size) if emergency else None

        def changed(state, reason):
            self.states.append(state)
            self.reasons.append(reason)

        return GuardedRecording(self.recording, file, self.away, changed, patience=patience)

    def on_disk(self):
        extent = read_extent(self.journal)
        return list(read_pieces(self.audio, extent.gaps, Position(0), extent.durable))


def raises():
    raise StorageError("the disk is away")


def pcm(pieces):
    return b"".join(piece.pcm for piece in pieces if isinstance(piece, Block))


def spoken(first, last):
    return pcm(block(number) for number in range(first, last))


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


async def append(recording, first, last):
    for number in range(first, last):
        assert await recording.append([block(number)]) == (number + 1) * LENGTH


async def test_a_disk_that_works_is_all_there_is(world):
    recording = await world.open()
    await append(recording, 0, 5)
    assert pcm(world.on_disk()) == spoken(0, 5)
    assert world.states == []
    await recording.close()
    assert not world.emergency.exists()


async def test_what_a_failing_disk_does_not_take_is_durable_elsewhere_and_readable(world):
    recording = await world.open()
    await append(recording, 0, 3)
    world.home.works = False
    await append(recording, 3, 8)
    assert world.states == [Disk.EMERGENCY]
    assert [piece_codec.decode(content) for content in salvaged(world.emergency)] == [block(n) for n in range(3, 8)]
    world.home.works = True
    for start, end in [(0, 8 * LENGTH), (LENGTH, 2 * LENGTH), (2 * LENGTH + 7, 4 * LENGTH + 9), (500, 1200)]:
        pieces = await recording.read(Position(start), Position(end))
        assert pcm(pieces) == spoken(0, 8)[2 * start : 2 * end]
        assert (pieces[0].start, pieces[-1].end) == (start, end)


async def test_once_the_disk_works_again_all_of_it_comes_home_in_order(world):
    recording = await world.open()
    await append(recording, 0, 3)
    world.home.works = False
    await append(recording, 3, 8)
    world.home.works = True
    await anyio.sleep(LAST_TRY)
    await append(recording, 8, 10)
    assert pcm(world.on_disk()) == spoken(0, 10)
    assert world.states == [Disk.EMERGENCY, Disk.NORMAL]
    assert salvaged(world.emergency) == []
    world.home.works = False
    await append(recording, 10, 12)
    assert [piece_codec.decode(content) for content in salvaged(world.emergency)] == [block(10), block(11)]


async def test_a_disk_that_fails_is_tried_again_and_ever_less_often(world):
    recording = await world.open()
    world.home.works = False
    for number in range(600):
        await recording.append([Gap(Position(number), Position(number + 1), GapReason.DEVICE)])
        await anyio.sleep(1)
    assert 600 / LAST_TRY <= world.home.tried <= 600 / LAST_TRY + 6


async def test_a_disk_that_fails_again_on_the_way_home_costs_nothing(tmp_path):
    world = World(tmp_path, size=64 * 1024)
    recording = await world.open()
    world.home.works = False
    await append(recording, 0, 100)
    world.home.works = True
    run, budget = world.home.run, [1]

    async def fails_after_one(call):
        world.home.works = bool(budget)
        budget.pop() if budget else None
        return await run(call)

    world.home.run = fails_after_one
    await anyio.sleep(LAST_TRY)
    await append(recording, 100, 102)
    assert world.states == [Disk.EMERGENCY]
    assert 0 < world.recording.durable < 100 * LENGTH
    world.home.run = run
    world.home.works = True
    assert pcm(await recording.read(Position(0), Position(102 * LENGTH))) == spoken(0, 102)
    await anyio.sleep(LAST_TRY)
    await append(recording, 102, 103)
    assert pcm(world.on_disk()) == spoken(0, 103)


@pytest.mark.parametrize("emergency", [True, False], ids=["full", "none"])
async def test_what_finds_no_place_is_one_gap_by_name_and_nobody_stops(tmp_path, emergency):
    world = World(tmp_path, size=2048)
    recording = await world.open(emergency=emergency)
    await append(recording, 0, 2)
    world.home.works = False
    await append(recording, 2, 40)
    assert world.states == [Disk.EMERGENCY, Disk.LOST]
    held = len(salvaged(world.emergency)) if emergency else 0
    assert held == (4 if emergency else 0)
    world.home.works = True
    lost = Gap(Position((2 + held) * LENGTH), Position(40 * LENGTH), GapReason.DISK)
    assert (await recording.read(Position(0), Position(40 * LENGTH)))[-1] == lost
    assert await recording.read(Position(20 * LENGTH), Position(21 * LENGTH)) == [
        Gap(Position(20 * LENGTH), Position(21 * LENGTH), GapReason.DISK)
    ]
    await anyio.sleep(LAST_TRY)
    await append(recording, 40, 42)
    assert world.states == [Disk.EMERGENCY, Disk.LOST, Disk.NORMAL]
    assert f"{(38 - held) * LENGTH / 16_000:g} s of sound could not be kept" in world.reasons[-1]
    pieces = world.on_disk()
    assert [piece for piece in pieces if isinstance(piece, Gap)] == [lost]
    assert pcm(pieces) == spoken(0, 2 + held) + spoken(40, 42)


@pytest.mark.parametrize("emergency", [True, False], ids=["fails", "none"])
async def test_what_finds_no_place_waits_in_memory_while_there_is_room(world, emergency):
    recording = await world.open(emergency=emergency)
    recording.room = lambda: True
    await append(recording, 0, 2)
    world.home.works = world.away.works = False
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(append, recording, 2, 5)
        await anyio.sleep(5)
        assert recording.durable == 2 * LENGTH
        assert recording.busy
        world.home.works = True
    assert world.states == [Disk.EMERGENCY, Disk.NORMAL]
    assert pcm(world.on_disk()) == spoken(0, 5)
    assert not recording.busy


@pytest.mark.parametrize("until", [5, 1000], ids=["full", "too long"])
async def test_what_waits_in_memory_is_lost_once_there_is_no_more_room_and_then_nothing_waits(world, until):
    recording = await world.open(emergency=False)
    world.home.works = False
    recording.room = lambda: anyio.current_time() < until
    await append(recording, 0, 1)
    assert anyio.current_time() == pytest.approx(min(until, LONGEST_WAIT), abs=0.2)
    recording.room = lambda: True
    await append(recording, 1, 3)
    assert anyio.current_time() == pytest.approx(min(until, LONGEST_WAIT), abs=0.2)
    assert world.states == [Disk.EMERGENCY, Disk.LOST]


async def test_an_emergency_file_that_failed_once_is_used_again(world):
    recording = await world.open()
    world.home.works = False
    await append(recording, 0, 2)
    world.away.works = False
    await append(recording, 2, 3)
    world.away.works = True
    await anyio.sleep(LAST_TRY)
    await append(recording, 3, 5)
    assert world.states == [Disk.EMERGENCY, Disk.LOST, Disk.EMERGENCY]
    world.home.works = True
    await recording.close()
    assert pcm(world.on_disk()) == spoken(0, 2) + spoken(3, 5)


async def test_what_the_emergency_file_has_lost_is_a_gap_and_the_rest_comes_home(world):
    recording = await world.open()
    world.home.works = False
    await append(recording, 0, 3)
    content = bytearray(world.emergency.read_bytes())
    content[content.index(spoken(1, 2))] ^= 1
    world.emergency.write_bytes(content)
    world.home.works = True
    lost = Gap(Position(LENGTH), Position(2 * LENGTH), GapReason.DISK)
    assert await recording.read(Position(0), Position(3 * LENGTH)) == [block(0), lost, block(2)]
    await anyio.sleep(LAST_TRY)
    await append(recording, 3, 4)
    assert world.states == [Disk.EMERGENCY, Disk.NORMAL]
    assert pcm(world.on_disk()) == spoken(0, 1) + spoken(2, 4)
    assert [piece for piece in world.on_disk() if isinstance(piece, Gap)] == [lost]


async def test_an_emergency_file_that_cannot_be_emptied_holds_nothing_up(world):
    recording = await world.open()
    world.home.works = False
    await append(recording, 0, 2)
    world.home.works = True
    clear, world.file.clear = world.file.clear, raises
    await anyio.sleep(LAST_TRY)
    await append(recording, 2, 3)
    assert world.states == [Disk.EMERGENCY, Disk.NORMAL]
    world.file.clear = clear
    world.home.works = False
    await append(recording, 3, 5)
    world.home.works = True
    await recording.close()
    assert pcm(world.on_disk()) == spoken(0, 5)


async def test_files_that_were_removed_are_made_anew_at_once_and_what_comes_is_kept(world):
    def remake(durable, _gaps):
        world.audio.mkdir(exist_ok=True)
        journal_file = journal.encode_all([Gap(Position(0), durable, GapReason.DISK)])
        world.journal.write_bytes(journal_file)

    recording = await world.open(remake=remake)
    await append(recording, 0, 3)
    shutil.rmtree(world.audio)
    await append(recording, 3, 5)
    assert world.states == [Disk.EMERGENCY, Disk.NORMAL]
    assert "removed" in world.reasons[0]
    assert f"{3 * LENGTH / 16_000:g} s of sound could not be kept" in world.reasons[1]
    assert pcm(world.on_disk()) == spoken(3, 5)
    await recording.close()
    assert read_extent(world.journal).ended


async def test_files_that_cannot_be_made_anew_leave_the_emergency_file(world):
    def remake(_durable, _gaps):
        raise StorageError("its disk is not there")

    recording = await world.open(remake=remake)
    await append(recording, 0, 3)
    shutil.rmtree(world.audio)
    await append(recording, 3, 5)
    assert world.states == [Disk.EMERGENCY]
    assert [piece_codec.decode(content) for content in salvaged(world.emergency)] == [block(3), block(4)]


async def test_a_source_that_waits_loses_nothing(tmp_path):
    world = World(tmp_path, size=2048)
    recording = await world.open(patience=True)
    world.home.works = False
    await append(recording, 0, 4)
    for _ in range(3):
        with pytest.raises(StorageError):
            await recording.append([block(4)])
    world.home.works = True
    await anyio.sleep(LAST_TRY)
    await append(recording, 4, 6)
    assert pcm(world.on_disk()) == spoken(0, 6)


async def test_a_full_disk_that_still_takes_the_note_of_a_gap_does_not_count_as_working(world, monkeypatch):
    recording = await world.open(emergency=False)
    take = world.recording.append

    async def takes_notes_only(pieces):
        if any(isinstance(piece, Block) for piece in pieces):
            raise StorageError("no space left on the disk")
        return await take(pieces)

    monkeypatch.setattr(world.recording, "append", takes_notes_only)
    for number in range(100):
        await append(recording, number, number + 1)
        await anyio.sleep(1)
    assert world.states == [Disk.EMERGENCY, Disk.LOST]
    monkeypatch.undo()
    await append(recording, 100, 140)
    await anyio.sleep(LAST_TRY)
    await append(recording, 140, 150)
    pieces = world.on_disk()
    assert world.states[-1] is Disk.NORMAL
    assert pcm(pieces) == spoken(140, 150)
    assert {piece.reason for piece in pieces if isinstance(piece, Gap)} == {GapReason.DISK}
    assert sum(piece.end - piece.start for piece in pieces if isinstance(piece, Gap)) == 140 * LENGTH


async def test_an_emergency_file_that_works_again_takes_the_gap_first(world):
    recording = await world.open()
    world.home.works = world.away.works = False
    await append(recording, 0, 3)
    world.away.works = True
    await anyio.sleep(LAST_TRY)
    await append(recording, 3, 5)
    assert world.states == [Disk.EMERGENCY, Disk.LOST, Disk.EMERGENCY]
    found = [piece_codec.decode(content) for content in salvaged(world.emergency)]
    assert found == [Gap(Position(0), Position(3 * LENGTH), GapReason.DISK), block(3), block(4)]


async def test_it_is_not_closed_as_if_all_were_well_while_something_is_elsewhere(world):
    recording = await world.open()
    await append(recording, 0, 2)
    world.home.works = False
    await append(recording, 2, 4)
    await recording.close()
    assert not recording.at_home
    assert len(salvaged(world.emergency)) == 2
    assert not read_extent(world.journal).ended


async def test_closing_brings_home_what_it_can(world):
    recording = await world.open()
    world.home.works = False
    await append(recording, 0, 4)
    world.home.works = True
    await recording.close()
    assert pcm(world.on_disk()) == spoken(0, 4)
    assert not world.emergency.exists()


async def test_at_the_end_a_disk_that_hangs_is_not_waited_for(world):
    recording = await world.open()
    await append(recording, 0, 2)

    async def hangs(_call):
        await anyio.sleep_forever()

    world.home.run = hangs
    recording.limit = 0.5
    await append(recording, 2, 4)
    assert anyio.current_time() == pytest.approx(0.5)
    assert [piece_codec.decode(content) for content in salvaged(world.emergency)] == [block(2), block(3)]


async def test_what_is_given_twice_counts_once(world):
    recording = await world.open()
    await append(recording, 0, 2)
    world.home.works = False
    await append(recording, 2, 4)
    assert await recording.append([block(2), block(3), block(4)]) == 5 * LENGTH
    assert len(salvaged(world.emergency)) == 3


@given(st.lists(st.sampled_from(["block", "gap", "home fails", "away fails", "home works", "away works", "time"])))
def test_whatever_fails_every_sample_is_there_or_a_gap_by_name(tmp_path_factory, steps):
    async def scenario():
        world = World(tmp_path_factory.mktemp("track"))
        recording = await world.open()
        expected, position = [], Position(0)
        for step in steps:
            match step:
                case "block" | "gap":
                    piece = block(position // LENGTH)
                    if step == "gap":
                        piece = Gap(piece.start, piece.end, GapReason.DEVICE)
                    expected.append(piece)
                    position = await recording.append([piece])
                    assert position == piece.end
                case "time":
                    await anyio.sleep(LAST_TRY)
                case _:
                    place, _, what = step.partition(" ")
                    (world.home if place == "home" else world.away).works = what == "works"
        world.home.works = world.away.works = True
        await recording.close()
        assert recording.at_home
        pieces = world.on_disk()
        assert (pieces[-1].end if pieces else 0) == position
        there = pcm(pieces)
        assert there == b"".join(
            piece.pcm
            for piece in expected
            if isinstance(piece, Block)
            and not any(isinstance(gap, Gap) and gap.start <= piece.start < gap.end for gap in pieces)
        )
        lost = sum(gap.end - gap.start for gap in pieces if isinstance(gap, Gap) and gap.reason is GapReason.DISK)
        if "away fails" not in steps:
            assert not lost

    anyio.run(scenario, backend="trio", backend_options={"clock": MockClock(autojump_threshold=0)})
