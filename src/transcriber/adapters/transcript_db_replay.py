"""What is wrong with a transcript: its events against their checksums, and its other tables against the events.

The events are stored anew, by the code that stored them, in a database of their own. What differs from that is damaged,
and that is what a repair puts in its place.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Self

from transcriber.adapters import transcript_db_changes as changes
from transcriber.adapters import transcript_db_log as log
from transcriber.adapters import transcript_db_schema as schema
from transcriber.adapters.transcript_db_witness import made_again

_TABLES = {
    "segments": "SELECT * FROM segments ORDER BY seq",
    "words": "SELECT * FROM words ORDER BY seq",
    "gaps": "SELECT * FROM gaps ORDER BY track, start",
}

_COUNTS = """
SELECT (SELECT count(*) FROM segments), (SELECT count(*) FROM gaps), count(*), count(segment) FROM words
"""

_SCHEMA = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' OR name NOT LIKE 'segments_text_%'"
"""Without the tables that belong to the full-text index: those are SQLite's own affair."""


@dataclass(slots=True)
class Replay:
    """What the events of a transcript make of an empty one, and what is wrong with the one that they are in."""

    database: sqlite3.Connection = field(default_factory=schema.scratch)
    """To be closed by who asked for it."""
    newest: int = 0
    """Number of the last event."""
    sound: bool = True
    """Whether SQLite finds nothing wrong with the file."""
    cut: bool = False
    """Whether an event is lost that said something: `database` ends before it."""
    faults: list[str] = field(default_factory=list[str])
    _lost: bool = False

    @classmethod
    def of(cls, stored: sqlite3.Connection, path: Path) -> Self:
        """Read the transcript in the file `path`; what is damaged in it is in `faults`, one line each.

        Raises:
            StorageError: it is newer than this program, or of another.
            sqlite3.OperationalError: the disk failed.

        """
        stored.text_factory = _lossless
        replay = cls()
        try:
            replay._check_file(stored, path)
            replay.database.execute("BEGIN")
            replay._take_all(stored)
            replay._settle(stored)
            replay._check_reserve(stored)
        except BaseException:
            replay.database.close()
            raise
        return replay

    def _check_file(self, stored: sqlite3.Connection, path: Path) -> None:
        try:
            if not schema.check_format(stored, path):
                self.faults.append("it is empty")
            found = (fault for (fault,) in stored.execute("PRAGMA integrity_check(10)"))
            self.faults += [" ".join(fault.split()) for fault in found if fault != "ok"]
            wrong = {name for name, _ in set(stored.execute(_SCHEMA)) ^ set(self.database.execute(_SCHEMA))}
            wrong -= _missing_index(stored) | _missing_index(self.database)
            self.faults += [f"{name} is not made as it should be" for name in sorted(wrong)]
        except sqlite3.DatabaseError as error:
            self.faults.append(_damage(error))
        self.sound = not self.faults

    def _take_all(self, stored: sqlite3.Connection) -> None:
        try:
            for row in log.rows(stored):
                self._take(stored, row)
        except sqlite3.DatabaseError as error:
            self.faults.append(_damage(error))
            self._lose()
            self.cut = True

    def _take(self, stored: sqlite3.Connection, row: log.Row) -> None:
        found = row.logged()
        if found is None:
            self.faults.append(f"event {row.seq} is not what was stored")
            found = made_again(stored, row, self.newest)
        elif not row.agrees(found.envelope):
            self.faults.append(f"event {row.seq}: its columns are not what its line says")
        if found is None:
            self._lose()
            self.newest = row.seq
            return
        if found.after != self.newest:
            self.faults.append(f"events after {self.newest} and before {row.seq} are missing")
            self._lose()
        self.newest = found.envelope.seq
        self.database.execute("SAVEPOINT entry")
        try:
            changes.store(self.database, found.entry)
            self.database.execute("RELEASE entry")
        except (ValueError, sqlite3.IntegrityError) as error:
            self.faults.append(f"event {row.seq} contradicts those before it: {error}")
            self.database.execute("ROLLBACK TO entry")
            self.database.execute("RELEASE entry")
            self._lose()

    def _lose(self) -> None:
        """Take note that an event is missing from here on; whether it matters is found out at the end."""
        if not self._lost:
            self._lost = True
            self.database.execute("SAVEPOINT lost")

    def _settle(self, stored: sqlite3.Connection) -> None:
        """Decide what is kept: where an event is lost that changed something, only what came before it."""
        differences = self._differences(stored)
        self.faults += differences
        # A commit whose segment is there, or a state, is no loss to the tables: they have as many rows without it.
        if self._lost and (self.cut or (differences and not (self.sound and self._as_many(stored)))):
            self.cut = True
            self.database.execute("ROLLBACK TO lost")
            self.newest = schema.number(self.database, "SELECT coalesce(max(seq), 0) FROM events")
        self.database.execute("COMMIT")

    def _as_many(self, stored: sqlite3.Connection) -> bool:
        return stored.execute(_COUNTS).fetchone() == self.database.execute(_COUNTS).fetchone()

    def _differences(self, stored: sqlite3.Connection) -> Sequence[str]:
        found: list[str] = []
        try:
            for table, query in _TABLES.items():
                found += _difference(table, stored.execute(query), self.database.execute(query))
            if not _missing_index(stored) and not _missing_index(self.database):
                found += _difference("segments_text", _terms(stored), _terms(self.database))
            for track, position in self.database.execute("SELECT track, position FROM cursor"):
                query = "SELECT count(*) FROM cursor WHERE track = ? AND position >= ?"
                if not schema.number(stored, query, track, position):
                    found.append(f"the cursor of track {track} is behind its events")
        except sqlite3.DatabaseError as error:
            found.append(_damage(error))
        return found

    def _check_reserve(self, stored: sqlite3.Connection) -> None:
        try:
            if int(schema.get_meta(stored, "reserved")) < self.newest:
                self.faults.append("numbers that were given may be given again")
        except sqlite3.DatabaseError as error:
            self.faults.append(_damage(error))


def _damage(error: sqlite3.DatabaseError) -> str:
    """Return what an error says of the file in one line; it is raised again if it says nothing of that."""
    if not schema.is_damage(error):
        raise error
    return " ".join(str(error).split())


def _difference(table: str, stored: Iterator[Sequence[object]], told: Iterator[Sequence[object]]) -> Iterator[str]:
    """Yield where a table is first not what it should be."""
    for number, (row, expected) in enumerate(zip_longest(stored, told), 1):
        if row != expected:
            yield f"{table}: row {number} is not what the events say"
            return


def _terms(connection: sqlite3.Connection) -> Iterator[Sequence[object]]:
    """Return what the full-text index holds, in order."""
    connection.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, segments_text, instance)")
    return connection.execute("SELECT * FROM temp.terms")


def _missing_index(connection: sqlite3.Connection) -> set[str]:
    """Return what a database lacks that was made by a SQLite without full-text search."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    return set() if "segments_text" in names else {"segments_text", "segments_text_insert"}


def _lossless(text: bytes) -> str:
    """Read a text that may not be one any more."""
    return text.decode("utf-8", "surrogateescape")
