"""The publisher: what is told was stored, what is stored is told, to readers of any speed."""

import time
from contextlib import closing

import anyio
import anyio.lowlevel
import pytest

from transcriber.adapters.disk import Disk, InlineDisk
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.app.publisher import UNREAD, Publisher
from transcriber.core.tally import Tally
from transcriber.events import Committed, Partial, StateChanged
from transcriber.types import Coverage, Position, TrackName, Word

pytestmark = pytest.mark.anyio

THEM = TrackName("them")


@pytest.fixture
def database(tmp_path):
    with closing(TranscriptDatabase.open(tmp_path / "transcript.db")) as database:
        yield database


@pytest.fixture
def publisher(database):
    return Publisher(InlineDisk(), database, Tally(), time.monotonic)


def changed(number: int) -> StateChanged:
    return StateChanged("part", str(number), str(number + 1), "")


def numbers(envelopes) -> list[int]:
    return [int(envelope.event.before) for envelope in envelopes]


async def test_a_reader_that_is_slower_than_memory_goes_on_from_the_database(publisher):
    reader, count = publisher.subscribe(), 2 * UNREAD + 10
    for number in range(count):
        await publisher.publish(changed(number))
    publisher.close()
    assert numbers([envelope async for envelope in reader]) == list(range(count))


async def test_a_reader_may_give_up_waiting_and_come_back(publisher):
    reader = publisher.subscribe(after=0)
    with anyio.move_on_after(0):
        await anext(reader)
    await publisher.publish(changed(0))
    assert numbers([await anext(reader)]) == [0]


async def test_a_late_reader_gets_what_was_before_it_and_each_event_once(publisher):
    await publisher.publish(changed(0))
    reader = publisher.subscribe(after=0)
    await publisher.publish(changed(1))
    publisher.close()
    assert numbers([envelope async for envelope in reader]) == [0, 1]


async def test_whoever_left_is_told_nothing_more(publisher):
    with publisher.subscribe() as reader:
        await publisher.publish(changed(0))
    await publisher.publish(changed(1))
    assert numbers([envelope async for envelope in reader]) == [0]


async def test_a_partial_is_told_and_not_stored(publisher, database):
    reader = publisher.subscribe()
    await publisher.publish(Partial(THEM, Position(0), " hel"))
    assert isinstance((await anext(reader)).event, Partial)
    assert not database.events(0)


async def test_a_cancel_in_the_middle_of_storing_leaves_nothing_stored_and_untold(database):
    disk = Disk()
    publisher = Publisher(disk, database, Tally(), anyio.current_time)
    reader = publisher.subscribe()
    word = Word(" hello", Position(0), Position(10), 0.5)
    started = anyio.Event()

    async def store(scope: anyio.CancelScope) -> None:
        with scope:
            started.set()
            await publisher.publish(Committed(THEM, (word,)), coverage=Coverage(), track=THEM)

    async with anyio.create_task_group() as tasks:
        scope = anyio.CancelScope()
        tasks.start_soon(store, scope)
        await started.wait()
        await anyio.lowlevel.checkpoint()
        scope.cancel()
    stored = await disk.run(lambda: database.events(0))
    publisher.close()
    await disk.close()
    told = [envelope.seq async for envelope in reader]
    assert told == [seq for seq, _ in stored]
