"""The tables of `transcript.db`, and how its file is opened. Others may read it with any SQLite."""

import contextlib
import os
import sqlite3
from pathlib import Path

from transcriber.adapters import disk_files
from transcriber.errors import StorageError

APPLICATION_ID = 0x54534352
"""`PRAGMA application_id`, by which `file` and others tell it from any database: "TSCR"."""

FORMAT = 1
"""`PRAGMA user_version`, and `format` in `meta`. A reader refuses a newer one."""

_BUSY_SECONDS = 5.0
"""How long a writer waits for somebody who reads the database with another tool."""

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
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
    json TEXT NOT NULL
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
INSERT INTO meta VALUES ('format', {FORMAT}), ('reserved', 0);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
"""  # noqa: S608 - constants


def connect(path: Path) -> sqlite3.Connection:
    """Open a database to write, and make it, for its owner alone, if it is not there. Every commit is durable.

    Raises:
        StorageError: it cannot be opened, or is newer than this program.
        sqlite3.DatabaseError: it is damaged.

    """
    try:
        os.close(disk_files.open_private(path))  # SQLite gives its side files the mode of the database
        disk_files.sync_folder(path.parent)
    except OSError as error:
        raise disk_files.explain(error, path) from error
    with contextlib.ExitStack() as undo:
        # The thread that uses it is replaced when it hangs; never do two use it at once.
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        undo.callback(connection.close)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
        if _check_format(connection, path) == 0:
            _create(connection)
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
            uri = f"{path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
            undo.callback(connection.close)
            version = _check_format(connection, path)
        except sqlite3.OperationalError as error:
            raise StorageError(f"cannot read {path}: {error}; check that the session is complete") from error
        if version == 0:
            raise StorageError(f"{path} is not the transcript of a session; resume the session to make a new one")
        undo.pop_all()
    return connection


def _check_format(connection: sqlite3.Connection, path: Path) -> int:
    """Return the database's format, 0 if it is new."""
    version = number(connection, "PRAGMA user_version")
    if version and number(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise StorageError(f"{path} is a database of another program")
    if version > FORMAT:
        raise StorageError(f"{path} has format {version}; this Transcriber reads up to {FORMAT}: update it")
    return version


def _create(connection: sqlite3.Connection) -> None:
    """Make the tables, all or none: the version is set in the same transaction."""
    search = SEARCH_SCHEMA if number(connection, "SELECT sqlite_compileoption_used('ENABLE_FTS5')") else ""
    connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} {search} {_MARKS} COMMIT;")


def number(connection: sqlite3.Connection, query: str, *arguments: object) -> int:
    """Return the one number that a query gives."""
    value: int = connection.execute(query, arguments).fetchone()[0]
    return value
