"""Room for recordings: what goes at the start, what is refused, and what is told when the space runs out."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from transcriber import StorageError, Transcriber
from transcriber.adapters import free_space
from transcriber.adapters.engine.scripted import silence
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_manifest import TrackEntry
from transcriber.app import retention
from transcriber.events import StateChanged
from transcriber.settings import Monitoring, Session
from transcriber.types import TrackName

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("_scripted_engine")]

MB = 1_000_000


class Lines:
    """A log that keeps its lines."""

    def __init__(self):
        self.lines: list[tuple[str, str, dict]] = []

    def info(self, event, /, **fields):
        self.lines.append(("info", event, fields))

    def warning(self, event, /, **fields):
        self.lines.append(("warning", event, fields))

    def error(self, event, /, **fields):
        self.lines.append(("error", event, fields))

    def of(self, component: str) -> list[tuple[str, str, dict]]:
        """Return what a part of the program tells, without that it runs."""
        return [line for line in self.lines if line[2].get("component") == component and line[1] != "actor_ready"]


@pytest.fixture
def parent(tmp_path):
    return tmp_path / "sessions"


@pytest.fixture
def made(parent):
    """Make a session that ended so many days ago; return its folder."""

    def make(name: str, days: float, *, clean: bool = True):
        created = datetime.now(UTC) - timedelta(days=days)
        track = TrackEntry(name=TrackName("t0"), source="loopback")
        folder = SessionFolder.create(parent, [track], model="small", app="0", name=name, created=created)
        with closing(folder):
            if clean:
                folder.mark_clean()
        return folder.path

    return make


@pytest.fixture
def keep(settings_for, parent):
    """Make settings that keep sessions for a week."""
    return replace(settings_for(), session=Session(folder=str(parent), keep_days=7.0))


@pytest.fixture
def disk(monkeypatch):
    """A disk with as much free space as a test says."""
    disk = SimpleNamespace(free=10**12)
    monkeypatch.setattr(free_space.shutil, "disk_usage", lambda _path: SimpleNamespace(free=disk.free))
    return disk


async def record(settings, log=None) -> list:
    async with Transcriber(settings, duration=1.0, log=log) as transcriber:
        return [envelope.event async for envelope in transcriber.events()]


async def test_a_run_removes_what_was_kept_for_long_enough_and_says_so(play, keep, parent, made):
    old, young, unfinished = made("old", 8), made("young", 6), made("unfinished", 99, clean=False)
    play([silence(9)], live=True)
    log = Lines()
    await record(keep, log)
    assert not old.exists()
    assert {young, unfinished} < set(parent.iterdir())
    [line] = log.of("retention")
    assert line[:2] == ("info", "session_removed")
    assert line[2]["id"] == old.name
    assert line[2]["bytes"] > 0


async def test_a_run_keeps_everything_unless_it_is_told_otherwise(play, settings_for, made):
    old = made("old", 9999)
    play([silence(9)], live=True)
    log = Lines()
    await record(settings_for(), log)
    assert old.exists()
    assert log.of("retention") == []


async def test_the_session_that_records_is_kept_whatever_its_size(play, keep, parent):
    play([silence(9)], live=True)
    await record(replace(keep, session=replace(keep.session, keep_bytes=1)))
    [folder] = parent.iterdir()
    assert (folder / "clean").exists()


async def test_what_cannot_be_removed_is_a_line_in_the_log_and_no_more(play, keep, made, monkeypatch):
    first, second = made("first", 9), made("second", 8)
    remove = retention.remove

    def refuse(path):
        if path == first:
            raise StorageError("it does not go")
        remove(path)

    monkeypatch.setattr(retention, "remove", refuse)
    play([silence(9)], live=True)
    log = Lines()
    events = await record(keep, log)
    assert (first.exists(), second.exists()) == (True, False)
    failed, removed = log.of("retention")
    assert (failed[0], failed[1], failed[2]["reason"]) == ("warning", "retention_failed", "it does not go")
    assert removed[2]["id"] == second.name
    assert not [event for event in events if isinstance(event, StateChanged) and event.component == "retention"]


async def test_sessions_that_cannot_be_listed_are_a_line_in_the_log_and_no_more(play, keep, monkeypatch):
    def fail(_parent, _rules):
        raise StorageError("it cannot be read")

    monkeypatch.setattr(retention, "sessions_to_remove", fail)
    play([silence(9)], live=True)
    log = Lines()
    await record(keep, log)
    [(level, event, _)] = log.of("retention")
    assert (level, event) == ("warning", "retention_failed")


async def test_without_room_nothing_begins(play, settings_for, parent, disk):
    disk.free = 199 * MB
    play([silence(9)], live=True)
    with pytest.raises(
        StorageError, match=r"199\.0 MB are free .* asks for 200\.0 MB: free some space or name another"
    ):
        await record(settings_for())
    assert not parent.exists()


async def test_with_just_enough_room_it_begins(play, settings_for, parent, disk):
    disk.free = 200 * MB
    play([silence(9)], live=True)
    await record(settings_for())
    assert len(list(parent.iterdir())) == 1


async def test_no_room_is_asked_for_if_the_settings_do_not(play, settings_for, disk):
    disk.free = 0
    play([silence(9)], live=True)
    settings = settings_for()
    await record(replace(settings, storage=replace(settings.storage, least_free=0, emergency_size=0)))


async def test_where_a_disk_does_not_say_what_is_free_it_is_tried(play, settings_for, monkeypatch):
    def fail(_path):
        raise PermissionError

    monkeypatch.setattr(free_space.shutil, "disk_usage", fail)
    play([silence(9)], live=True)
    await record(settings_for())


async def test_what_was_kept_for_long_enough_makes_room_first(play, keep, made, disk, monkeypatch):
    old = made("old", 8)
    remove = retention.remove

    def make_room(path):
        remove(path)
        disk.free = 300 * MB

    disk.free = 100 * MB
    monkeypatch.setattr(retention, "remove", make_room)
    play([silence(9)], live=True)
    await record(keep)
    assert not old.exists()


async def test_a_disk_that_is_nearly_full_raises_an_alert_and_the_recording_goes_on(play, settings_for, disk):
    disk.free = 220 * MB  # about 1.9 hours of a track
    play([silence(9)], live=True)
    settings = replace(settings_for(), monitoring=Monitoring(interval=0.1, sustain=0.0, space_threshold=4.0))
    events = await record(settings)
    [alert] = [event for event in events if isinstance(event, StateChanged) and event.component == "space"]
    assert (alert.before, alert.after) == ("normal", "alert")
    assert alert.reason.startswith("220.0 MB are free on the disk, enough for about ")
    assert alert.reason.endswith("free some space or name another --sessions folder")
