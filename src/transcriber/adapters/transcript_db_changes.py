"""What an entry changes in `transcript.db`, within the transaction of whoever calls."""

import sqlite3
from collections.abc import Sequence

from transcriber.adapters import transcript_db_log as log
from transcriber.adapters import transcript_db_schema as schema
from transcriber.core.transcript_entry import Entry
from transcriber.events import Committed, Envelope, Event, GapFound, Partial, SegmentClosed
from transcriber.types import Coverage, Segment, SegmentId, TrackName, Word


def store(connection: sqlite3.Connection, entry: Entry) -> bool:
    """Store an event with what it changes, and move the cursor; tell whether it was news. See `TranscriptDatabase`."""
    news = entry.envelope is None or _store_event(connection, entry.envelope, entry)
    if entry.coverage is not None and entry.track is not None:
        move_cursor(connection, entry.track, entry.coverage)
    return news


def _store_event(connection: sqlite3.Connection, envelope: Envelope, entry: Entry) -> bool:
    known = schema.number(connection, "SELECT count(*) FROM events WHERE seq = ?", envelope.seq)
    news = not known and _change(connection, envelope.event)
    if news and not isinstance(envelope.event, Partial):
        log.append(connection, envelope, entry)
    return news


def _change(connection: sqlite3.Connection, event: Event) -> bool:
    """Make the changes of an event, and tell whether it was news."""
    match event:
        case Committed(track, words):
            _add_words(connection, track, words, None)
            return True
        case SegmentClosed(segment):
            return _close_segment(connection, segment)
        case GapFound(track, gap):
            row = (track, gap.start, gap.end, gap.reason.value)
            return connection.execute("INSERT OR IGNORE INTO gaps VALUES (?, ?, ?, ?)", row).rowcount == 1
        case _:
            return True


def _close_segment(connection: sqlite3.Connection, segment: Segment) -> bool:
    """Store a segment, and put the open words of its track in it: they are its first words, if not all of them."""
    row = (segment.id, segment.track, segment.start, segment.end, segment.text, segment.language)
    insert = (
        'INSERT INTO segments (id, track, start, "end", text, language) VALUES (?, ?, ?, ?, ?, ?)'
        "ON CONFLICT (id) DO NOTHING"
    )
    if connection.execute(insert, row).rowcount == 0:
        return False
    query = 'SELECT seq, text, start, "end" FROM words WHERE track = ? AND segment IS NULL ORDER BY seq LIMIT ?'
    committed = connection.execute(query, (segment.track, len(segment.words))).fetchall()
    for (_, *stored), word in zip(committed, segment.words, strict=False):
        if stored != [word.text, word.start, word.end]:
            raise ValueError(f"segment {segment.id} is not exactly its commits at {word.start}")
    connection.executemany("UPDATE words SET segment = ? WHERE seq = ?", [(segment.id, row[0]) for row in committed])
    _add_words(connection, segment.track, segment.words[len(committed) :], segment.id)
    return True


def _add_words(
    connection: sqlite3.Connection, track: TrackName, words: Sequence[Word], segment: SegmentId | None
) -> None:
    # Rounded as in a line, so that this table can be made anew from the lines.
    rows = [(track, word.start, word.end, word.text, round(word.probability, 3), segment) for word in words]
    insert = 'INSERT INTO words (track, start, "end", text, probability, segment) VALUES (?, ?, ?, ?, ?, ?)'
    connection.executemany(insert, rows)


def move_cursor(connection: sqlite3.Connection, track: TrackName, coverage: Coverage) -> None:
    """Move the cursor of a track; it never goes back."""
    row = (track, coverage.position, coverage.transcribed, coverage.silence, coverage.missing)
    connection.execute(
        "INSERT INTO cursor VALUES (?, ?, ?, ?, ?) ON CONFLICT (track) DO UPDATE SET "
        "(position, transcribed, silence, missing) = "
        "(excluded.position, excluded.transcribed, excluded.silence, excluded.missing) "
        "WHERE excluded.position >= position",
        row,
    )
