import gc
from contextlib import asynccontextmanager
from itertools import cycle

import anyio
import pytest
from anyio.lowlevel import checkpoint

from transcriber.adapters.disk import Disk, InlineDisk
from transcriber.adapters.guarded_transcript import GuardedTranscript
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.app import publisher
from transcriber.app.publisher import Publisher
from transcriber.core import wire
from transcriber.core.tally import Tally
from transcriber.errors import StorageError
from transcriber.events import Committed, GapFound, Partial, SegmentClosed, StateChanged
from transcriber.types import Coverage, Gap, GapReason, Position, Segment, SegmentId, TrackName, Word

pytestmark = pytest.mark.anyio

THEM = TrackName("them")
UNREAD = 50


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch):
    monkeypatch.setattr(publisher, "UNREAD", UNREAD)


class Gate(InlineDisk):
    """A disk that a test can hold up, and let fail."""

    def __init__(self):
        self.open = anyio.Event()
        self.open.set()
        self.error: StorageError | None = None

    async def run(self, call):
        if self.error is not None:
            raise self.error
        answer = await super().run(call)
        await self.open.wait()
        return answer


class Uneven(InlineDisk):
    """A disk whose answers come late, some later than others."""

    def __init__(self):
        self.delays = cycle([5, 0, 3, 1])

    async def run(self, call):
        answer = await super().run(call)
        for _ in range(next(self.delays)):
            await checkpoint()
        return answer


class World:
    def __init__(self, path, disk):
        self.disk = disk
        self.now = 100.0
        self.database = TranscriptDatabase.open(path)
        self.database._connection.execute("PRAGMA synchronous = OFF")  # no test here pulls the plug
        self.tally = Tally()
        transcript = GuardedTranscript(self.database, disk, None, disk, lambda *_: None, most_waiting=0)
        self.publisher = Publisher(transcript, self.tally, lambda: self.now)

    def stored(self) -> list[int]:
        return [seq for seq, _ in self.database.events(limit=10_000)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "transcript.db"


@pytest.fixture
def open_world(path):
    """Open a publisher on the database; one that was opened before is closed, as by a crash."""
    worlds = []

    def make(disk=None) -> World:
        close()
        worlds.append(World(path, disk or Gate()))
        return worlds[-1]

    def close():
        for world in worlds:
            world.database.close()

    yield make
    close()


@pytest.fixture
def world(open_world):
    return open_world()


def state(number: int) -> StateChanged:
    return StateChanged("test", "normal", "alert", str(number))


def partial(text: str = "so") -> Partial:
    return Partial(THEM, Position(0), text)


def gap(start: int, end: int) -> GapFound:
    return GapFound(THEM, Gap(Position(start), Position(end), GapReason.DEVICE))


def missing(end: int) -> Coverage:
    return Coverage(Position(end), 0, 0, end)


@asynccontextmanager
async def reading(subscription):
    """Read all of a subscription beside the test."""
    seen = []

    async def read():
        seen.extend([envelope async for envelope in subscription])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        yield seen


def reasons(envelopes) -> list[int]:
    return [int(envelope.event.reason) for envelope in envelopes if isinstance(envelope.event, StateChanged)]


async def test_events_are_told_in_order_with_numbers_that_grow(world):
    async with reading(world.publisher.subscribe()) as seen:
        for number in range(5):
            await world.publisher.publish(state(number))
            await world.publisher.publish(partial())
        world.publisher.close()
    assert reasons(seen) == list(range(5))
    assert len(seen) == 10
    numbers = [envelope.seq for envelope in seen]
    assert numbers == sorted(set(numbers))
    assert world.stored() == numbers[::2], "a partial is not stored"


async def test_numbers_grow_across_restarts_whatever_was_not_stored(open_world):
    numbers = []
    for life in range(4):
        world = open_world()
        async with reading(world.publisher.subscribe()) as seen:
            for number in range(life * 3 + 1):
                await world.publisher.publish(state(number))
                await world.publisher.publish(partial())
            world.publisher.close()
        numbers += [envelope.seq for envelope in seen]
    assert numbers == sorted(set(numbers))


async def test_more_events_than_are_numbered_at_a_time_keep_their_order(world):
    async with reading(world.publisher.subscribe()) as seen:
        for number in range(2100):
            await world.publisher.publish(partial(str(number)))
            await checkpoint()
        world.publisher.close()
    assert [envelope.event.text for envelope in seen] == [str(number) for number in range(2100)]
    numbers = [envelope.seq for envelope in seen]
    assert numbers == sorted(set(numbers))


async def test_what_is_told_is_stored(world):
    async with reading(world.publisher.subscribe()) as seen:
        world.disk.open = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.publisher.publish, state(1))
            await anyio.wait_all_tasks_blocked()
            assert seen == []
            world.disk.open.set()
        await anyio.wait_all_tasks_blocked()
        world.publisher.close()
    assert [envelope.seq for envelope in seen] == world.stored()


async def test_what_could_not_be_stored_is_told_to_nobody(world):
    async with reading(world.publisher.subscribe()) as seen:
        await world.publisher.publish(state(0))
        world.disk.error = StorageError("full")
        with pytest.raises(StorageError):
            await world.publisher.publish(gap(0, 5), coverage=missing(5), track=THEM)
        with pytest.raises(StorageError):
            await world.publisher.publish(None, coverage=missing(5), track=THEM)
        world.disk.error = None
        await world.publisher.publish(state(1))
        world.publisher.close()
    assert reasons(seen) == [0, 1]
    assert len(seen) == 2
    assert world.tally.of(THEM).counts.gaps == 0
    assert world.tally.of(THEM).coverage == Coverage()


async def test_what_the_disk_stored_after_all_is_told_before_what_follows(open_world):
    await open_world().publisher.publish(state(9))
    world = open_world()
    store = world.database.store

    def store_late(*arguments):
        store(*arguments)
        world.database.store = store
        raise StorageError("no answer from the disk")

    async with reading(world.publisher.subscribe()) as seen:
        world.database.store = store_late
        with pytest.raises(StorageError):
            await world.publisher.publish(gap(0, 5), coverage=missing(5), track=THEM)
        await world.publisher.publish(partial())
        await world.publisher.publish(state(1))
        world.publisher.close()
    assert [type(envelope.event) for envelope in seen] == [GapFound, Partial, StateChanged]
    assert [envelope.seq for envelope in seen] == sorted({envelope.seq for envelope in seen})
    assert world.tally.of(THEM).counts.gaps == 1


async def test_a_publisher_that_is_cancelled_in_the_middle_tells_what_it_stored(world):
    async with reading(world.publisher.subscribe()) as seen:
        await world.publisher.publish(state(0))
        world.disk.open = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.publisher.publish, state(1))
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
            world.disk.open.set()
        await world.publisher.publish(state(2))
        world.publisher.close()
    assert [envelope.seq for envelope in seen] == world.stored()
    assert reasons(seen) == [0, 1, 2]


async def test_a_cancel_while_a_real_disk_stores_leaves_nothing_stored_and_untold(open_world):
    world = open_world(Disk())
    async with reading(world.publisher.subscribe()) as seen:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.publisher.publish, state(1))
            await checkpoint()
            await checkpoint()
            tasks.cancel_scope.cancel()
        stored = await world.disk.run(world.stored)
        world.publisher.close()
    await world.disk.close()
    assert [envelope.seq for envelope in seen] == stored


async def test_those_who_publish_at_once_are_told_in_the_order_of_their_numbers(open_world):
    world = open_world(Uneven())
    async with reading(world.publisher.subscribe()) as seen:
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(world.publisher.publish, state(number))
        world.publisher.close()
    numbers = [envelope.seq for envelope in seen]
    assert numbers == sorted(set(numbers)) == world.stored()
    assert sorted(reasons(seen)) == list(range(20))


async def test_a_gap_that_is_stored_already_is_not_told_again_and_the_cursor_moves_all_the_same(world):
    async with reading(world.publisher.subscribe()) as seen:
        await world.publisher.publish(gap(0, 5), coverage=missing(5), track=THEM)
        await world.publisher.publish(gap(0, 5), coverage=missing(6), track=THEM)
        world.publisher.close()
    assert len(seen) == 1
    assert world.tally.of(THEM).counts.gaps == 1
    assert world.database.cursor(THEM) == world.tally.of(THEM).coverage == missing(6)


async def test_the_cursor_moves_without_an_event(world):
    async with reading(world.publisher.subscribe()) as seen:
        await world.publisher.publish(None, coverage=missing(7), track=THEM)
        await world.publisher.publish(None)
        world.publisher.close()
    assert seen == []
    assert world.database.cursor(THEM) == world.tally.of(THEM).coverage == missing(7)


async def test_a_segment_is_stored_with_its_words_and_counted(world):
    words = (Word(" so", Position(0), Position(10), 0.5),)
    segment = Segment(SegmentId("them-0"), THEM, Position(0), Position(10), words, "en")
    await world.publisher.publish(Committed(THEM, words))
    await world.publisher.publish(SegmentClosed(segment), coverage=Coverage(Position(10), 10), track=THEM)
    assert list(world.database.segments()) == [segment]
    tally = world.tally.of(THEM)
    assert (tally.counts.words, tally.counts.segments, tally.coverage.transcribed) == (1, 1, 10)


async def test_emitted_counts_from_the_position_0_of_the_track(world):
    world.publisher.begin(THEM, 90.0)
    async with reading(world.publisher.subscribe()) as seen:
        world.now = 102.5
        await world.publisher.publish(partial())
        await world.publisher.publish(gap(0, 1))
        await world.publisher.publish(StateChanged("lag", "normal", "alert", "", THEM))
        await world.publisher.publish(state(1))
        world.publisher.close()
    assert [envelope.emitted for envelope in seen] == [12.5, 12.5, 12.5, 2.5]


# Subscriptions


async def test_a_subscription_begins_with_what_comes(world):
    await world.publisher.publish(state(1))
    async with reading(world.publisher.subscribe()) as seen:
        await world.publisher.publish(state(2))
        world.publisher.close()
    assert reasons(seen) == [2]


async def test_a_subscription_after_a_number_begins_with_what_is_stored_and_goes_on_live(world):
    for number in range(5):
        await world.publisher.publish(state(number))
    after = world.stored()[1]
    async with reading(world.publisher.subscribe(after)) as seen:
        await world.publisher.publish(state(5))
        await anyio.wait_all_tasks_blocked()
        await world.publisher.publish(partial())
        await world.publisher.publish(state(6))
        world.publisher.close()
    assert reasons(seen) == [2, 3, 4, 5, 6]
    assert isinstance(seen[-2].event, Partial)


async def test_a_replay_longer_than_one_reading_of_the_database_is_whole(open_world):
    world = open_world()
    for number in range(1500):
        await world.publisher.publish(state(number))
    world = open_world()
    async with reading(world.publisher.subscribe(0)) as seen:
        await world.publisher.publish(state(1500))
        world.publisher.close()
    assert reasons(seen) == list(range(1501))
    assert [wire.encode(envelope) for envelope in seen[:3]] == [line for _, line in world.database.events(limit=3)]


@pytest.mark.parametrize("after", [None, 0])
@pytest.mark.parametrize("count", [UNREAD, UNREAD + 1, 2 * UNREAD + 5])
async def test_a_reader_that_is_too_slow_gets_every_event_that_is_stored_once_and_in_order(world, after, count):
    await world.publisher.publish(state(0))
    subscription = world.publisher.subscribe(after)
    for number in range(1, count + 1):
        await world.publisher.publish(state(number))
    assert len(subscription._waiting) <= UNREAD
    async with reading(subscription) as seen:
        await anyio.wait_all_tasks_blocked()
        await world.publisher.publish(state(count + 1))
        world.publisher.close()
    assert reasons(seen) == list(range(0 if after == 0 else 1, count + 2))


async def test_a_reader_that_falls_behind_while_it_reads_the_database_misses_nothing(world):
    await world.publisher.publish(state(0))
    async with reading(world.publisher.subscribe(world.stored()[0])) as seen:
        world.disk.open = held = anyio.Event()
        await anyio.wait_all_tasks_blocked()  # the answer that there is nothing is on its way to the reader
        world.disk.open = anyio.Event()
        world.disk.open.set()
        for number in range(1, UNREAD + 50):
            await world.publisher.publish(state(number))
        held.set()
        await anyio.wait_all_tasks_blocked()
        world.publisher.close()
    assert reasons(seen) == list(range(1, UNREAD + 50))


async def test_a_reader_that_is_cancelled_goes_on_where_it_was(world):
    for number in range(3):
        await world.publisher.publish(state(number))
    with world.publisher.subscribe(0) as subscription:
        seen = [await anext(subscription)]
        for _ in range(5):
            with anyio.CancelScope() as scope:
                scope.cancel()
                seen.append(await anext(subscription))
        world.publisher.close()
        seen += [envelope async for envelope in subscription]
    assert reasons(seen) == [0, 1, 2]


async def test_a_reader_that_gives_up_waiting_may_come_back(world):
    subscription = world.publisher.subscribe(0)
    with anyio.move_on_after(0):
        await anext(subscription)
    await world.publisher.publish(state(1))
    assert (await anext(subscription)).event == state(1)


async def test_whoever_comes_after_the_end_gets_what_is_stored_or_nothing(world):
    await world.publisher.publish(state(1))
    world.publisher.close()
    world.publisher.close()
    assert reasons([envelope async for envelope in world.publisher.subscribe(0)]) == [1]
    assert [envelope async for envelope in world.publisher.subscribe()] == []


async def test_a_reader_that_leaves_ends_its_subscription_and_no_other(world):
    other = world.publisher.subscribe()
    with world.publisher.subscribe() as subscription:
        await world.publisher.publish(state(1))
        assert (await anext(subscription)).event == state(1)
    await world.publisher.publish(state(2))
    assert [envelope async for envelope in subscription] == []
    world.publisher.close()
    assert reasons([envelope async for envelope in other]) == [1, 2]


async def test_a_subscription_that_nobody_holds_is_forgotten(world):
    world.publisher.subscribe()
    kept = world.publisher.subscribe()
    gc.collect()
    await world.publisher.publish(state(1))
    assert set(world.publisher._subscriptions) == {kept}


async def test_a_database_that_failed_is_opened_anew(open_world):
    world = open_world(Disk())
    await world.publisher.publish(state(1))
    call = world.database.store

    def fail(*_):
        raise StorageError("no answer")

    world.database.store = fail
    with pytest.raises(StorageError):
        await world.publisher.publish(state(2))
    world.database.store = call
    await world.publisher.publish(state(3))
    lines = await world.disk.run(world.database.events)
    assert reasons([wire.decode(line) for _, line in lines]) == [1, 3]
    await world.disk.close()
