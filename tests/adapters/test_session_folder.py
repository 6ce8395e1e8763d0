import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from transcriber.adapters import session_folder_index as index
from transcriber.adapters.recovery import recover
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_index import SessionState
from transcriber.adapters.session_folder_manifest import TrackEntry, read_manifest, sealed, unsealed
from transcriber.core import journal
from transcriber.errors import ConfigError, StorageError
from transcriber.types import AudioFormat, Position, SampleFormat, TrackName

MORNING = datetime(2026, 11, 23, 9, 15, 2, tzinfo=UTC)
THEM = TrackName("them")
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX modes")


def create(parent, name: str | None = "standup", created=MORNING, tracks=("them", "me")) -> SessionFolder:
    entries = [TrackEntry(name=TrackName(track), source="loopback") for track in tracks]
    return SessionFolder.create(parent, entries, model="auto", app="1.0", language="en", name=name, created=created)


@pytest.fixture
def session(tmp_path):
    session = create(tmp_path / "recordings")
    yield session
    session.close()


def test_a_session_is_a_folder_named_by_time_and_name(session):
    assert session.id == session.path.name == "2026-11-23T09-15-02Z-standup"
    assert session.tracks == ["them", "me"]
    assert all(session.audio(track).is_dir() for track in session.tracks)
    assert session.journal(THEM).parent.is_dir()
    assert json.loads((session.path / "session.json").read_text())["format"] == 1
    assert read_manifest(session.path) == session.manifest


@posix
def test_a_session_is_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        session = create(tmp_path / "recordings")
        session.mark_clean()
        session.close()
    finally:
        os.umask(before)
    for folder, _, files in session.path.walk():
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {(folder / file).stat().st_mode & 0o777 for file in files} <= {0o600}


@posix
def test_the_folder_of_the_sessions_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "recordings").symlink_to(tmp_path / "disk")
    session = create(tmp_path / "recordings")
    session.mark_clean()
    session.close()
    assert read_manifest(tmp_path / "disk" / session.id) == session.manifest


def test_sessions_of_the_same_second_are_told_apart(session):
    second = create(session.path.parent)
    assert second.id == f"{session.id}-2"
    second.close()


@pytest.mark.parametrize("tracks", [("me", "Me"), ("../me",), ("con",)])
def test_tracks_that_no_folder_can_hold_are_refused(tmp_path, tracks):
    with pytest.raises(ConfigError):
        create(tmp_path, tracks=tracks)
    assert list(tmp_path.iterdir()) == []


def describe(session: SessionFolder, entry: TrackEntry) -> None:
    session.save(msgspec.structs.replace(session.manifest, tracks=(entry, *session.manifest.tracks[1:])))


def test_what_a_track_records_is_kept(session):
    entry = TrackEntry(
        name=THEM,
        source="loopback",
        device="loopback:speakers",
        format=AudioFormat(48_000, 2, SampleFormat.F32),
        started=MORNING + timedelta(milliseconds=140),
    )
    describe(session, entry)
    assert read_manifest(session.path).tracks[0] == entry
    assert read_manifest(session.path).tracks[1].name == "me"


@pytest.mark.skipif(not hasattr(os, "fdatasync"), reason="syncs by another call")
@pytest.mark.parametrize("step", ["os.write", "os.fdatasync", "os.replace"])
def test_session_json_is_rewritten_whole_or_not_at_all(session, monkeypatch, step):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    before = read_manifest(session.path)
    with monkeypatch.context() as patch:
        patch.setattr(step, fail)
        with pytest.raises(StorageError, match="No space left on device; free some space"):
            describe(session, TrackEntry(name=THEM, source="changed"))
    assert read_manifest(session.path) == session.manifest == before
    describe(session, TrackEntry(name=THEM, source="changed"))
    assert read_manifest(session.path).tracks[0].source == "changed"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors cannot be counted here")
def test_a_lock_that_cannot_be_written_is_let_go_and_told(session, monkeypatch):
    session.close()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr("os.write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(StorageError, match="free some space"):
            SessionFolder.open(session.path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    SessionFolder.open(session.path).close()


def run_python(*lines: str, argument: Path) -> subprocess.CompletedProcess[str]:
    code = "\n".join(["import os, pathlib, signal, sys", *lines])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, argument]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_second_writer_is_refused_and_told_who_writes(session):
    with pytest.raises(StorageError, match=rf"written by process {os.getpid()}"):
        SessionFolder.open(session.path)
    other = run_python(
        "from transcriber.adapters.session_folder import SessionFolder",
        "SessionFolder.open(pathlib.Path(sys.argv[1]))",
        argument=session.path,
    )
    assert f"written by process {os.getpid()}" in other.stderr.splitlines()[-1]
    session.close()
    SessionFolder.open(session.path).close()


@posix
def test_the_lock_of_a_killed_process_is_free(tmp_path):
    run_python(
        "from transcriber.adapters.session_folder import SessionFolder",
        "from transcriber.adapters.session_folder_manifest import TrackEntry",
        "track = TrackEntry(name='them', source='loopback')",
        "session = SessionFolder.create(pathlib.Path(sys.argv[1]), [track], model='auto', app='1')",
        "os.kill(os.getpid(), signal.SIGKILL)",
        argument=tmp_path,
    )
    [entry] = index.list_sessions(tmp_path)
    assert entry.state is SessionState.UNFINISHED
    SessionFolder.open(entry.path).close()


def test_clean_is_said_at_the_end_and_unsaid_by_the_next_writer(session):
    assert not session.clean
    session.mark_clean()
    assert session.clean
    session.close()
    assert SessionFolder.view(session.path).clean
    again = SessionFolder.open(session.path)
    assert not again.clean
    again.close()


def test_what_is_no_session_or_newer_is_refused_in_one_line(session, tmp_path):
    session.close()
    newer = msgspec.structs.replace(session.manifest, format=2)
    (session.path / "session.json").write_bytes(sealed(newer))
    for path, why in ((session.path, "format 2.*update"), (tmp_path, "not a session"), (tmp_path / "no", "not a")):
        for opening in (SessionFolder.open, SessionFolder.view):
            with pytest.raises(StorageError, match=why) as refusal:
                opening(path)
            assert "\n" not in str(refusal.value)


def test_names_that_lead_out_of_the_folder_are_not_believed(session):
    tracks = (TrackEntry(name=TrackName("../../x"), source="loopback"),)
    with pytest.raises(ValueError, match="cannot name a folder"):
        unsealed(sealed(msgspec.structs.replace(session.manifest, tracks=tracks)))


def test_a_bit_turned_over_anywhere_in_session_json_is_noticed_unless_it_says_the_same(session):
    content = (session.path / "session.json").read_bytes()
    unnoticed = []
    for place in range(8 * len(content)):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        try:
            assert unsealed(bytes(changed)) == session.manifest
            unnoticed.append(place)
        except ValueError:
            pass
    assert len(unnoticed) < 16, "blanks alone say the same"


def damaged(session: SessionFolder, content: bytes | None) -> None:
    """Let `session.json` hold something else, or not be there."""
    session.close()
    file = session.path / "session.json"
    file.unlink()
    if content is not None:
        file.write_bytes(content)


DAMAGES = {
    "missing": None,
    "empty": b"",
    "half": b'{"format": 1, "id": "2026',
    "garbage": b"\xff" * 90,
    "another kind": b"[1]",
    "a number too large": b'{"format": 123456789012345678901234567890}',
    "edited by hand": b'{"format":1,"id":"x","created":"2026-01-01T00:00:00Z","app":"1","model":"","tracks":[]}',
}


@pytest.mark.parametrize("content", DAMAGES.values(), ids=DAMAGES)
def test_a_session_without_its_session_json_is_found_and_restored_from_the_copy(session, content):
    session.open_transcript().close()
    before = session.manifest
    damaged(session, content)
    parent = session.path.parent
    [entry] = index.list_sessions(parent)
    assert entry.manifest == before
    assert index.find(parent, "standup") == index.find(parent, str(session.path)) == session.path
    seen = SessionFolder.view(session.path)
    assert "there is a copy in transcript.db" in seen.fault
    assert any(finding.startswith("session.json: ") for finding in verify(seen).findings)
    opened = SessionFolder.open(session.path)
    assert "restored" in recover(opened).actions[0]
    assert [file.read_bytes() for file in opened.path.glob("damaged/session.json-*")] == [content] * (
        content is not None
    )
    assert recover(opened).actions == []
    opened.close()
    again = SessionFolder.view(session.path)
    assert (again.manifest, again.fault) == (before, None)
    assert [finding for finding in verify(again).findings if "session.json" in finding] == []


def clock(session: SessionFolder, track: TrackName, position: int, seconds: float) -> None:
    began = round((MORNING.timestamp() + seconds) * 1e9)
    session.journal(track).write_bytes(journal.encode_all([journal.Clock(Position(position), 5, began)]))


@pytest.mark.parametrize("content", DAMAGES.values(), ids=DAMAGES)
def test_where_the_copy_is_lost_as_well_the_folder_tells_names_and_times(session, content):
    clock(session, THEM, 32_000, 2.5)
    damaged(session, content)
    [entry] = index.list_sessions(session.path.parent)
    found = entry.manifest
    assert (found.id, found.name, found.created, found.model) == (session.id, "standup", MORNING, "auto")
    assert [track.name for track in found.tracks] == ["me", "them"]
    assert [track.started for track in found.tracks] == [None, MORNING + timedelta(seconds=0.5)]
    opened = SessionFolder.open(session.path)
    assert "names and times" in opened.fault
    recover(opened)
    assert recover(opened).actions == []
    opened.close()
    assert read_manifest(session.path) == found


def test_a_renamed_session_without_its_session_json_began_with_its_first_track(session):
    clock(session, THEM, 0, 9)
    damaged(session, None)
    moved = session.path.rename(session.path.with_name("a copy"))
    found = read_manifest(moved)
    assert (found.id, found.name, found.created) == ("a copy", None, MORNING + timedelta(seconds=9))


def test_a_folder_with_nothing_of_a_session_is_none(session):
    damaged(session, None)
    assert index.list_sessions(session.path.parent) == []
    damaged_too = session.path.parent / "other"
    (damaged_too / "audio" / "holidays").mkdir(parents=True)
    (damaged_too / "journal").mkdir()
    (damaged_too / "journal" / "holidays").write_bytes(b"Dear diary")
    with pytest.raises(StorageError, match="not a session"):
        index.remove(damaged_too)
    assert index.list_sessions(session.path.parent) == []


def test_a_newer_session_is_told_from_a_damaged_one_by_its_copy(session):
    database = session.open_transcript()
    database.keep("session", sealed(msgspec.structs.replace(session.manifest, format=2)).decode())
    database.close()
    damaged(session, None)
    with pytest.raises(StorageError, match=r"format 2.*update"):
        SessionFolder.open(session.path)


def test_a_session_json_that_cannot_be_read_is_no_damage(session, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(StorageError, match=r"cannot read .*session\.json: Permission denied; choose"):
        SessionFolder.view(session.path)


def test_a_folder_that_cannot_be_made_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot make a session in .*file.*; (name|choose|check)"):
        create(tmp_path / "file" / "deeper")


@pytest.mark.parametrize("action", [SessionFolder.mark_clean, lambda session: SessionFolder.open(session.path)])
def test_a_marker_that_cannot_be_written_is_a_storage_error_and_frees_the_lock(session, monkeypatch, action):
    session.mark_clean()
    session.close()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(StorageError, match="Input/output error"):
            action(session)
    SessionFolder.open(session.path).close()


def test_list_tells_how_each_session_was_left(session):
    parent = session.path.parent
    for name, minutes in (("clean", 1), ("killed", 2)):
        other = create(parent, name, MORNING + timedelta(minutes=minutes))
        if name == "clean":
            other.mark_clean()
        other.close()
    (parent / "notes").mkdir()
    (parent / "file.txt").touch()
    (parent / "broken").mkdir()
    (parent / "broken" / "session.json").write_text("{")
    row = [journal.Audio(Position(0), Position(80), 0), journal.Clock(Position(99), 1, 1), journal.End(Position(80))]
    session.journal(THEM).write_bytes(journal.encode_all(row) + b"torn")
    entries = index.list_sessions(parent)
    assert [(entry.manifest.name, entry.state) for entry in entries] == [
        *(("standup", "running"), ("clean", "clean"), ("killed", "unfinished")),
    ]
    assert entries[0].captured == {"them": 80, "me": 0}
    assert entries[0].size > 3 * 64
    assert index.list_sessions(parent / "nowhere") == []


def test_asking_whether_a_session_runs_does_not_stop_it_from_being_opened(session):
    session.close()
    for _ in range(20):
        assert index.state_of(session.path) is SessionState.UNFINISHED
        SessionFolder.open(session.path).close()


def test_find(session, tmp_path):
    parent = session.path.parent
    retro = create(parent, "retro", MORNING + timedelta(days=1))
    assert index.find(parent, session.id) == session.path
    assert index.find(parent, "standup") == session.path
    assert index.find(parent, "2026-11-24") == retro.path
    assert index.find(tmp_path / "elsewhere", str(session.path)) == session.path
    moved = tmp_path / "copied"
    shutil.copytree(retro.path, moved)
    assert index.find(parent, str(moved)) == moved
    with pytest.raises(StorageError, match=f"no session 'x'.*latest are {retro.id}, {session.id}"):
        index.find(parent, "x")
    with pytest.raises(StorageError, match="could be any of"):
        index.find(parent, "2026")
    with pytest.raises(StorageError, match="none at all"):
        index.find(tmp_path / "nowhere", "x")
    with pytest.raises(StorageError):
        index.find(parent, "..")
    retro.close()


def test_remove_deletes_a_session_and_nothing_that_is_written_or_is_none(session, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    with pytest.raises(StorageError, match="being written"):
        index.remove(session.path)
    session.close()
    (session.path / "audio" / "link").symlink_to(precious)
    index.remove(session.path)
    assert not session.path.exists()
    with pytest.raises(StorageError, match="not a session"):
        index.remove(precious)
    assert (precious / "file").exists()


def test_a_complete_session_that_was_half_removed_is_still_one_and_goes_the_next_time(session, monkeypatch):
    session.mark_clean()
    session.close()

    remove_tree = shutil.rmtree

    def fail(path, **options):
        if path == session.path:
            raise OSError(5, "Input/output error", str(path))
        remove_tree(path, **options)

    with monkeypatch.context() as broken:
        broken.setattr(index.shutil, "rmtree", fail)
        with pytest.raises(StorageError, match="Input/output error"):
            index.remove(session.path)
    assert not (session.path / "audio").exists()
    assert index.describe(session.path).state is SessionState.CLEAN
    index.remove(session.path)
    assert not session.path.exists()
