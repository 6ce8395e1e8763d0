"""A damaged event is made again of what it changed.

An event, its checksum and the rows that it changed are three witnesses, and two that agree tell the third: rows of
which a line with that checksum can be made, or rows and a line that say the same.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from transcriber.adapters.transcript_db_log import Logged, Row, logged
from transcriber.core import wire
from transcriber.core.transcript_entry import Entry, Rest, checksum, positions
from transcriber.events import Committed, Envelope, Event, GapFound, SegmentClosed
from transcriber.types import RATE, Gap, GapReason, Segment, TrackName, Word

_NEAR = RATE // 1_000 // 2
"""Samples by which a position in a line is off at most: it has milliseconds."""

_AT = "WHERE track = ? AND start BETWEEN ? AND ?"
_GAPS = f'SELECT start, "end", reason FROM gaps {_AT}'  # noqa: S608 - constants, as below
_SEGMENTS = f'SELECT id, start, "end", language FROM segments {_AT}'  # noqa: S608
_FIRST_WORDS = f"SELECT seq FROM words {_AT}"  # noqa: S608
_WORDS = 'SELECT text, start, "end", probability FROM words '
_OF_SEGMENT = f"{_WORDS} WHERE segment = ? ORDER BY seq"
_FROM = f"{_WORDS} WHERE track = ? AND seq >= ? ORDER BY seq LIMIT ?"


def made_again(stored: sqlite3.Connection, row: Row, after: int) -> Logged | None:
    """Return the event that was stored in a damaged row, after the event `after`; None where that is not certain."""
    rest, said = _rest(row), _said(row)
    for places in (rest.positions if rest else [], positions(said) if said else []):
        for line, event in _lines(stored, row, places):
            if rest is not None and checksum(line, row.rest) == row.crc:
                return logged(line, row.rest)
            if line == row.line:  # what it left out is damaged, or the checksum: the cursor is moved by a later one
                envelope = Envelope(row.seq, row.emitted, event)
                return Logged(envelope, Entry(envelope, line, None, None), after)
    return None


def _lines(stored: sqlite3.Connection, row: Row, places: Sequence[int]) -> Iterator[tuple[str, Event]]:
    """Yield the lines that could have been in a row, by what the tables know at these positions."""
    try:
        for event in _vouched_for(stored, row.track, places):
            yield wire.encode(Envelope(row.seq, row.emitted, event)), event
    except (TypeError, ValueError):  # they are damaged as well
        return


def _rest(row: Row) -> Rest | None:
    with suppress(ValueError):
        return msgspec.json.decode(row.rest, type=Rest)
    return None


def _said(row: Row) -> Event | None:
    with suppress(ValueError):
        return wire.decode(row.line).event
    return None


def _vouched_for(stored: sqlite3.Connection, track: str | None, places: Sequence[int]) -> Iterator[Event]:
    """Yield the events that the tables know of at the first of these positions, or as near as that may be rounded."""
    if track is None or not places:
        return
    name, near = TrackName(track), (track, places[0] - _NEAR, places[0] + _NEAR)
    for start, end, reason in stored.execute(_GAPS, near):
        yield GapFound(name, Gap(start, end, GapReason(reason)))
    for segment, start, end, language in stored.execute(_SEGMENTS, near):
        words = tuple(Word(*word) for word in stored.execute(_OF_SEGMENT, (segment,)))
        yield SegmentClosed(Segment(segment, name, start, end, words, language))
    for (first,) in stored.execute(_FIRST_WORDS, near):
        yield Committed(name, tuple(Word(*word) for word in stored.execute(_FROM, (track, first, len(places) // 2))))
