import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from transcriber.adapters import transcript_db_schema as schema
from transcriber.adapters.disk import InlineDisk
from transcriber.adapters.recording import TrackRecording, read_extent, read_pieces
from transcriber.adapters.recovery import recover
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_manifest import TrackEntry
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.core import journal, wav
from transcriber.core.transcript_entry import Entry
from transcriber.core.wire import encode
from transcriber.errors import StorageError
from transcriber.events import Committed, Envelope, GapFound, SegmentClosed
from transcriber.types import Block, Coverage, Gap, GapReason, Position, Segment, SegmentId, TrackName, Word

THEM = TrackName("them")
BORDER = 1_000  # instead of five minutes, so that a test can pass many of them
START = Position(BORDER - 300)
END = Position(BORDER + 100)
FIRST, SECOND = "000001.wav", "000002.wav"


def sound(start: int, end: int) -> bytes:
    return b"".join((1 + position * 7919 % 65_521).to_bytes(2, "little") for position in range(start, end))


def block(start: int, end: int) -> Block:
    return Block(Position(start), sound(start, end))


def gap(start: int, end: int, reason: GapReason = GapReason.DEVICE) -> Gap:
    return Gap(Position(start), Position(end), reason)


def record(session: SessionFolder, *pieces: Block | Gap, end: bool = True) -> None:
    async def write() -> None:
        track = await TrackRecording.open(session.audio(THEM), session.journal(THEM), InlineDisk())
        for piece in pieces:
            await track.append([piece])
        if end:
            await track.close()
        track._writer.revoke()

    anyio.run(write)


def transcribe(session: SessionFolder, *, position: int = END) -> None:
    """Write a transcript that accounts for everything up to `position`."""
    word = Word(" hello", Position(START + 10), Position(START + 20), 0.5)
    segment = Segment(SegmentId(f"them-{START}"), THEM, START, Position(START + 30), (word,), "en")
    database = TranscriptDatabase.open(session.database)
    first = database.reserve().start
    for place, event in enumerate((GapFound(THEM, gap(0, START)), Committed(THEM, (word,)), SegmentClosed(segment))):
        covered = Coverage(Position(position), 30, position - START - 30, START)
        envelope = Envelope(first + place, 0.0, event)
        database.store(Entry(envelope, encode(envelope), covered, THEM))
    database.close()


@pytest.fixture(autouse=True)
def short_files(monkeypatch):
    monkeypatch.setattr(wav, "FILE_SAMPLES", BORDER)


@pytest.fixture
def session(tmp_path):
    """A session as a crash leaves it at the worst: 300 samples in one file, 100 in the next; nothing closed."""
    entry = TrackEntry(name=THEM, source="loopback")
    session = SessionFolder.create(tmp_path, [entry], model="auto", app="1", created=datetime.now(UTC))
    record(session, gap(0, START), block(START, START + 200), block(START + 200, END), end=False)
    transcribe(session)
    yield session
    session.close()


def content(session: SessionFolder) -> list[Block | Gap]:
    """Return all that a track holds, blocks joined."""
    extent = read_extent(session.journal(THEM))
    pieces: list[Block | Gap] = []
    for piece in read_pieces(session.audio(THEM), extent.gaps, Position(0), extent.durable):
        if isinstance(piece, Block) and pieces and isinstance(pieces[-1], Block):
            pieces[-1] = Block(pieces[-1].start, pieces[-1].pcm + piece.pcm)
        else:
            pieces.append(piece)
    return pieces


def snapshot(session: SessionFolder) -> dict[str, bytes]:
    """Return every file of the session; the database by what it holds."""
    files = {
        str(path.relative_to(session.path)): path.read_bytes()
        for path in session.path.rglob("*")
        if path.is_file() and "transcript" not in path.name
    }
    with sqlite3.connect(session.database) as database:
        files["transcript.db"] = "\n".join(line for line in database.iterdump() if "reserved" not in line).encode()
    database.close()
    return files


def finish(session: SessionFolder) -> None:
    session.mark_clean()
    session.close()


WHOLE = [gap(0, START), block(START, END)]


def test_a_killed_session_becomes_whole_and_a_whole_one_is_not_changed(session):
    report = recover(session)
    [track] = report.tracks
    assert (track.durable, track.kept, track.damage) == (END, 0, [])
    assert not report.transcript_cut
    assert content(session) == WHOLE
    before = snapshot(session)
    assert recover(session).actions == []
    assert snapshot(session) == before
    finish(session)
    checked = verify(SessionFolder.view(session.path))
    assert checked.findings == []
    assert checked.ok
    [ledger] = checked.tracks
    assert (ledger.captured, ledger.gaps, ledger.coverage) == (END, [gap(0, START)], Coverage(END, 30, 370, START))


def test_a_recovered_track_can_be_appended_to(session):
    recover(session)
    record(session, gap(END, END + 50, GapReason.CRASH), block(END + 50, END + 60))
    assert content(session) == [*WHOLE, gap(END, END + 50, GapReason.CRASH), block(END + 50, END + 60)]


def audio(session: SessionFolder, name: str) -> Path:
    return session.audio(THEM) / name


def append(path: Path, extra: bytes) -> None:
    path.write_bytes(path.read_bytes() + extra)


def cut(path: Path, size: int) -> None:
    os.truncate(path, path.stat().st_size - size)


def flip(path: Path, place: int) -> None:
    changed = bytearray(path.read_bytes())
    changed[place] ^= 1
    path.write_bytes(changed)


def drop_record(session: SessionFolder, slot: int) -> None:
    changed = bytearray(session.journal(THEM).read_bytes())
    changed[64 * slot : 64 * slot + 64] = bytes(64)
    session.journal(THEM).write_bytes(changed)


# The journal of the session: 0 gap, 1 audio to START + 200, 2 audio to the border, 3 audio in the second file.
DAMAGES = {
    "samples that were not acknowledged": (
        lambda session: append(audio(session, SECOND), sound(END, END + 7)),
        [gap(0, START), block(START, END + 7)],
    ),
    "half a sample": (lambda session: append(audio(session, SECOND), b"x"), WHOLE),
    "a header of the moment before": (
        lambda session: audio(session, SECOND).write_bytes(wav.header(3) + audio(session, SECOND).read_bytes()[44:]),
        WHOLE,
    ),
    "a header of zeros": (
        lambda session: audio(session, FIRST).write_bytes(bytes(44) + audio(session, FIRST).read_bytes()[44:]),
        WHOLE,
    ),
    "a file that is empty": (lambda session: audio(session, "000003.wav").touch(), WHOLE),
    "a torn record": (lambda session: cut(session.journal(THEM), 10), WHOLE),
    "no last record": (lambda session: cut(session.journal(THEM), 64), WHOLE),
    "zeros after the last record": (lambda session: append(session.journal(THEM), bytes(200)), WHOLE),
    "a record of zeros": (lambda session: drop_record(session, 1), WHOLE),
    "a flipped bit in a record": (lambda session: flip(session.journal(THEM), 130), WHOLE),
    "no journal": (
        lambda session: session.journal(THEM).unlink(),
        [Block(Position(0), bytes(2 * START) + sound(START, END))],
    ),
    "acknowledged samples that are gone": (
        lambda session: cut(audio(session, SECOND), 20),
        [gap(0, START), block(START, END - 10), gap(END - 10, END, GapReason.DAMAGE)],
    ),
    "a flipped bit in the last samples": (
        lambda session: flip(audio(session, SECOND), 100),
        [gap(0, START), block(START, BORDER), gap(BORDER, END, GapReason.DAMAGE)],
    ),
    "a file that is gone": (
        lambda session: audio(session, FIRST).unlink(),
        [
            gap(0, START),
            gap(START, START + 200, GapReason.DAMAGE),
            gap(START + 200, BORDER, GapReason.DAMAGE),
            block(BORDER, END),
        ],
    ),
    "everything recorded is gone": (
        lambda session: shutil.rmtree(session.path / "audio"),
        [
            gap(0, START),
            gap(START, START + 200, GapReason.DAMAGE),
            gap(START + 200, BORDER, GapReason.DAMAGE),
            gap(BORDER, END, GapReason.DAMAGE),
        ],
    ),
    "a database of garbage": (lambda session: session.database.write_bytes(b"\xff" * 8_192), WHOLE),
    "a word": (lambda session: execute(session, "UPDATE words SET text = ' hallo'"), WHOLE),
    "the line of an event": (lambda session: execute(session, "UPDATE events SET json = 'x' WHERE seq = 3"), WHOLE),
    "no session.json": (lambda session: (session.path / "session.json").unlink(), WHOLE),
    "session.json, its copy, and the database": (
        lambda session: (
            (session.path / "session.json").write_text("{"),
            session.database.write_bytes(b"\xff" * 9_000),
        ),
        WHOLE,
    ),
    "the journal is behind the cursor and the audio is gone": (
        lambda session: (cut(session.journal(THEM), 64), audio(session, SECOND).unlink()),
        [gap(0, START), block(START, BORDER), gap(BORDER, END, GapReason.DAMAGE)],
    ),
}
CUT_OFF = (
    *("half a sample", "a header of zeros", "a torn record", "no last record", "a record of zeros", "no journal"),
    *("acknowledged samples that are gone", "a database of garbage", "a word", "the line of an event"),
    *("no session.json", "session.json, its copy, and the database"),
)


@pytest.mark.parametrize(("damage", "expected"), DAMAGES.values(), ids=DAMAGES)
def test_recovery_keeps_all_that_can_be_kept(session, damage, expected):
    damage(session)
    report = recover(session)
    assert content(session) == expected
    assert report.actions
    assert all("\n" not in line for line in report.actions)
    before = snapshot(session)
    assert recover(session).actions == []
    assert snapshot(session) == before


class Cut(BaseException):
    """The power is cut: it is nothing that the program can catch."""


@pytest.mark.parametrize("name", CUT_OFF)
def test_recovery_can_be_cut_off_at_every_step_and_started_again(session, name, monkeypatch, tmp_path):
    """Every call that changes the disk is a step; before each in turn the power is cut."""
    damage, expected = DAMAGES[name]
    with closing(session.open_transcript()):
        pass
    transcript = snapshot(session)["transcript.db"]
    damage(session)
    session.close()
    broken = tmp_path / "broken"
    shutil.copytree(session.path, broken)
    steps = ("os.write", "os.ftruncate", "os.replace", "os.rename", "os.fdatasync", "os.fsync", "os.mkdir", "os.unlink")
    real = {step: getattr(os, step.removeprefix("os.")) for step in steps}
    real |= dict.fromkeys(("os.fdatasync", "os.fsync"), os.fstat)  # a sync changes nothing that can be seen here
    for stop in range(1_000):
        shutil.rmtree(session.path)
        shutil.copytree(broken, session.path)
        left = stop

        def step(call):
            def cutting(*arguments, **options):
                nonlocal left
                if left == 0:
                    raise Cut
                left -= 1
                return call(*arguments, **options)

            return cutting

        opened = SessionFolder.open(session.path)
        with monkeypatch.context() as patch:
            for target, call in real.items():
                patch.setattr(target, step(call))
            try:
                recover(opened)
            except Cut:
                whole = False
            else:
                whole = True
        opened.close()
        opened = SessionFolder.open(session.path)
        recover(opened)
        assert content(opened) == expected, f"cut off before step {stop}"
        assert [finding for finding in verify(opened).findings if ".db" in finding or ".json" in finding] == []
        database = TranscriptDatabase.view(opened.database)
        assert database.reserved() >= 1_000
        if "database" not in name:
            assert snapshot(opened)["transcript.db"] == transcript, f"cut off before step {stop}"
        database.close()
        opened.close()
        if whole:
            assert stop > 3
            return
    pytest.fail("recovery never came to its end")


def test_what_is_cut_is_set_aside_first(session):
    append(audio(session, SECOND), b"x")
    append(session.journal(THEM), b"torn")
    before = session.journal(THEM).read_bytes()
    recover(session)
    aside = {path.name.rsplit("-", 1)[0]: path.read_bytes() for path in session.damaged.iterdir()}
    assert aside == {"them-000002.wav-tail": b"x", "them-journal": before}
    if os.name == "posix":
        assert session.damaged.stat().st_mode & 0o777 == 0o700


def test_samples_beyond_the_files_end_are_set_aside(session):
    append(audio(session, FIRST), b"abcd")
    recover(session)
    assert content(session) == WHOLE
    [aside] = session.damaged.iterdir()
    assert aside.read_bytes() == b"abcd"


def test_a_damaged_database_is_set_aside_and_started_anew_with_numbers_of_its_own(session):
    old = TranscriptDatabase.open(session.database)
    highest = old.reserve(5_000)[-1]
    old.close()
    session.database.write_bytes(b"\xff" * 8_192)
    report = recover(session)
    assert report.transcript_cut
    assert (session.damaged / "transcript.db-1").read_bytes() == b"\xff" * 8_192
    database = TranscriptDatabase.open(session.database)
    assert database.cursor(THEM) == Coverage()
    assert database.reserve()[0] > highest
    database.close()
    assert content(session) == WHOLE
    assert recover(session).actions == []


def test_a_database_damaged_inside_is_found(session):
    damaged = bytearray(session.database.read_bytes())
    damaged[4_096:] = bytes(byte ^ 0x5A for byte in damaged[4_096:])
    session.database.write_bytes(damaged)
    assert recover(session).transcript_cut


def test_a_log_left_behind_does_not_get_into_the_new_database(session):
    database = TranscriptDatabase.open(session.database)
    database.reserve()
    shutil.copy(session.database.with_name("transcript.db-wal"), session.path / "log")
    database.close()
    session.database.unlink()
    (session.path / "log").rename(session.path / "transcript.db-wal")
    assert recover(session).transcript_cut
    assert (session.damaged / "transcript.db-wal-1").exists()
    assert [finding for finding in verify(session).findings if "transcript.db" in finding] == []
    database = TranscriptDatabase.view(session.database)
    assert database.counts().segments == 0
    database.close()


def test_a_newer_database_is_not_taken_for_a_damaged_one(session):
    with sqlite3.connect(session.database) as connection:
        connection.execute("PRAGMA user_version = 9")
        schema.put_meta(connection, "format", "9")
    connection.close()
    with pytest.raises(StorageError, match="update"):
        recover(session)
    assert not session.damaged.exists()


FINDINGS = {
    "not recovered": (lambda session: (session.path / "clean").unlink(), "session is unfinished: resume it"),
    "a bit in old samples": (
        lambda session: flip(audio(session, FIRST), 44 + 2 * START + 9),
        f"000001.wav: samples {START}-{START + 200} (0.044-0.056 s) are not what was recorded",
    ),
    "a file is gone": (lambda session: audio(session, SECOND).unlink(), f"samples {BORDER}-{END}"),
    "a wrong header": (lambda session: flip(audio(session, FIRST), 40), "000001.wav: the header does not"),
    "half a sample more": (lambda session: append(audio(session, SECOND), b"x"), "000002.wav: the header does not"),
    "samples more": (
        lambda session: audio(session, SECOND).write_bytes(wav.header(102) + sound(BORDER, BORDER + 102)),
        "000002.wav: 2 samples that the journal does not know",
    ),
    "a bad record": (lambda session: flip(session.journal(THEM), 70), "journal/them: record 1: checksum"),
    "a lost record": (
        lambda session: drop_record(session, 2),
        f"record 3: [{BORDER}, {END}) does not follow {START + 200}",
    ),
    "a journal cut at a record": (lambda session: cut(session.journal(THEM), 64), "does not say that the track ended"),
    "no journal": (lambda session: session.journal(THEM).unlink(), f"0 samples are recorded, {END} are accounted for"),
    "no database": (lambda session: session.database.unlink(), "transcript.db: cannot read"),
    "no such database": (lambda session: session.database.write_bytes(b"x" * 9_000), "transcript.db: file is not"),
    "other words": (
        lambda session: execute(session, "UPDATE words SET text = ' hallo'"),
        "transcript.db: words: row 1 is not what the events say",
    ),
    "a word left open": (
        lambda session: execute(session, "INSERT INTO words VALUES (NULL, 'them', 1, 2, ' x', 1.0, NULL)"),
        "1 words are committed and in no segment",
    ),
    "another id": (
        lambda session: execute(session, "UPDATE segments SET id = 'me-1'"),
        "transcript.db: segments: row 1 is not what the events say",
    ),
    "a start after its words": (
        lambda session: execute(session, "UPDATE segments SET start = start + 11"),
        "transcript.db: segments: row 1 is not what the events say",
    ),
    "a segment too long": (
        lambda session: execute(session, 'UPDATE segments SET "end" = 9000000'),
        "ends outside the recording",
    ),
    "a cursor that is behind": (
        lambda session: execute(session, "UPDATE cursor SET position = position - 9, silence = silence - 9"),
        f"{END} samples are recorded, {END - 9} are accounted for",
    ),
    "a gap that is not named": (lambda session: execute(session, "DELETE FROM gaps"), "(device) and not named"),
    "a gap too long": (lambda session: execute(session, 'UPDATE gaps SET "end" = "end" + 5'), "named as gaps"),
    "a word of a segment that is not found by it": (
        lambda session: execute(session, "UPDATE words SET segment = NULL"),
        "transcript.db: words: row 1 is not what the events say",
    ),
    "a line": (
        lambda session: execute(session, "UPDATE events SET json = replace(json, 'hello', 'hallo') WHERE seq = 2"),
        "transcript.db: event 2 is not what was stored",
    ),
    "what a line leaves out": (
        lambda session: execute(session, "UPDATE events SET rest = replace(rest, '1', '2') WHERE seq = 2"),
        "transcript.db: event 2 is not what was stored",
    ),
    "the checksum of an event": (
        lambda session: execute(session, "UPDATE events SET crc = crc + 1 WHERE seq = 3"),
        "transcript.db: event 3 is not what was stored",
    ),
    "the time of an event": (
        lambda session: execute(session, "UPDATE events SET emitted = 1 WHERE seq = 3"),
        "transcript.db: event 3: its columns are not what its line says",
    ),
    "the number of an event": (
        lambda session: execute(session, "UPDATE events SET seq = 4 WHERE seq = 3"),
        "transcript.db: event 4: its columns are not what its line says",
    ),
    "an event that is gone": (
        lambda session: execute(session, "DELETE FROM events WHERE seq = 2"),
        "transcript.db: events after 1 and before 3 are missing",
    ),
    "a cursor behind its events": (
        lambda session: execute(session, "UPDATE cursor SET position = 9, silence = 9, transcribed = 0, missing = 0"),
        "transcript.db: the cursor of track them is behind its events",
    ),
    "numbers that may be given again": (
        lambda session: execute(session, "UPDATE meta SET value = '1' WHERE key = 'reserved'"),
        "transcript.db: 'reserved' in its table meta is not what was stored",
    ),
    "no copy of session.json": (
        lambda session: execute(session, "DELETE FROM meta WHERE key = 'session'"),
        "transcript.db: its copy of session.json is not the same",
    ),
    "no session.json": (lambda session: (session.path / "session.json").unlink(), "session.json: missing"),
    "the index by segment": (
        lambda session: execute(session, "DROP INDEX words_of_segment"),
        "transcript.db: words_of_segment is not made as it should be",
    ),
    "the full-text index": (
        lambda session: execute(session, "INSERT INTO segments_text (segments_text) VALUES ('delete-all')"),
        "transcript.db: segments_text: row 1 is not what the events say",
    ),
    "gaps that overlap": (
        lambda session: execute(session, "INSERT INTO gaps VALUES ('them', 5, 9, 'disk')"),
        "gaps overlap at 0.0 s",
    ),
}


def execute(session: SessionFolder, statement: str) -> None:
    with sqlite3.connect(session.database) as connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(("damage", "finding"), FINDINGS.values(), ids=FINDINGS)
def test_verify_finds_it_and_changes_nothing(session, damage, finding):
    recover(session)
    finish(session)
    damage(session)
    before = {path: path.read_bytes() for path in session.path.rglob("*") if path.is_file()}
    report = verify(SessionFolder.view(session.path))
    assert not report.ok
    assert any(finding in line for line in report.findings), report.findings
    assert all("\n" not in line for line in report.findings)
    assert {path: path.read_bytes() for path in session.path.rglob("*") if path.is_file()} == before


def test_verify_says_that_a_session_is_being_written(session):
    recover(session)
    session.mark_clean()
    assert verify(SessionFolder.view(session.path)).findings == ["the session is running: wait"]


CHILD = """
import sys
import anyio
from pathlib import Path
from transcriber.adapters.disk import Disk
from transcriber.adapters.recording import TrackRecording
from transcriber.adapters.recovery import recover
from transcriber.adapters.session_folder import SessionFolder
from transcriber.core import wav
from transcriber.types import Block, Gap, GapReason, Position

wav.FILE_SAMPLES = 1_000

async def main():
    session = SessionFolder.open(Path(sys.argv[1]))
    recover(session)
    recording = await TrackRecording.open(session.audio("them"), session.journal("them"), Disk())
    await recording.append([Gap(recording.durable, Position(recording.durable + 500), GapReason.CRASH)])
    while True:
        start = recording.durable
        pcm = b"".join((1 + position * 7919 % 65_521).to_bytes(2, "little") for position in range(start, start + 300))
        print(await recording.append([Block(start, pcm)]), flush=True)

anyio.run(main)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_killed_again_and_again_no_acknowledged_sample_is_lost(session):
    recover(session)
    session.close()
    durable = int(END)
    for acknowledgements in (3, 41, 1, 17):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", CHILD, session.path]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as child:
            lines = [child.stdout.readline() for _ in range(acknowledgements)]
            child.send_signal(signal.SIGKILL)
            lines += [line for line in child.stdout if line.endswith("\n")]
        assert int(lines[0]) >= durable + 800
        durable = int(lines[-1])
    opened = SessionFolder.open(session.path)
    report = recover(opened)
    assert report.tracks[0].durable >= durable
    assert report.tracks[0].damage == []
    for piece in content(opened):
        if isinstance(piece, Block):
            assert piece.pcm == sound(piece.start, piece.end)
    extent = journal.Extent()
    for item in journal.scan(opened.journal(THEM).read_bytes()):
        extent.add(item)
    assert [item.end - item.start for item in extent.gaps] == [START, 500, 500, 500, 500]
    opened.close()
    assert [line for line in verify(opened).findings if "resume" not in line and "account" not in line] == []
