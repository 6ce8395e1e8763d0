"""The events of a transcript are its truth: what is damaged is found by them, and made again."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcriber.adapters import transcript_db_schema as schema
from transcriber.adapters.recovery import recover
from transcriber.adapters.recovery_transcript import recover_transcript
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_manifest import TrackEntry
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.adapters.transcript_db_replay import Replay
from transcriber.core.transcript_entry import Entry
from transcriber.core.wire import encode
from transcriber.errors import StorageError
from transcriber.events import Committed, Envelope, GapFound, SegmentClosed, StateChanged
from transcriber.types import Coverage, Gap, GapReason, Position, Segment, SegmentId, TrackName, Word

THEM, ME = TrackName("them"), TrackName("me")


def word(number: int) -> Word:
    return Word(f" w{number}", Position(number * 1_003), Position(number * 1_003 + 517), 0.123_456)


def commit(*numbers: int, track: TrackName = THEM) -> Committed:
    return Committed(track, tuple(map(word, numbers)))


def segment(*numbers: int, track: TrackName = THEM) -> SegmentClosed:
    words = tuple(map(word, numbers))
    name = SegmentId(f"{track}-{words[0].start}")
    return SegmentClosed(Segment(name, track, words[0].start, words[-1].end, words, "en"))


def gap(start: int, end: int, track: TrackName = THEM) -> GapFound:
    return GapFound(track, Gap(Position(start), Position(end), GapReason.DEVICE))


def state(reason: str) -> StateChanged:
    return StateChanged("capture", "running", "failed", reason, THEM)


STORY = [
    state("begun"),
    commit(1, 2),
    commit(3),
    segment(1, 2, 3),
    gap(4_001, 5_007),
    commit(6),
    commit(7, 8),
    state("x"),
]
"""Numbered from 1 on."""


def tell(database: TranscriptDatabase, *events) -> None:
    for event in events:
        seq = database.newest() + 1
        envelope = Envelope(seq, seq / 3, event)
        covered = Coverage(Position(seq * 1_000), seq * 700, seq * 200, seq * 100)
        database.store(Entry(envelope, encode(envelope), covered, THEM))


@pytest.fixture
def session(tmp_path):
    tracks = [TrackEntry(name=THEM, source="loopback")]
    session = SessionFolder.create(tmp_path, tracks, model="auto", app="1", created=datetime.now(UTC))
    database = session.open_transcript()
    database.reserve()
    tell(database, *STORY)
    database.close()
    yield session
    session.close()


def execute(session: SessionFolder, statement: str, *arguments: object) -> None:
    with closing(sqlite3.connect(session.database, isolation_level=None)) as connection:
        connection.execute(statement, arguments)


def content(session: SessionFolder) -> dict[str, list[tuple]]:
    with closing(sqlite3.connect(session.database)) as connection:
        tables = ("segments", "words", "gaps", "events", "cursor", "meta")
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}  # noqa: S608 - constants


def faults(session: SessionFolder) -> list[str]:
    with closing(schema.connect_to_read(session.database)) as connection:
        replay = Replay.of(connection, session.database)
        replay.database.close()
        return replay.faults


def test_the_transcript_of_a_run_is_what_its_events_say(session):
    assert faults(session) == []
    assert recover_transcript(session).actions == ()


DAMAGES = {
    "a word": "UPDATE words SET text = ' x' WHERE seq = 2",
    "a sample of a word": "UPDATE words SET start = start + 1 WHERE seq = 6",
    "the probability of a word": "UPDATE words SET probability = 0.5 WHERE seq = 1",
    "a word more": "INSERT INTO words VALUES (9, 'them', 1, 2, ' x', 0.5, NULL)",
    "a word less": "DELETE FROM words WHERE seq = 6",
    "the number of a word": "UPDATE words SET seq = 20 WHERE seq = 6",
    "a word of another segment": "UPDATE words SET segment = NULL WHERE seq = 3",
    "the text of a segment": "UPDATE segments SET text = 'x'",
    "the language of a segment": "UPDATE segments SET language = 'fr'",
    "no segments": "DELETE FROM segments",
    "the reason of a gap": "UPDATE gaps SET reason = 'disk'",
    "a gap of another track": "UPDATE gaps SET track = 'me'",
    "the number of an event": "UPDATE events SET seq = 30 WHERE seq = 8",
    "the track of an event": "UPDATE events SET track = NULL WHERE seq = 2",
    "the time of an event": "UPDATE events SET emitted = emitted + 1e-9 WHERE seq = 2",
    "the line of a commit": "UPDATE events SET json = replace(json, 'w2', 'w3') WHERE seq = 2",
    "the line of a commit without a segment": "UPDATE events SET json = replace(json, 'w7', 'w9') WHERE seq = 7",
    "the line of a segment": "UPDATE events SET json = 'x' WHERE seq = 4",
    "the line of a gap": "UPDATE events SET json = replace(json, 'device', 'engine') WHERE seq = 5",
    "no text at all": "UPDATE events SET json = CAST(X'FF00FE' AS TEXT) WHERE seq = 5",
    "an index": "DROP INDEX words_open",
    "a trigger": "DROP TRIGGER segments_text_insert",
    "the full-text index": "INSERT INTO segments_text (segments_text) VALUES ('delete-all')",
}


@pytest.mark.parametrize("statement", DAMAGES.values(), ids=DAMAGES)
def test_what_is_damaged_is_found_and_made_again(session, statement):
    before = content(session)
    execute(session, statement)
    assert len(faults(session)) >= 1
    report = recover(session)
    assert "made anew from its 8 events" in report.actions[0]
    assert not report.transcript_cut
    assert content(session) == before
    assert faults(session) == []
    assert recover(session).actions == []
    assert (session.damaged / "transcript.db-1").exists()


WITHOUT_COVERAGE = {
    "what a commit leaves out": "UPDATE events SET rest = replace(rest, '1003', '1004') WHERE seq = 2",
    "what a segment leaves out": "UPDATE events SET rest = 'x' WHERE seq = 4",
    "what a gap leaves out": "UPDATE events SET rest = '[[1,2]]' WHERE seq = 5",
    "a checksum": "UPDATE events SET crc = crc - 1 WHERE seq = 4",
}


@pytest.mark.parametrize("statement", WITHOUT_COVERAGE.values(), ids=WITHOUT_COVERAGE)
def test_an_event_is_made_again_though_the_coverage_that_it_brought_is_not_certain(session, statement):
    before = content(session)
    execute(session, statement)
    assert not recover(session).transcript_cut
    after = content(session)
    lines = [[row[:4] for row in one.pop("events")] for one in (before, after)]
    assert lines[0] == lines[1]
    assert after == before
    assert faults(session) == []


def test_a_state_that_is_lost_is_named_and_costs_nothing_else(session):
    before = content(session)
    execute(session, "UPDATE events SET json = replace(json, 'begun', 'bogun') WHERE seq = 1")
    assert faults(session) == ["event 1 is not what was stored"]
    assert "made anew from its 7 events" in recover(session).actions[0]
    after = content(session)
    assert [row[0] for row in after.pop("events")] == [row[0] for row in before.pop("events")][1:]
    assert after == before
    assert faults(session) == []


def test_a_commit_that_is_lost_is_no_loss_to_a_transcript_that_has_its_segment(session):
    before = content(session)
    execute(session, "UPDATE events SET json = 'x' WHERE seq = 3")
    execute(session, "UPDATE words SET text = ' x' WHERE seq = 3")
    assert "made anew from its 7 events" in recover(session).actions[0]
    after = content(session)
    assert {table: after[table] for table in ("segments", "words", "gaps", "cursor")} == {
        table: before[table] for table in ("segments", "words", "gaps", "cursor")
    }
    assert faults(session) == []


def cursor(session: SessionFolder) -> Coverage:
    with closing(TranscriptDatabase.view(session.database)) as database:
        return database.cursor(THEM)


@pytest.mark.parametrize(
    ("statements", "kept"),
    [
        (("UPDATE events SET json = 'x' WHERE seq = 5", "UPDATE gaps SET reason = 'disk'"), 4),
        (("UPDATE events SET json = 'x' WHERE seq = 4", "DELETE FROM segments"), 3),
        (("DELETE FROM events WHERE seq = 6",), 5),
        (("UPDATE events SET json = 'x' WHERE seq = 7", "UPDATE words SET text = 'x' WHERE seq = 5"), 6),
    ],
)
def test_what_is_lost_for_good_is_transcribed_again_from_there_on(session, statements, kept):
    for statement in statements:
        execute(session, statement)
    report = recover(session)
    assert report.transcript_cut
    assert f"{kept} events are kept" in report.actions[0]
    assert [row[0] for row in content(session)["events"]] == list(range(1, kept + 1))
    assert cursor(session).position == kept * 1_000
    assert faults(session) == []
    with closing(session.open_transcript()) as database:
        assert database.reserve().start > 8
    assert recover(session).actions == []


def long_story(session: SessionFolder, count: int) -> None:
    with closing(session.open_transcript()) as database:
        for number in range(10, 10 + count):
            tell(database, commit(number))


@pytest.mark.parametrize("tenths", range(1, 10))
def test_of_a_file_that_was_cut_short_the_events_before_the_cut_are_kept(session, tenths):
    long_story(session, 200)
    content_before = content(session)
    os.truncate(session.database, session.database.stat().st_size * tenths // 10)
    report = recover(session)
    assert report.transcript_cut
    after = content(session)
    assert after["events"] == content_before["events"][: len(after["events"])]
    assert cursor(session).position == len(after["events"]) * 1_000
    assert after["words"] == content_before["words"][: len(after["words"])]
    assert faults(session) == []
    assert recover(session).actions == []


def test_a_transcript_that_is_empty_or_missing_is_made_anew(session):
    for damage in (lambda: session.database.write_bytes(b""), session.database.unlink):
        damage()
        assert recover(session).transcript_cut
        assert faults(session) == []
        assert recover(session).actions == []


def test_numbers_of_a_new_transcript_are_above_all_that_were_given(session):
    execute(session, "UPDATE meta SET value = '3' WHERE key = 'reserved'")
    recover(session)
    with closing(session.open_transcript()) as database:
        assert database.reserve().start > 1_000


def test_a_copy_of_session_json_that_is_no_text_any_more_is_put_right(session):
    before = content(session)
    execute(session, "UPDATE meta SET value = CAST(X'FF00FE' AS TEXT) WHERE key = 'session'")
    assert "transcript.db: its copy of session.json is not the same" in verify(session).findings
    recover(session)
    assert content(session) == before


def test_a_schema_that_is_no_text_any_more_is_damage_as_any_other(session):
    with closing(sqlite3.connect(session.database, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET name = CAST(X'A0' AS TEXT), sql = 'x' WHERE name = 'gaps'")
    with pytest.raises(StorageError, match="not what was written"):
        TranscriptDatabase.view(session.database)
    assert recover(session).transcript_cut
    assert faults(session) == []


def test_a_disk_that_fails_is_no_damage(session, monkeypatch):
    def fail(*_):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    monkeypatch.setattr("transcriber.adapters.transcript_db_log.rows", fail)
    with pytest.raises(StorageError, match="disk I/O error; check the disk"):
        recover(session)
    assert not session.damaged.exists()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), st.sampled_from([THEM, ME]), st.integers(1, 3)),
        st.tuples(st.just("close"), st.sampled_from([THEM, ME]), st.integers(0, 2)),
        st.tuples(st.just("gap"), st.sampled_from([THEM, ME]), st.integers(1, 9)),
        st.tuples(st.just("again"), st.none(), st.integers(1, 5)),
        st.tuples(st.just("reopen"), st.none(), st.just(0)),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=50)
@given(steps)
def test_whatever_is_stored_in_whatever_lives_its_events_say_the_same(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("transcript") / "transcript.db"
    database = TranscriptDatabase.open(path)
    database._connection.execute("PRAGMA synchronous = OFF")  # no test here pulls the plug
    stored: list[Entry] = []
    opened: dict[TrackName, list[int]] = {THEM: [], ME: []}
    number, numbers = 0, iter(database.reserve())

    def store(event) -> None:
        envelope = Envelope(next(numbers), 0.1, event)
        stored.append(Entry(envelope, encode(envelope), None, None))
        database.store(stored[-1])

    for step, track, count in steps:
        number += count
        match step:
            case "commit":
                opened[track] += range(number, number + count)
                store(commit(*range(number, number + count), track=track))
            case "close" if opened[track] or count:
                store(segment(*opened[track], *range(number + 50, number + 50 + count), track=track))
                opened[track] = []
            case "gap":
                store(gap(number * 5_000, number * 5_000 + count, track))
            case "again":
                for entry in stored[-count:]:
                    database.store(entry)
            case "reopen":
                database.close()
                database = TranscriptDatabase.open(path)
            case _:
                pass
        number += count
    database.close()
    with closing(schema.connect_to_read(path)) as connection:
        replay = Replay.of(connection, path)
        replay.database.close()
    assert replay.faults == []
