"""The transcript of a session: SQLite, one durable transaction for each event. Blocking: called in the disk's thread.

An event, what it changes and the cursor go in together or not at all, so that after a crash the three agree. Applying
an event again changes nothing: it is known by its number, a segment by its id as well, a gap by its track and start.
"""

import os
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from transcriber.adapters import transcript_db_changes as changes
from transcriber.adapters import transcript_db_schema as schema
from transcriber.core.past import Past
from transcriber.core.tally import Counts, missing_by
from transcriber.core.transcript_entry import Entry
from transcriber.errors import StorageError
from transcriber.types import Coverage, Gap, GapReason, Position, Segment, SegmentId, TrackName, Word

RESERVED = 1_000
"""Event numbers that are reserved at a time: one transaction for so many, and at most so many skipped by a crash."""

_WORD_COLUMNS = 'text, start, "end", probability'
_SEGMENT_COLUMNS = 'segments.id, segments.track, segments.start, segments."end", segments.language'


@dataclass(frozen=True, slots=True)
class TranscriptCounts:
    """How much is in a transcript."""

    segments: int
    words: int
    """With those that are committed and not yet in a segment."""
    gaps: int
    events: int


class TranscriptDatabase:
    """One connection to `transcript.db`. After an error it is closed, and the next call opens a new one.

    Every method raises StorageError if the database cannot be written or read, or is damaged.
    """

    def __init__(self, path: Path, *, writable: bool) -> None:
        self._path = path
        self._writable = writable
        self._busy = False
        self._turn = 0  # calls of an earlier turn were given up, and change nothing any more
        self._unsettled = False  # whether one of them may still be in the middle of its transaction
        self._file: os.stat_result | None = None  # what is connected to
        self._connection: sqlite3.Connection | None = self._connect(make=writable)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a transcript to write, and make it if it is not there."""
        return cls(path, writable=True)

    @classmethod
    def view(cls, path: Path) -> Self:
        """Open a transcript only to read, also one that is being written by another process."""
        return cls(path, writable=False)

    def close(self) -> None:
        """Close the connection; a finished transcript is then one file. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._writable:
            with suppress(sqlite3.Error):  # somebody reads: the side files stay, and are as good
                connection.execute("PRAGMA busy_timeout = 0")
                connection.execute("PRAGMA journal_mode = DELETE")
        connection.close()

    def disconnect(self) -> None:
        """Let the next call open a new connection. For who gave a call that missed the disk's deadline.

        Whoever is stuck in the old connection closes it, and commits only if it had begun to: so the next call first
        waits until that is settled either way, and what is read from then on stays true.
        """
        connection, self._connection = self._connection, None
        busy, self._busy = self._busy, False
        self._turn += 1
        self._unsettled |= busy
        if connection is not None and not busy:
            connection.close()

    def store(self, entry: Entry) -> bool:
        """Store an event with what it changes, and move the cursor of `track`, in one durable transaction.

        Returns False if the event, or its segment or gap, is stored already: then only the cursor moves, which never
        goes back. A `Partial` is not stored.

        Raises:
            ValueError: the event contradicts what is stored: a segment that is not exactly its commits, or a
                coverage that does not add up. Nothing was changed.

        """
        with self._transaction() as connection:
            return changes.store(connection, entry)

    def reserve(self, count: int = RESERVED) -> range:
        """Return event numbers that were never given before and never will be again, whatever crashes."""
        with self._transaction() as connection:
            last = _reserved(connection) + count
            schema.put_meta(connection, "reserved", str(last))
        return range(last - count + 1, last + 1)

    def reserve_up_to(self, last: int) -> None:
        """Never give an event number up to `last`: for a database made anew in place of a damaged one."""
        with self._transaction() as connection:
            if last > _reserved(connection):
                schema.put_meta(connection, "reserved", str(last))

    def reserved(self) -> int:
        """Return the highest event number that may have been given."""
        with self._reading() as connection:
            return _reserved(connection)

    def keep(self, key: str, value: str) -> bool:
        """Store a text under a key of the table `meta`; return False if it is there."""
        with self._transaction() as connection:
            news = schema.find_meta(connection, key) != value
            if news:
                schema.put_meta(connection, key, value)
        return news

    def newest(self) -> int:
        """Return the number of the last event, 0 if there is none."""
        with self._reading() as connection:
            return schema.number(connection, "SELECT coalesce(max(seq), 0) FROM events")

    def cursor(self, track: TrackName) -> Coverage:
        """Return what became of a track's samples so far."""
        with self._reading() as connection:
            query = "SELECT position, transcribed, silence, missing FROM cursor WHERE track = ?"
            row = connection.execute(query, (track,)).fetchone()
        return Coverage(*row) if row else Coverage()

    def open_words(self, track: TrackName) -> Sequence[Word]:
        """Return the words that are committed and not yet in a segment: a resumed run goes on after them."""
        query = f"SELECT {_WORD_COLUMNS} FROM words WHERE track = ? AND segment IS NULL ORDER BY seq"  # noqa: S608 - constant
        with self._reading() as connection:
            return [Word(*row) for row in connection.execute(query, (track,))]

    def past(self, track: TrackName, context: int) -> Past:
        """Return what there is of a track, with the segments of the last `context` samples before its cursor."""
        coverage = self.cursor(track)
        with self._reading() as connection:
            newest = 'SELECT coalesce(max("end"), 0) FROM gaps WHERE track = ?'
            gap_end = Position(schema.number(connection, newest, track))
        query = f"SELECT {_SEGMENT_COLUMNS} FROM segments WHERE track = ? AND start >= ? ORDER BY start"  # noqa: S608 - constant
        segments = tuple(self._select_segments(query, track, max(gap_end, coverage.position - context)))
        return Past(coverage, self.open_words(track), segments, gap_end)

    def segments(self, track: TrackName | None = None) -> Iterator[Segment]:
        """Yield the segments of a track, or of all tracks together, by start."""
        query = f"SELECT {_SEGMENT_COLUMNS} FROM segments WHERE ?1 IS NULL OR track = ?1 ORDER BY start, track"  # noqa: S608 - constant
        yield from self._select_segments(query, track)

    def gaps(self, track: TrackName | None = None) -> Sequence[tuple[TrackName, Gap]]:
        """Return the gaps of a track, or of all tracks together, by start."""
        query = 'SELECT track, start, "end", reason FROM gaps WHERE ?1 IS NULL OR track = ?1 ORDER BY start, track'
        with self._reading() as connection:
            rows = connection.execute(query, (track,)).fetchall()
        return [(name, Gap(start, end, GapReason(reason))) for name, start, end, reason in rows]

    def events(self, after: int = 0, limit: int = 1_000) -> Sequence[tuple[int, str]]:
        """Return numbers and JSON lines of the stored events with a number above `after`, in order."""
        query = "SELECT seq, json FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
        with self._reading() as connection:
            return connection.execute(query, (after, limit)).fetchall()

    def search(self, text: str, limit: int = 1_000) -> Sequence[Segment]:
        """Return the segments that contain all words of `text`, or `text` as it stands, by start."""
        order = "ORDER BY segments.start, segments.track LIMIT ?"
        found: Sequence[Segment] = ()
        if self._has_index() and text.split():
            query = (
                f"SELECT {_SEGMENT_COLUMNS} FROM segments_text JOIN segments ON segments.seq = segments_text.rowid "  # noqa: S608 - constant
                f"WHERE segments_text MATCH ? {order}"
            )
            words = " ".join('"{}"'.format(word.replace('"', '""')) for word in text.split())
            found = tuple(self._select_segments(query, words, limit))
        if not found:
            # Languages without spaces are one word to the index; and a SQLite may come without it.
            query = f"SELECT {_SEGMENT_COLUMNS} FROM segments WHERE instr(lower(text), lower(?)) {order}"  # noqa: S608 - constant
            found = tuple(self._select_segments(query, text.strip(), limit))
        return found

    def counts(self, track: TrackName | None = None) -> TranscriptCounts:
        """Return how much is stored of a track, or of the session."""
        with self._reading() as connection:
            return TranscriptCounts(
                *(
                    schema.number(connection, f"SELECT count(*) FROM {table} WHERE ?1 IS NULL OR track = ?1", track)  # noqa: S608 - constant
                    for table in ("segments", "words", "gaps", "events")
                )
            )

    def told(self, track: TrackName) -> Counts:
        """Return how much was told of a track."""
        counts = self.counts(track)
        gaps = (gap for _, gap in self.gaps(track))
        return Counts(counts.segments, counts.words, counts.gaps, missing_by(gaps))

    def _has_index(self) -> bool:
        with self._reading() as connection:
            return bool(schema.number(connection, "SELECT count(*) FROM sqlite_schema WHERE name = 'segments_text'"))

    def _select_segments(self, query: str, *arguments: object) -> Iterator[Segment]:
        with self._reading() as connection:
            rows = connection.execute(query, arguments).fetchall()
        words = f"SELECT {_WORD_COLUMNS} FROM words WHERE segment = ? ORDER BY seq"  # noqa: S608 - constant
        for name, track, start, end, language in rows:
            with self._reading() as connection:
                spoken = tuple(Word(*row) for row in connection.execute(words, (name,)))
            yield Segment(SegmentId(name), TrackName(track), Position(start), Position(end), spoken, language)

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                self._commit(connection)
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def _commit(self, connection: sqlite3.Connection) -> None:
        if connection is not self._connection:
            raise sqlite3.OperationalError("the disk did not answer in time, and this call was given up")
        connection.execute("COMMIT")
        # SQLite goes on writing to a file that was removed, and notices nothing.
        if self._file is None or (found := _found(self._path)) is None or not os.path.samestat(found, self._file):
            raise sqlite3.OperationalError("it was removed while it was written")

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        """Give the connection; an error of the database closes it, and comes out as StorageError."""
        turn = self._turn
        connection = self._connection or self._connect()
        if turn == self._turn:
            self._connection = connection
            self._busy = True
        try:
            yield connection
        except sqlite3.IntegrityError as error:
            raise ValueError(f"the event contradicts the transcript: {error}") from error
        except sqlite3.Error as error:
            if turn == self._turn:
                self._connection = None
            raise self._explain(error) from error
        finally:
            if turn == self._turn:
                self._busy = False
            if connection is not self._connection:
                connection.close()

    def _connect(self, *, make: bool = False) -> sqlite3.Connection:
        try:
            connection = schema.connect(self._path, make=make) if self._writable else schema.connect_to_read(self._path)
        except sqlite3.Error as error:
            raise self._explain(error) from error
        try:
            if self._unsettled:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
                self._unsettled = False
            self._file = _found(self._path)
        except sqlite3.Error as error:
            connection.close()
            raise self._explain(error) from error
        return connection

    def _explain(self, error: sqlite3.Error) -> StorageError:
        return StorageError(
            f"{self._path}: {error}; check the disk, or repair it: transcriber sessions verify --repair SESSION"
        )


def _reserved(connection: sqlite3.Connection) -> int:
    return int(schema.get_meta(connection, "reserved"))


def _found(path: Path) -> os.stat_result | None:
    with suppress(OSError):
        return path.stat()
    return None
