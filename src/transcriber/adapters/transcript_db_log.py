"""The event log of a transcript: the table `events`.

It is the truth of a transcript. What is in the other tables is what its events changed, and can be made of them anew;
and a checksum tells of each event whether it is what was stored.
"""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from transcriber.adapters import transcript_db_schema as schema
from transcriber.core.transcript_entry import Entry, Rest, checksum
from transcriber.events import Envelope, track_of


class Logged(NamedTuple):
    """An event as it was stored, and the number of the one before it."""

    envelope: Envelope
    entry: Entry
    after: int


class Row(NamedTuple):
    """A row as it is stored. Nothing in it is to be trusted."""

    seq: int
    emitted: float
    track: str | None
    line: str
    rest: str
    crc: int

    def logged(self) -> Logged | None:
        """Return what was stored, if the checksum says that this is it."""
        try:
            return logged(self.line, self.rest) if checksum(self.line, self.rest) == self.crc else None
        except ValueError:
            return None

    def agrees(self, envelope: Envelope) -> bool:
        """Whether the columns say what the line does."""
        return (self.seq, self.emitted, self.track) == (envelope.seq, envelope.emitted, track_of(envelope.event))


def logged(line: str, rest: str) -> Logged | None:
    """Return the event of which these are the line and the rest; None if there is none in them.

    Raises:
        ValueError: they are no such texts.

    """
    left_out = msgspec.json.decode(rest, type=Rest)
    entry = Entry.of(line, left_out)
    return entry.envelope and Logged(entry.envelope, entry, left_out.after)


def append(connection: sqlite3.Connection, envelope: Envelope, entry: Entry) -> None:
    """Store an event after those that are there."""
    rest = msgspec.json.encode(entry.rest(schema.number(connection, "SELECT coalesce(max(seq), 0) FROM events")))
    # Rounded as the line is, so that the log can be made anew from its lines.
    row = Row(envelope.seq, round(envelope.emitted, 3), track_of(envelope.event), entry.line, rest.decode(), 0)
    row = row._replace(crc=checksum(row.line, row.rest))
    connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", row)


def rows(connection: sqlite3.Connection) -> Iterator[Row]:
    """Yield the rows in order."""
    query = "SELECT seq, emitted, track, json, rest, crc FROM events ORDER BY seq"
    for values in connection.execute(query):
        try:
            yield msgspec.convert(values, Row)
        except ValueError:  # a value of another kind than the column
            yield Row(values[0], 0.0, None, "", "", -1)
