"""Parts that crash or hang while a session runs: what is restarted, that no sample is lost and no word comes twice."""

import shutil
import threading
from functools import partial

import anyio
import pytest
from msgspec.structs import replace

from transcriber import Transcriber
from transcriber.actors.resampling import Conversion
from transcriber.actors.transcription import Transcription
from transcriber.adapters import recording_writer
from transcriber.adapters.engine.scripted import say
from transcriber.adapters.recording import read_extent, read_pieces
from transcriber.adapters.recovery import recover
from transcriber.adapters.scripted_source import ScriptedSource
from transcriber.adapters.session_folder import SessionFolder
from transcriber.app import services, session, track
from transcriber.errors import StorageError
from transcriber.events import Committed, GapFound, SegmentClosed, StateChanged
from transcriber.settings import Supervision
from transcriber.types import Block, Gap, Position

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("_scripted_engine")]

WORDS = ["one", "two", "three", "four"] * 2
SPOKEN = say(WORDS)


@pytest.fixture
def settings(settings_for):
    return replace(settings_for(), supervision=Supervision(delay=0.0, hang_timeout=1.0, probe_interval=0.5))


async def run(transcriber):
    """Return the changes of state, the text and the gaps of a session that ends by itself."""
    events = []
    async with transcriber:
        events = [envelope.event async for envelope in transcriber.events()]
    changes = [(event.component, event.after) for event in events if isinstance(event, StateChanged)]
    text = "".join(event.segment.text for event in events if isinstance(event, SegmentClosed)).split()
    return changes, text, [event.gap for event in events if isinstance(event, GapFound)]


def recorded(transcriber):
    """Return what is on disk of the one track."""
    extent = read_extent(transcriber.folder / "journal" / "t0")
    return read_pieces(transcriber.folder / "audio" / "t0", extent.gaps, Position(0), extent.durable)


def assert_whole(transcriber, text, gaps):
    assert text == WORDS
    assert gaps == []
    [block] = recorded(transcriber)
    assert block.pcm.endswith(SPOKEN)
    assert not any(block.pcm[: -len(SPOKEN)])  # silence, until the device was open
    assert transcriber.summary.complete


class Faulty(ScriptedSource):
    """A device of which one read goes wrong, in a way that no device should."""

    def __init__(self, fault):
        super().__init__([SPOKEN], live=True)
        self.fault = fault
        self.reads = 0

    async def read(self):
        self.reads += 1
        if self.reads == 8:
            await self.fault()
        return await super().read()


async def crash():
    raise ZeroDivisionError


async def hang():
    await anyio.sleep_forever()


async def hang_whoever_cancels(over):
    with anyio.CancelScope(shield=True):
        await over.wait()


async def test_a_capture_that_raises_is_restarted_and_costs_no_sample(play_sources, settings):
    play_sources(Faulty(crash))
    transcriber = Transcriber(settings)
    changes, text, gaps = await run(transcriber)
    assert_whole(transcriber, text, gaps)
    assert changes.count(("capture", "restarting")) == 1


async def test_a_device_that_does_not_answer_is_opened_anew_and_what_it_did_not_give_is_a_gap(
    play_sources, settings, monkeypatch
):
    monkeypatch.setattr(track, "SILENT", 0.5)
    source = Faulty(hang)
    play_sources(source)
    transcriber = Transcriber(settings)
    changes, _, gaps = await run(transcriber)
    assert changes.count(("capture", "restarting")) == 1
    assert source.opened == 2
    assert len(gaps) == 1
    heard = b"".join(piece.pcm for piece in recorded(transcriber) if isinstance(piece, Block))
    assert heard.endswith(SPOKEN)


async def test_a_capture_thread_that_cannot_be_cancelled_is_left_behind(play_sources, settings, monkeypatch):
    monkeypatch.setattr(track, "SILENT", 0.5)
    over = anyio.Event()
    play_sources(Faulty(partial(hang_whoever_cancels, over)))
    transcriber = Transcriber(replace(settings, supervision=replace(settings.supervision, stop_timeout=0.1)))
    found = []
    async with transcriber:
        async for envelope in transcriber.events():
            if isinstance(envelope.event, SegmentClosed):
                found += envelope.event.segment.text.split()
            if len(found) >= len(WORDS) - 2:
                over.set()
    assert found == WORDS
    assert transcriber.summary.complete


async def test_a_storage_thread_that_hangs_is_replaced_and_costs_no_sample(play, settings, monkeypatch):
    play([SPOKEN], live=True)
    over, hung = threading.Event(), threading.Event()
    sync = recording_writer.disk_files.sync

    def hangs_once(descriptor):
        if threading.current_thread().name == "disk" and transcriber.opened and not hung.is_set():
            hung.set()
            over.wait(60)
        sync(descriptor)

    monkeypatch.setattr(services, "DEADLINE", 0.5)
    transcriber = Transcriber(settings)
    async with transcriber:
        monkeypatch.setattr(recording_writer.disk_files, "sync", hangs_once)
        events = [envelope.event async for envelope in transcriber.events()]
    over.set()
    text = "".join(event.segment.text for event in events if isinstance(event, SegmentClosed)).split()
    assert hung.is_set()
    assert transcriber.session.services.disk.statistics().hung == 1
    assert_whole(transcriber, text, [event.gap for event in events if isinstance(event, GapFound)])


async def test_a_storage_that_waits_for_its_disk_is_not_taken_for_hung(play, settings, monkeypatch):
    play([SPOKEN], live=True)
    sync, waited = recording_writer.disk_files.sync, []

    def takes_long_once(descriptor):
        if transcriber.opened and not waited:
            waited.append(threading.Event().wait(2 * settings.supervision.hang_timeout))
        sync(descriptor)

    transcriber = Transcriber(settings)
    async with transcriber:
        monkeypatch.setattr(recording_writer.disk_files, "sync", takes_long_once)
        events = [envelope.event async for envelope in transcriber.events()]
    assert waited
    changes = {event.component for event in events if isinstance(event, StateChanged)}
    assert not changes & {"storage", "disk"}
    assert_whole(transcriber, WORDS, [])


async def test_a_session_that_is_removed_while_it_records_goes_on_and_is_finished_by_resume(play, settings):
    play([SPOKEN])
    transcriber = Transcriber(settings)
    events = []
    with pytest.raises(StorageError, match="transcriber resume"):  # noqa: PT012 - raised when the block is left
        async with transcriber:
            async for envelope in transcriber.events():
                if not events:
                    shutil.rmtree(transcriber.folder)
                events.append(envelope.event)
    told = " ".join(event.segment.text for event in events if isinstance(event, SegmentClosed)).split()
    assert told == WORDS
    disk = [event.after for event in events if isinstance(event, StateChanged) and event.component == "disk"]
    assert "emergency" in disk
    async with (again := Transcriber(settings, resume=transcriber.folder)):
        await again.wait()
    assert again.summary.complete
    assert again.summary.tracks[0].captured == len(SPOKEN) // 2
    assert recorded(again)[-1].pcm[-1600:] == SPOKEN[-1600:]


async def test_disks_that_hang_for_good_stop_nothing_and_the_session_ends_by_name_with_what_was_acknowledged(
    play, settings, monkeypatch
):
    play([SPOKEN * 9], live=True)
    over = threading.Event()
    monkeypatch.setattr(services, "DEADLINE", 0.2)
    monkeypatch.setattr(session, "CLOSING", 0.5)
    transcriber = Transcriber(settings)
    with pytest.raises(StorageError, match="the disk takes no more"):  # noqa: PT012 - raised when the block is left
        async with transcriber:
            async for envelope in transcriber.events():
                if isinstance(envelope.event, Committed):
                    monkeypatch.setattr(recording_writer.disk_files, "sync", lambda _descriptor: over.wait(60))
                    break
            await transcriber.wait()
    over.set()
    folder = SessionFolder.open(transcriber.folder)
    recover(folder)
    folder.close()
    block, *rest = recorded(transcriber)
    assert SPOKEN[:16_000] in block.pcm
    assert all(isinstance(piece, Gap) for piece in rest)


@pytest.mark.parametrize("fault", ["crash", "hang"])
async def test_an_actor_in_the_middle_that_fails_is_restarted_and_costs_no_sample(play, settings, monkeypatch, fault):
    play([SPOKEN], live=True)
    take, taken = Conversion.take, []

    def fails_once(self, piece):
        taken.append(piece)
        if len(taken) == 5:
            raise ZeroDivisionError
        take(self, piece)

    monkeypatch.setattr(Conversion, "take", fails_once)
    if fault == "hang":
        monkeypatch.setattr(Conversion, "take", take)
        deliver, delivered = track.Resampling._deliver, []

        async def hangs_once(self):
            await deliver(self)
            delivered.append(self)
            if len(delivered) == 5:
                await anyio.sleep_forever()

        monkeypatch.setattr(track.Resampling, "_deliver", hangs_once)
    transcriber = Transcriber(settings)
    changes, text, gaps = await run(transcriber)
    assert_whole(transcriber, text, gaps)
    assert changes.count(("resampling", "restarting")) == 1
    assert {component for component, after in changes if after == "restarting"} == {"resampling"}


async def test_a_transcription_that_hangs_is_restarted_and_repeats_no_word(play, settings, monkeypatch):
    play([SPOKEN * 2], live=True)
    publish, published = Transcription._publish, []

    async def hangs_once(self, entries):
        await publish(self, entries)
        published.append(entries)
        if len(published) == 2:
            await anyio.sleep_forever()

    monkeypatch.setattr(Transcription, "_publish", hangs_once)
    hear, heard = Transcription._hear, []

    async def hangs_too(self, piece):
        await hear(self, piece)
        heard.append(self)
        if len(published) >= 2 and self is heard[0]:
            await anyio.sleep_forever()

    monkeypatch.setattr(Transcription, "_hear", hangs_too)
    transcriber = Transcriber(settings)
    changes, text, gaps = await run(transcriber)
    assert text == WORDS * 2
    assert gaps == []
    assert changes.count(("transcription", "restarting")) == 1
    [block] = recorded(transcriber)
    assert block.pcm.endswith(SPOKEN * 2)


async def test_what_blocks_the_loop_is_named_in_the_log_and_nobody_is_restarted(play, settings):
    lines = []

    class Log:
        def info(self, event, /, **fields):
            lines.append((event, fields))

        warning = error = info

    play([SPOKEN], live=True)
    transcriber = Transcriber(settings, log=Log())
    async with transcriber:
        async for envelope in transcriber.events():
            if isinstance(envelope.event, Committed):
                block_the_loop(lines)
                break
        await transcriber.wait()
    [blocked] = [fields for event, fields in lines if event == "loop_blocked"]
    assert "test_faults.py" in blocked["stack"]
    assert "block_the_loop" in blocked["stack"]
    assert transcriber.summary.restarts == 0
    assert transcriber.summary.complete


def block_the_loop(lines):
    deadline = threading.Event()
    for _ in range(600):
        if any(event == "loop_blocked" for event, _fields in lines):
            return
        deadline.wait(0.1)
