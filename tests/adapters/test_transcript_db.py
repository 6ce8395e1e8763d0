import os
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from transcriber.adapters import transcript_db_schema as schema
from transcriber.adapters.transcript_db import TranscriptCounts, TranscriptDatabase
from transcriber.core.past import Past
from transcriber.core.transcript_entry import Entry
from transcriber.errors import StorageError
from transcriber.events import (
    Committed,
    Envelope,
    GapFound,
    Partial,
    SegmentClosed,
    StateChanged,
)
from transcriber.types import Coverage, Gap, GapReason, Position, Segment, SegmentId, TrackName, Word

THEM, ME = TrackName("them"), TrackName("me")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "transcript.db"


@pytest.fixture
def database(path):
    database = TranscriptDatabase.open(path)
    yield database
    database.close()


def words(text: str, start: int = 0) -> tuple[Word, ...]:
    return tuple(
        Word(f" {word}", Position(start + 10 * place), Position(start + 10 * place + 9), 0.5)
        for place, word in enumerate(text.split())
    )


def segment(text: str, start: int = 0, track: TrackName = THEM) -> Segment:
    spoken = words(text, start)
    return Segment(SegmentId(f"{track}-{start}"), track, Position(start), spoken[-1].end, spoken, "en")


class Publisher:
    """Numbers events, as the session does."""

    def __init__(self, database: TranscriptDatabase) -> None:
        self.database = database
        self.seq = 0

    def __call__(self, event, coverage: Coverage | None = None, track: TrackName = THEM) -> bool:
        self.seq += 1
        return self.database.store(Entry(Envelope(self.seq, 0.5, event), f'{{"seq":{self.seq}}}', coverage, track))


@pytest.fixture
def publish(database):
    return Publisher(database)


def coverage(transcribed: int, silence: int = 0, missing: int = 0) -> Coverage:
    return Coverage(Position(transcribed + silence + missing), transcribed, silence, missing)


def test_committed_words_are_open_until_their_segment_closes(database, publish):
    assert publish(Committed(THEM, words("so it")))
    assert publish(Committed(ME, words("hm")), track=ME)
    assert publish(Committed(THEM, words("begins", 20)))
    assert database.open_words(THEM) == [*words("so it begins")]
    assert publish(SegmentClosed(segment("so it begins")), coverage(50))
    assert database.open_words(THEM) == []
    assert list(database.segments(THEM)) == [segment("so it begins")]
    assert database.open_words(ME) == [*words("hm")]
    assert database.cursor(THEM) == coverage(50)
    assert database.cursor(ME) == Coverage()


def test_a_segment_given_again_changes_nothing_but_the_cursor(database, publish):
    publish(SegmentClosed(segment("one two")), coverage(20))
    before = database.counts(), database.events()
    assert not publish(SegmentClosed(segment("one two three")), coverage(20, 10))
    assert (database.counts(), database.events()) == before
    assert list(database.segments()) == [segment("one two")]
    assert database.cursor(THEM) == coverage(20, 10)


def test_a_gap_given_again_changes_nothing_but_the_cursor(database, publish):
    gap = Gap(Position(5), Position(9), GapReason.DEVICE)
    assert publish(GapFound(THEM, gap), coverage(5, 0, 4))
    assert not publish(GapFound(THEM, gap), coverage(5, 1, 4))
    assert publish(GapFound(ME, gap), track=ME)
    assert database.gaps(THEM) == [(THEM, gap)]
    assert database.counts().gaps == len(database.gaps()) == 2
    assert database.cursor(THEM) == coverage(5, 1, 4)


def test_an_event_given_again_is_known_by_its_number(database):
    envelope = Envelope(4, 0.5, Committed(THEM, words("once")))
    assert database.store(Entry(envelope, "{}", None, None))
    assert not database.store(Entry(envelope, "{}", coverage(3), THEM))
    assert database.open_words(THEM) == [*words("once")]
    assert database.cursor(THEM) == coverage(3)


def test_what_there_is_of_a_track_is_told_with_the_newest_segments_and_none_from_before_a_gap(database, publish):
    assert database.past(THEM, 1_000) == Past(open_words=[])
    publish(SegmentClosed(segment("long ago")), coverage(20))
    publish(GapFound(THEM, Gap(Position(30), Position(40), GapReason.DEVICE)), coverage(20, 10, 10))
    publish(SegmentClosed(segment("one two", 50)), coverage(50, 10, 10))
    publish(SegmentClosed(segment("not mine", 60, ME)), track=ME)
    publish(SegmentClosed(segment("three four", 80)), coverage(80, 10, 10))
    publish(Committed(THEM, words("five", 110)))
    past = Past(coverage(80, 10, 10), list(words("five", 110)), (), Position(40))
    newest, older = segment("three four", 80), segment("one two", 50)
    assert database.past(THEM, 100 - 80) == replace(past, segments=(newest,))
    assert database.past(THEM, 1_000) == replace(past, segments=(older, newest))


def test_a_segment_takes_the_first_open_words_and_no_others(database, publish):
    publish(Committed(THEM, words("a b c d")))
    publish(SegmentClosed(segment("a b")))
    assert database.open_words(THEM) == list(words("a b c d")[2:])
    assert list(database.segments()) == [segment("a b")]


def test_a_segment_may_bring_its_last_words(database, publish):
    publish(Committed(THEM, words("a b")))
    publish(SegmentClosed(segment("a b c")))
    assert list(database.segments()) == [segment("a b c")]
    assert database.counts() == TranscriptCounts(1, 3, 0, 2)


def test_a_segment_that_is_not_its_commits_is_refused_whole(database, publish):
    publish(Committed(THEM, words("a b")))
    before = database.counts()
    with pytest.raises(ValueError, match="not exactly its commits"):
        publish(SegmentClosed(segment("a x")), coverage(20))
    assert database.counts() == before
    assert database.cursor(THEM) == Coverage()
    assert publish(SegmentClosed(segment("a b")))


@pytest.mark.parametrize("wrong", [Coverage(Position(5), 1, 1, 1), Coverage(Position(0), 1, -1, 0)])
def test_a_coverage_that_does_not_add_up_is_refused_with_its_event(database, publish, wrong):
    with pytest.raises(ValueError, match="CHECK"):
        publish(SegmentClosed(segment("a b")), wrong)
    assert database.counts() == TranscriptCounts(0, 0, 0, 0)
    assert publish(SegmentClosed(segment("a b")), coverage(20))


def test_the_cursor_never_goes_back(database, publish):
    publish(Committed(THEM, words("a")), coverage(20))
    publish(Committed(THEM, words("b", 10)), coverage(5, 5))
    assert database.cursor(THEM) == coverage(20)


def test_partials_are_not_stored_and_other_events_are(database, publish):
    publish(Partial(THEM, Position(0), "maybe"))
    publish(StateChanged("storage", "ok", "degraded", "slow disk"), track=None)
    assert database.events() == [(2, '{"seq":2}')]


def test_events_are_read_from_a_number_on(database, publish):
    for number in range(5):
        publish(Committed(THEM, words("w", 10 * number)))
    assert [number for number, _ in database.events(after=2, limit=2)] == [3, 4]
    with sqlite3.connect(f"file:{database._path}?mode=ro", uri=True) as reader:
        assert reader.execute("SELECT seq, emitted, track FROM events LIMIT 1").fetchall() == [(1, 0.5, "them")]
    reader.close()


def test_segments_of_all_tracks_come_by_start(database, publish):
    for start, track in ((100, THEM), (0, ME), (50, THEM), (50, ME)):
        publish(SegmentClosed(segment("x y", start, track)), track=track)
    assert [(item.start, item.track) for item in database.segments()] == [(0, ME), (50, ME), (50, THEM), (100, THEM)]
    assert [item.start for item in database.segments(THEM)] == [50, 100]
    assert database.counts(ME) == TranscriptCounts(2, 4, 0, 2)


@pytest.fixture
def spoken(database, publish):
    publish(SegmentClosed(segment("We went to Zürich tomorrow.", 0)))
    publish(SegmentClosed(segment("Nobody went.", 100, ME)), track=ME)
    publish(SegmentClosed(segment("今天的会议很好", 200)))
    return database


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        *(("zürich", [0]), ("ZURICH", [0]), ("tomorrow zürich", [0]), ("to zürich", [0]), ("went", [0, 100])),
        *(("ürich", [0]), ("nowhere", []), ('"*)(', []), ("AND", []), ("100%", []), ("_", []), ("会议", [200])),
    ],
)
def test_search_finds_all_words_in_any_order_or_the_text_as_it_stands(spoken, asked, found):
    assert [item.start for item in spoken.search(asked)] == found


@pytest.mark.parametrize(("asked", "found"), [("WENT", [0, 100]), ("went to", [0]), ("%", []), ("会议", [200])])
def test_search_works_without_an_index(spoken, monkeypatch, asked, found):
    monkeypatch.setattr(spoken, "_has_index", lambda: False)
    assert [item.start for item in spoken.search(asked)] == found


def test_numbers_are_never_given_twice_though_nothing_was_stored(path):
    given: set[int] = set()
    for _ in range(3):
        database = TranscriptDatabase.open(path)
        block = database.reserve()
        assert block.start == max(given, default=0) + 1
        assert len(block) == 1_000
        given.update(block)
        database.close()
    database = TranscriptDatabase.open(path)
    database.reserve_up_to(2_000_000)
    database.reserve_up_to(5)
    assert database.reserve(2) == range(2_000_001, 2_000_003)
    assert database.reserved() == 2_000_002
    database.close()


CHILD = """
import sys
import threading
from dataclasses import replace
from pathlib import Path
from transcriber.adapters import transcript_db_schema as schema
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.core.transcript_entry import Entry
from transcriber.events import Envelope, SegmentClosed
from transcriber.types import Coverage, Segment, Word

database = TranscriptDatabase.open(Path(sys.argv[1]))
number = database.cursor("them").position
for seq in database.reserve(100_000):
    word = Word(" w", number, number + 1, 1.0)
    segment = Segment(f"them-{number}", "them", number, number + 1, (word,), "en")
    covered = Coverage(number + 1, number + 1, 0, 0)
    database.store(Entry(Envelope(seq, 0.0, SegmentClosed(segment)), "{}", covered, "them"))
    number += 1
    print(number, seq, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_after_a_kill_segments_and_cursor_agree_and_numbers_go_on(path):
    stored = seq = 0
    for acknowledgements in (1, 30, 7):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, path], env=environment, stdout=subprocess.PIPE, text=True
        ) as child:
            lines = [child.stdout.readline() for _ in range(acknowledgements)]
            child.send_signal(signal.SIGKILL)
            lines += [line for line in child.stdout if line.endswith("\n")]
        before = seq
        stored, seq = (int(number) for number in lines[-1].split())
        assert int(lines[0].split()[1]) > before
        database = TranscriptDatabase.open(path)
        position = database.cursor(THEM).position
        assert position >= stored
        assert [item.start for item in database.segments()] == list(range(position))
        assert database.reserved() >= seq
        assert database._connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        database.disconnect()


def test_a_transcript_can_be_read_while_it_is_written(database, publish, path):
    publish(SegmentClosed(segment("a b")))
    reader = TranscriptDatabase.view(path)
    assert list(reader.segments()) == [segment("a b")]
    publish(SegmentClosed(segment("c", 100)))
    assert reader.counts().segments == 2
    with pytest.raises(StorageError, match="readonly"):
        reader.reserve()
    database.close()  # does not wait for the reader
    reader.close()


def test_a_closed_transcript_is_one_file_and_can_be_read_where_nothing_can_be_written(database, publish, path):
    publish(SegmentClosed(segment("a b")))
    database.close()
    database.close()
    assert [file.name for file in path.parent.iterdir()] == ["transcript.db"]
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        reader = TranscriptDatabase.view(path)
        assert reader.search("a b") == (segment("a b"),)
        reader.close()
        assert [file.name for file in path.parent.iterdir()] == ["transcript.db"]
    finally:
        path.parent.chmod(0o700)


@pytest.mark.skipif(os.name != "posix", reason="POSIX modes")
def test_the_database_and_its_side_files_are_private_whatever_the_umask(path):
    before = os.umask(0)
    try:
        database = TranscriptDatabase.open(path)
        database.reserve()
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
        database.close()
    finally:
        os.umask(before)
    assert modes == {"transcript.db": 0o600, "transcript.db-wal": 0o600, "transcript.db-shm": 0o600}


def test_every_commit_is_durable(database):
    assert database._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert database._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def mark(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


FORMAT_2 = "UPDATE meta SET value = '2', crc = 2753654951 WHERE key = 'format'"  # the CRC32 of "format 2"


@pytest.mark.parametrize(
    ("statements", "why"),
    [
        (("PRAGMA user_version = 2", FORMAT_2), "format 2.*update"),
        (("PRAGMA user_version = 2", "DROP TABLE meta"), "format 2.*update"),
        (("PRAGMA user_version = 2",), "header or its table meta is not what was written"),
        (("PRAGMA user_version = 0",), "header or its table meta is not what was written"),
        (("PRAGMA application_id = 7",), "header or its table meta is not what was written"),
        (("UPDATE meta SET value = '2' WHERE key = 'format'",), "header or its table meta is not what was written"),
        (("PRAGMA application_id = 7", "DROP TABLE meta"), "another program"),
        (("PRAGMA application_id = 0", "PRAGMA user_version = 0", "DROP TABLE meta"), "another program"),
    ],
)
def test_a_newer_or_foreign_database_is_refused_and_told_from_a_damaged_one(path, statements, why):
    TranscriptDatabase.open(path).close()
    mark(path, *statements)
    for opening in (TranscriptDatabase.open, TranscriptDatabase.view):
        with pytest.raises(StorageError, match=why):
            opening(path)


def test_a_missing_or_damaged_database_is_refused(tmp_path):
    for content in (None, b"", b"x" * 5_000):
        other = tmp_path / "other.db"
        if content is not None:
            other.write_bytes(content)
        with pytest.raises(StorageError):
            TranscriptDatabase.view(other)
    with pytest.raises(StorageError, match="not a database"):
        TranscriptDatabase.open(other)


def test_numbers_are_not_given_by_a_mark_that_was_changed(database, path):
    database.reserve()
    mark(path, "UPDATE meta SET value = '0' WHERE key = 'reserved'")
    with pytest.raises(StorageError, match="'reserved' in its table meta is not what was stored"):
        database.reserve()


def test_an_error_of_the_disk_leaves_nothing_half_done_and_the_next_call_opens_anew(database, publish, path):
    publish(SegmentClosed(segment("a b")), coverage(20))
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    database._connection.execute("PRAGMA busy_timeout = 0")
    with pytest.raises(StorageError, match="locked"):
        publish(SegmentClosed(segment("c", 100)), coverage(40))
    locker.execute("ROLLBACK")
    locker.close()
    assert database.cursor(THEM) == coverage(20)
    assert publish(SegmentClosed(segment("c", 100)), coverage(40))


def test_a_connection_given_up_is_replaced(database, publish):
    publish(SegmentClosed(segment("a b")))
    with database._reading() as stuck:  # as in a thread that hangs
        database.disconnect()
        assert database.counts().segments == 1
        stuck.execute("SELECT 1")
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        stuck.execute("SELECT 1")
    assert publish(SegmentClosed(segment("c", 100)))


def test_a_call_given_up_in_the_middle_changes_nothing_when_it_wakes_up(database, publish):
    def stuck() -> None:
        with database._transaction() as connection:
            connection.execute("INSERT INTO cursor VALUES ('them', 10, 10, 0, 0)")
            database.disconnect()

    with pytest.raises(StorageError, match="given up"):
        stuck()
    assert database.cursor(THEM) == coverage(0)
    assert publish(Committed(THEM, words("a b")), coverage(20))


def test_nothing_is_read_until_a_call_given_up_in_its_commit_is_settled(database, publish, monkeypatch):
    """What was read before it commits would be decoded, and stored, a second time."""
    monkeypatch.setattr(schema, "_BUSY_SECONDS", 0.0)
    begun, wake = threading.Event(), threading.Event()

    def hang(statement: str) -> None:
        if statement == "COMMIT":
            begun.set()
            wake.wait()

    database._connection.set_trace_callback(hang)
    stuck = threading.Thread(target=publish, args=(Committed(THEM, words("a b")), coverage(20)))
    stuck.start()
    begun.wait()
    database.disconnect()
    try:
        with pytest.raises(StorageError, match="locked"):
            database.open_words(THEM)
    finally:
        wake.set()
        stuck.join()
    assert database.open_words(THEM) == list(words("a b"))
    assert publish(Committed(THEM, words("c", 20)), coverage(30))
    assert publish(SegmentClosed(segment("a b c")))


def test_every_table_and_column_is_documented(database):
    document = (Path(__file__).parents[2] / "docs" / "session-format.md").read_text("utf-8")
    rows = {line.split("`")[1]: line for line in document.splitlines() if line.startswith("| `")}
    query = "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.sql LIKE 'CREATE TABLE %'"
    columns = database._connection.execute(query).fetchall()
    own = [(table, column) for table, column in columns if not table.startswith("segments_text_")]
    assert len(own) > 25
    assert [f"{table}.{column}" for table, column in own if f"`{column}`" not in rows[table]] == []
