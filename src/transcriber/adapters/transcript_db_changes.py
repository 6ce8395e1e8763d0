"""What each event changes in `transcript.db`, within the transaction of whoever calls."""

import sqlite3
from collections.abc import Sequence

from transcriber.events import Committed, Event, GapFound, SegmentClosed
from transcriber.types import Coverage, Segment, SegmentId, TrackName, Word


def store(connection: sqlite3.Connection, event: Event) -> bool:
    """Store what an event changes, and tell whether it was news."""
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
    rows = [(track, word.start, word.end, word.text, word.probability, segment) for word in words]
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
