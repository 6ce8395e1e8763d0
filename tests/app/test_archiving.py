"""Archiving beside a recording: what becomes FLAC and when, and that the recording never waits for it."""

import threading
from contextlib import closing
from pathlib import Path

import anyio.to_thread
import pytest
from msgspec.structs import replace

from transcriber import Transcriber
from transcriber.adapters import archive as archives
from transcriber.adapters.engine.scripted import say, silence
from transcriber.adapters.recording import read_extent, read_pieces
from transcriber.adapters.recovery import recover
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.session_folder import SessionFolder
from transcriber.app import archiving
from transcriber.core import wav
from transcriber.errors import StorageError
from transcriber.events import SegmentClosed, StateChanged
from transcriber.settings import Session, Storage
from transcriber.types import RATE, Position

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("_scripted_engine")]

UTTERANCE = ["one", "two", "three", "four"]
SPOKEN = (say(UTTERANCE) + silence(1.0)) * 6


class Lines:
    """A log that keeps its lines."""

    def __init__(self):
        self.lines: list[tuple[str, dict]] = []

    def info(self, event, /, **fields):
        self.lines.append((event, fields))

    warning = error = info

    def of(self, component: str) -> list[tuple[str, dict]]:
        """Return what a part of the program tells, without that it runs."""
        return [line for line in self.lines if line[1].get("component") == component and line[0] != "actor_ready"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Files of two seconds, looked for ten times a second."""
    monkeypatch.setattr(wav, "FILE_SAMPLES", 2 * RATE)
    monkeypatch.setattr(archiving, "INTERVAL", 0.1)


@pytest.fixture
def settings(settings_for):
    return replace(settings_for(), storage=Storage(archive="flac", source_quality=True, least_free=0))


async def run(settings, log=None, **options) -> tuple[Transcriber, list]:
    async with Transcriber(settings, log=log, **options) as transcriber:
        events = [envelope.event async for envelope in transcriber.events()]
    return transcriber, events


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "audio" / "t0").iterdir())


def recorded(folder: Path) -> bytes:
    extent = read_extent(folder / "journal" / "t0")
    pieces = read_pieces(folder / "audio" / "t0", extent.gaps, Position(0), extent.durable)
    return b"".join(piece.pcm for piece in pieces)


async def test_the_files_of_a_running_session_are_archived_once_they_are_full_and_transcribed(play, settings):
    play([SPOKEN], live=True)
    log = Lines()
    transcriber, events = await run(settings, log)
    names = files(transcriber.folder)
    assert len(names) == 8
    assert names[0] == "000001.flac"
    assert names[-1] == "000008.wav", "it was never closed"
    text = " ".join(event.segment.text for event in events if isinstance(event, SegmentClosed))
    assert text.split() == UTTERANCE * 6
    assert recorded(transcriber.folder).endswith(SPOKEN)
    assert verify(SessionFolder.view(transcriber.folder)).ok
    lines = log.of("archiving")
    assert {name for name, _ in lines} == {"files_archived"}
    assert sum(fields["files"] for _, fields in lines) == sum(name.endswith(".flac") for name in names)
    assert not [event for event in events if isinstance(event, StateChanged) and event.component == "archiving"]


async def test_a_run_archives_the_sessions_that_are_complete(play, settings, settings_for):
    play([SPOKEN], [silence(9)])
    earlier, _ = await run(settings_for())
    before = recorded(earlier.folder)
    log = Lines()
    play([silence(9)], live=True)
    later, _ = await run(settings, log, duration=2.0)
    assert later.folder != earlier.folder
    assert {name[-5:] for name in files(earlier.folder)} == {".flac"}
    assert recorded(earlier.folder) == before
    assert verify(SessionFolder.view(earlier.folder)).ok
    name, fields = log.of("archiving")[0]
    assert (name, fields["id"], fields["files"]) == ("files_archived", earlier.folder.name, 8)
    assert fields["bytes_after"] < fields["bytes_before"]


async def test_nothing_is_archived_unless_it_is_asked_for(play, settings_for):
    play([SPOKEN])
    earlier, _ = await run(settings_for())
    play([silence(9)], live=True)
    log = Lines()
    await run(settings_for(), log, duration=1.0)
    assert {name[-4:] for name in files(earlier.folder)} == {".wav"}
    assert log.of("archiving") == []


async def test_what_is_to_be_removed_is_not_archived_first(play, settings, settings_for, monkeypatch):
    play([SPOKEN])
    earlier, _ = await run(settings_for())
    archived = []
    monkeypatch.setattr(archiving, "archive_session", lambda path, _: archived.append(path))
    parent = str(earlier.folder.parent)
    play([silence(9)], live=True)
    await run(replace(settings, session=Session(folder=parent, keep_bytes=1)), duration=1.0)
    assert archived == []
    assert not earlier.folder.exists()


async def test_what_is_unfinished_is_left_to_resume(play, settings, settings_for):
    play([SPOKEN])
    earlier, _ = await run(settings_for())
    (earlier.folder / "clean").unlink()
    play([silence(9)], live=True)
    await run(settings, duration=1.0)
    assert {name[-4:] for name in files(earlier.folder)} == {".wav"}


async def test_a_disk_that_fails_is_a_line_in_the_log_and_no_more(play, settings, monkeypatch):
    real = archives.disk_files.open_private

    def fail(path, **options):
        if path.name.endswith(".flac~"):
            raise OSError(28, "No space left on device")
        return real(path, **options)

    monkeypatch.setattr(archives.disk_files, "open_private", fail)
    play([SPOKEN], live=True)
    log = Lines()
    transcriber, _ = await run(settings, log)
    assert transcriber.session.fault() is None
    assert {name for name, _ in log.of("archiving")} == {"archiving_failed"}
    assert all("No space left" in fields["reason"] for _, fields in log.of("archiving"))
    assert {name[-4:] for name in files(transcriber.folder)} == {".wav"}
    assert transcriber.summary.complete


async def test_a_file_that_is_not_what_was_recorded_is_told(play, settings, settings_for):
    play([SPOKEN])
    earlier, _ = await run(settings_for())
    with (earlier.folder / "audio" / "t0" / "000003.wav").open("r+b") as file:
        file.seek(1000)
        file.write(b"xy")
    play([silence(9)], live=True)
    log = Lines()
    await run(settings, log, duration=2.0)
    [told] = [fields for name, fields in log.of("archiving") if name == "file_not_archived"]
    assert told["file"] == "audio/t0/000003.wav"
    assert told["id"] == earlier.folder.name


async def test_the_end_of_a_run_does_not_wait_for_a_file_that_is_being_archived(
    play, settings, settings_for, monkeypatch
):
    play([SPOKEN])
    earlier, _ = await run(settings_for())
    begun, ended, over, outcome = threading.Event(), threading.Event(), threading.Event(), []
    encoded, archive_session = archives._encoded, archiving.archive_session

    def slow(*arguments):
        begun.set()
        ended.wait(30)
        return encoded(*arguments)

    def told(*arguments):
        try:
            archive_session(*arguments)
        except StorageError as error:
            outcome.append(str(error))
        over.set()

    monkeypatch.setattr(archives, "_encoded", slow)
    monkeypatch.setattr(archiving, "archive_session", told)
    play([silence(9)], live=True)
    transcriber, _ = await run(settings, duration=1.0)
    assert transcriber.summary.complete
    assert begun.is_set()
    ended.set()
    assert await anyio.to_thread.run_sync(over.wait, 30)
    assert outcome == ["archiving ends, because the program does"]
    assert {name[-4:] for name in files(earlier.folder)} == {".wav"}
    with closing(SessionFolder.open(earlier.folder)) as session:
        assert recover(session).actions == []
