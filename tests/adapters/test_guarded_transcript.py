"""A transcript whose disk fails, and works again."""

import anyio
import pytest
from trio.testing import MockClock

from transcriber.adapters.disk import InlineDisk
from transcriber.adapters.emergency_file import EmergencyFile, salvaged
from transcriber.adapters.guarded_recording import LAST_TRY
from transcriber.adapters.guarded_transcript import GuardedTranscript
from transcriber.adapters.transcript_db import RESERVED, TranscriptDatabase
from transcriber.core import wire
from transcriber.core.component_states import Disk
from transcriber.core.past import Past
from transcriber.core.transcript_entry import Entry, from_held
from transcriber.errors import StorageError
from transcriber.events import Committed, Envelope, GapFound, SegmentClosed, StateChanged
from transcriber.types import Coverage, Gap, GapReason, Position, Segment, SegmentId, TrackName, Word

pytestmark = pytest.mark.anyio

THEM = TrackName("them")


@pytest.fixture
def anyio_backend():
    return "trio", {"clock": MockClock(autojump_threshold=0)}


class FailingDisk(InlineDisk):
    works = True

    async def run(self, call):
        if not self.works:
            raise StorageError("database or disk is full")
        return await super().run(call)


def word(number):
    return Word(f" w{number}", Position(number * 100), Position(number * 100 + 50), 0.9)


def entry(seq, event, position=None):
    envelope = Envelope(seq, float(seq), event)
    coverage = None if position is None else Coverage(Position(position), position, 0, 0)
    return Entry(envelope, wire.encode(envelope), coverage, THEM)


def commit(seq, *numbers):
    return entry(seq, Committed(THEM, tuple(map(word, numbers))))


def segment(seq, *numbers):
    words = tuple(map(word, numbers))
    end = words[-1].end
    return entry(
        seq, SegmentClosed(Segment(SegmentId(f"them-{words[0].start}"), THEM, words[0].start, end, words, "en")), end
    )


class World:
    def __init__(self, folder, *, emergency=True):
        self.folder = folder
        self.database = TranscriptDatabase.open(folder / "transcript.db")
        self.home, self.away = FailingDisk(), FailingDisk()
        self.file = EmergencyFile(folder / "emergency", 1 << 16) if emergency else None
        self.states = []
        self.transcript = GuardedTranscript(
            self.database, self.home, self.file, self.away, lambda state, _why: self.states.append(state)
        )

    def stored(self):
        return [seq for seq, _ in self.database.events()]

    def held(self):
        return [from_held(content)[0] for content in salvaged(self.folder / "emergency")]


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.database.close()


async def test_while_the_database_fails_entries_are_durable_elsewhere_and_come_home_in_order(world):
    first = (await world.transcript.reserve()).start
    entries = [commit(first, 1, 2), commit(first + 1, 3), segment(first + 2, 1, 2, 3), commit(first + 3, 4)]
    assert await world.transcript.store(entries[0])
    world.home.works = False
    for one in entries[1:]:
        assert await world.transcript.store(one)
    assert world.held() == entries[1:]
    assert world.stored() == [first]
    assert not world.transcript.at_home
    world.home.works = True
    await anyio.sleep(LAST_TRY)
    assert await world.transcript.store(commit(first + 4, 5))
    assert world.stored() == list(range(first, first + 5))
    assert [one.text for one in world.database.segments()] == ["w1 w2 w3"]
    assert world.states == [Disk.EMERGENCY, Disk.NORMAL]
    assert world.held() == []
    assert world.transcript.at_home


async def test_who_reads_gets_what_is_stored_and_what_waits(world):
    first = (await world.transcript.reserve()).start
    await world.transcript.store(commit(first, 1, 2))
    world.home.works = False
    await world.transcript.store(commit(first + 1, 3))
    await world.transcript.store(segment(first + 2, 1, 2))
    await world.transcript.store(commit(first + 3, 4))
    world.home.works = True
    past = await world.transcript.past(THEM, 1_000)
    assert list(past.open_words) == [word(3), word(4)]
    assert past.coverage.position == 250
    assert [one.text for one in past.segments] == ["w1 w2"]
    assert await world.transcript.past(TrackName("me"), 1_000) == Past(open_words=[])
    assert [seq for seq, _ in await world.transcript.events(0)] == [first]
    assert [seq for seq, _ in await world.transcript.events(first)] == [first + 1, first + 2, first + 3]
    assert [seq for seq, _ in await world.transcript.events(first + 2)] == [first + 3]


async def test_numbers_go_on_while_the_database_fails_and_are_never_given_again(world):
    numbers = list(await world.transcript.reserve())
    world.home.works = False
    await world.transcript.store(entry(numbers[-1], StateChanged("lag", "normal", "alert", "so")))
    more = await world.transcript.reserve()
    assert more == range(numbers[-1] + 1, numbers[-1] + 1 + RESERVED)
    world.home.works = True
    await anyio.sleep(LAST_TRY)
    await world.transcript.store(entry(more[0], StateChanged("lag", "alert", "normal", "so")))
    assert (await world.transcript.reserve()).start > more[-1]


async def test_numbers_that_were_given_while_the_database_failed_are_its_own_before_they_are_stored(world):
    numbers = list(await world.transcript.reserve())
    world.home.works = False
    more = await world.transcript.reserve()
    world.home.works = True
    await world.transcript.store(entry(more[0], StateChanged("lag", "normal", "alert", "so")))
    assert world.database.reserved() >= more[-1]  # a crash now, and the next run goes on after them
    assert (await world.transcript.reserve()).start > more[-1] > numbers[-1]


async def test_numbers_go_on_where_the_database_fails_only_for_a_moment(world):
    await world.transcript.reserve()
    world.home.works = False
    more = await world.transcript.reserve()
    world.home.works = True
    assert (await world.transcript.reserve()).start > more[-1]


async def test_without_a_number_to_go_on_from_the_failure_is_told(world):
    world.home.works = False
    with pytest.raises(StorageError):
        await world.transcript.reserve()


@pytest.mark.parametrize("emergency", [True, False])
async def test_where_the_emergency_file_fails_too_memory_is_all_there_is(tmp_path, emergency):
    world = World(tmp_path, emergency=emergency)
    first = (await world.transcript.reserve()).start
    world.home.works = world.away.works = False
    await world.transcript.store(commit(first, 1))
    assert world.states == [Disk.EMERGENCY, Disk.LOST]
    world.home.works = world.away.works = True
    assert await world.transcript.come_home()
    assert world.stored() == [first]
    await world.transcript.close()


async def test_an_emergency_file_that_works_again_gets_all_that_waits_in_order(world):
    first = (await world.transcript.reserve()).start
    entries = [commit(first, 1), commit(first + 1, 2), segment(first + 2, 1, 2), commit(first + 3, 3)]
    world.home.works = False
    await world.transcript.store(entries[0])
    world.away.works = False
    await world.transcript.store(entries[1])
    await world.transcript.store(entries[2])
    world.away.works = True
    await world.transcript.store(entries[3])
    assert world.states == [Disk.EMERGENCY, Disk.LOST, Disk.EMERGENCY]
    assert world.held() == entries
    afters = [from_held(content)[1] for content in salvaged(world.folder / "emergency")]
    assert afters == [0, first, first + 1, first + 2]


async def test_an_emergency_file_that_cannot_be_emptied_holds_nothing_up(world):
    first = (await world.transcript.reserve()).start
    world.home.works = False
    await world.transcript.store(commit(first, 1))
    world.home.works, world.away.works = True, False
    await anyio.sleep(LAST_TRY)
    await world.transcript.store(commit(first + 1, 2))
    assert world.states == [Disk.EMERGENCY, Disk.NORMAL]
    assert world.stored() == [first, first + 1]


async def test_a_database_that_was_removed_takes_nothing_as_durable_and_is_not_begun_anew(world):
    first = (await world.transcript.reserve()).start
    await world.transcript.store(commit(first, 1))
    for file in world.folder.glob("transcript.db*"):
        file.unlink()
    await world.transcript.store(commit(first + 1, 2))
    await anyio.sleep(LAST_TRY)
    await world.transcript.store(segment(first + 2, 1, 2))
    assert world.states == [Disk.EMERGENCY]
    assert [one.envelope.seq for one in world.held()] == [first + 1, first + 2]
    assert not (world.folder / "transcript.db").exists()


async def test_what_finds_no_room_in_memory_is_refused(world):
    transcript = GuardedTranscript(world.database, world.home, None, world.away, lambda *_: None, most_waiting=2)
    first = (await transcript.reserve()).start
    world.home.works = False
    await transcript.store(commit(first, 1))
    await transcript.store(commit(first + 1, 2))
    with pytest.raises(StorageError, match="check the disk"):
        await transcript.store(commit(first + 2, 3))


async def test_it_is_closed_with_all_that_can_be_stored_and_keeps_the_file_for_the_rest(world):
    first = (await world.transcript.reserve()).start
    world.home.works = False
    await world.transcript.store(commit(first, 1))
    with pytest.raises(StorageError):
        await world.transcript.close()
    assert [one.envelope.seq for one in world.held()] == [first]


def test_an_entry_is_read_as_it_was_held():
    gap = GapFound(THEM, Gap(Position(33), Position(77), GapReason.DISK))
    alert = StateChanged("lag", "normal", "alert", "so")
    alone = Entry(None, "", Coverage(Position(7), 3, 4, 0), THEM)
    for one in (commit(3, 1, 2), segment(4, 1, 2), entry(5, gap), entry(6, alert), alone):
        assert from_held(one.held(after=2)) == (one, 2)
