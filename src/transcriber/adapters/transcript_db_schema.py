"""The tables of `transcript.db`, and how its file is opened. Others may read it with any SQLite."""

import contextlib
import os
import sqlite3
import zlib
from pathlib import Path
from typing import Any

from transcriber.adapters import disk_files
from transcriber.errors import StorageError

APPLICATION_ID = 0x54534352
"""`PRAGMA application_id`, by which `file` and others tell it from any database: "TSCR"."""

FORMAT = 1
"""`PRAGMA user_version`, and `format` in `meta`. A reader refuses a newer one."""

_BUSY_SECONDS = 5.0
"""How long a writer waits for somebody who reads the database with another tool."""

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE segments (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    track TEXT NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    text TEXT NOT NULL,
    language TEXT NOT NULL
) STRICT;
CREATE TABLE words (
    seq INTEGER PRIMARY KEY,
    track TEXT NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    text TEXT NOT NULL,
    probability REAL NOT NULL,
    segment TEXT REFERENCES segments (id)
) STRICT;
CREATE INDEX words_of_segment ON words (segment);
CREATE INDEX words_open ON words (track) WHERE segment IS NULL;
CREATE TABLE gaps (
    track TEXT NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (track, start)
) STRICT, WITHOUT ROWID;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    emitted REAL NOT NULL,
    track TEXT,
    json TEXT NOT NULL,
    rest TEXT NOT NULL,
    crc INTEGER NOT NULL
) STRICT;
CREATE TABLE cursor (
    track TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    transcribed INTEGER NOT NULL,
    silence INTEGER NOT NULL,
    missing INTEGER NOT NULL,
    CHECK (position = transcribed + silence + missing AND min(transcribed, silence, missing) >= 0)
) STRICT, WITHOUT ROWID;
"""

SEARCH_SCHEMA = """
CREATE VIRTUAL TABLE segments_text USING fts5 (
    text, content = 'segments', content_rowid = 'seq', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER segments_text_insert AFTER INSERT ON segments BEGIN
    INSERT INTO segments_text (rowid, text) VALUES (new.seq, new.text);
END;
"""

_MARKS = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
"""

_NOT_DAMAGE = {
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM),
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY),
}
"""Errors that tell of the disk, or of others that use the file, and nothing about what is in it."""


class _Connection(sqlite3.Connection):
    """A connection that raises no other errors than SQLite's own, whatever is in the file."""

    def execute(self, *arguments: Any) -> sqlite3.Cursor:  # noqa: ANN401 - as sqlite3 has it
        """Execute a statement, as `sqlite3.Connection` does."""
        try:
            return super().execute(*arguments)
        except UnicodeDecodeError as error:  # a message that quotes a name which is no text any more
            raise sqlite3.DatabaseError("its schema is damaged") from error


def connect(path: Path, *, make: bool = True) -> sqlite3.Connection:
    """Open a database to write. With `make` it is made, for its owner alone, if it is not there.

    Every commit is durable.

    Raises:
        StorageError: it cannot be opened, or is newer than this program.
        sqlite3.DatabaseError: it is damaged.

    """
    if not make and not path.exists():
        raise StorageError(f"{path} was removed while it was written; resume the session to make a new one")
    try:
        os.close(disk_files.open_private(path))  # SQLite gives its side files the mode of the database
        disk_files.sync_folder(path.parent)
    except OSError as error:
        raise disk_files.explain(error, path) from error
    with contextlib.ExitStack() as undo:
        # The thread that uses it is replaced when it hangs; never do two use it at once.
        connection = _connect(path, check_same_thread=False)
        undo.callback(connection.close)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
        if check_format(connection, path) == 0:
            create(connection)
        undo.pop_all()
    return connection


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open a database only to read.

    Raises:
        StorageError: it cannot be opened, or is newer than this program.
        sqlite3.DatabaseError: it is damaged.

    """
    with contextlib.ExitStack() as undo:
        try:
            connection = _connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            undo.callback(connection.close)
            version = check_format(connection, path)
        except sqlite3.OperationalError as error:
            raise StorageError(f"cannot read {path}: {error}; check that the session is complete") from error
        if version == 0:
            raise StorageError(f"{path} is no transcript; make it anew with `transcriber sessions verify --repair`")
        undo.pop_all()
    return connection


def connect_to_repair(path: Path) -> sqlite3.Connection:
    """Open a database whatever is in it: what a crash left half done is settled, and else nothing in it is changed.

    Raises:
        sqlite3.OperationalError: it cannot be opened.

    """
    return _connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)


def scratch() -> sqlite3.Connection:
    """Return an empty database that goes when it is closed: in memory, and if it grows large in a file without name."""
    connection = sqlite3.connect("", isolation_level=None)
    create(connection)
    return connection


def check_format(connection: sqlite3.Connection, path: Path) -> int:
    """Return the database's format, 0 if it is new. The header and the table `meta` both say it.

    Raises:
        StorageError: it is newer than this program, or none of its.
        sqlite3.DatabaseError: it is damaged.

    """
    program, version = (number(connection, f"PRAGMA {mark}") for mark in ("application_id", "user_version"))
    if program == version == 0 and not number(connection, "SELECT count(*) FROM sqlite_schema"):
        return 0
    said = int(find_meta(connection, "format") or 0)
    if not said and program != APPLICATION_ID:
        raise StorageError(f"{path} is a database of another program")
    if program == APPLICATION_ID and version > FORMAT and said in {0, version}:
        raise StorageError(f"{path} has format {version}; this Transcriber reads up to {FORMAT}: update it")
    if (program, version) != (APPLICATION_ID, said):
        raise sqlite3.DatabaseError("its header or its table meta is not what was written")
    return version


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether an error says that the file is damaged, and not that it cannot be read or written now."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF not in _NOT_DAMAGE


def create(connection: sqlite3.Connection) -> None:
    """Make the tables, all or none: the version is set in the same transaction."""
    search = SEARCH_SCHEMA if number(connection, "SELECT sqlite_compileoption_used('ENABLE_FTS5')") else ""
    connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} {search} {_MARKS}")
    put_meta(connection, "format", str(FORMAT))
    put_meta(connection, "reserved", "0")
    connection.execute("COMMIT")


def put_meta(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Store a value in the table `meta`, with its checksum."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", (key, value, _meta_crc(key, value)))


def get_meta(connection: sqlite3.Connection, key: str) -> str:
    """Return a value of the table `meta`.

    Raises:
        sqlite3.DatabaseError: it is not there, or is not what was stored.

    """
    row = connection.execute("SELECT value, crc FROM meta WHERE key = ?", (key,)).fetchone()
    if row is None or row[1] != _meta_crc(key, row[0]):
        raise sqlite3.DatabaseError(f"{key!r} in its table meta is {'not what was stored' if row else 'missing'}")
    return row[0]


def find_meta(connection: sqlite3.Connection, key: str) -> str | None:
    """Return a value of the table `meta`, None where it is not there or is damaged."""
    try:
        return get_meta(connection, key)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return None


def read_meta(path: Path, key: str) -> str | None:
    """Return a value of the table `meta` of a database that may be damaged, or not there; None if it cannot be read."""
    try:
        with contextlib.closing(_connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return get_meta(connection, key)
    except sqlite3.Error:
        return None


def _meta_crc(key: str, value: str) -> int:
    return zlib.crc32(f"{key} {value}".encode(errors="surrogateescape"))


def _connect(database: Path | str, **options: Any) -> sqlite3.Connection:  # noqa: ANN401 - as sqlite3 has it
    return sqlite3.connect(database, timeout=_BUSY_SECONDS, isolation_level=None, factory=_Connection, **options)


def number(connection: sqlite3.Connection, query: str, *arguments: object) -> int:
    """Return the one number that a query gives."""
    value: int = connection.execute(query, arguments).fetchone()[0]
    return value
