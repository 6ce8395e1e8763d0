"""What is stored at once in a transcript: a line of `docs/events.md`, and what that leaves out.

A line has milliseconds, and says nothing of coverage or of the order in which events were stored. The `Rest` has that:
with both, everything that an event changed can be done again, to the sample. So they lie in the event log of
`transcript.db`, with a checksum, and in the emergency file of a transcript.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import batched
from typing import Self

import msgspec

from transcriber.core import wire
from transcriber.events import Committed, Envelope, Event, GapFound, SegmentClosed
from transcriber.types import Coverage, Position, TrackName, Word


class Rest(msgspec.Struct, frozen=True, array_like=True):
    """What a line leaves out."""

    positions: list[int]
    """The positions in the line, to the sample."""
    track: str | None
    coverage: tuple[int, int, int, int] | None
    """What became of the samples of `track` by then: position, transcribed, silence, missing."""
    after: int
    """Number of the event that was stored before, 0 if there is none, or it is not known."""


class _Held(msgspec.Struct, frozen=True, array_like=True):
    line: str
    rest: Rest


@dataclass(frozen=True, slots=True)
class Entry:
    """What is stored at once: an event, or none; and how far it brings a track, if it does."""

    envelope: Envelope | None
    line: str
    coverage: Coverage | None
    track: TrackName | None

    @classmethod
    def of(cls, line: str, rest: Rest) -> Self:
        """Return the entry of which these are the line and the rest.

        Raises:
            ValueError: there is no such entry.

        """
        envelope = wire.decode(line) if line else None
        if envelope is not None:
            envelope = replace(envelope, event=placed(envelope.event, rest.positions))
        coverage = rest.coverage and Coverage(Position(rest.coverage[0]), *rest.coverage[1:])
        return cls(envelope, line, coverage, None if rest.track is None else TrackName(rest.track))

    def rest(self, after: int) -> Rest:
        """Return what the line leaves out; `after` is the number of the event stored before it."""
        coverage = self.coverage
        figures = coverage and (coverage.position, coverage.transcribed, coverage.silence, coverage.missing)
        return Rest(positions(self.envelope.event) if self.envelope else [], self.track, figures, after)

    def held(self, after: int) -> bytes:
        """Return the entry as it lies in an emergency file."""
        return msgspec.json.encode(_Held(self.line, self.rest(after)))


def from_held(content: bytes) -> tuple[Entry, int]:
    """Return the entry that `held` made bytes of, and the number of the event before it.

    Raises:
        ValueError: it made no such bytes.

    """
    held = msgspec.json.decode(content, type=_Held)
    return Entry.of(held.line, held.rest), held.rest.after


def checksum(line: str, rest: str) -> int:
    """Return the CRC32 of a line and of what it leaves out, as they stand in the event log."""
    return zlib.crc32(f"{line}\n{rest}".encode())


def positions(event: Event) -> list[int]:
    """Return the positions in an event, in the order in which `placed` wants them."""
    match event:
        case Committed(words=words):
            return [position for word in words for position in (word.start, word.end)]
        case SegmentClosed(segment):
            words = segment.words
            return [segment.start, segment.end, *(position for word in words for position in (word.start, word.end))]
        case GapFound(gap=gap):
            return [gap.start, gap.end]
        case _:
            return []


def placed(event: Event, positions: Sequence[int]) -> Event:
    """Return the event with these positions.

    Raises:
        ValueError: they are too few, or too many.

    """
    spans = list(batched(map(Position, positions), 2, strict=True))
    match event:
        case Committed(track, words):
            return Committed(track, _words(words, spans))
        case SegmentClosed(segment):
            (start, end), *rest = spans
            return SegmentClosed(replace(segment, start=start, end=end, words=_words(segment.words, rest)))
        case GapFound(track, gap):
            [(start, end)] = spans
            return GapFound(track, replace(gap, start=start, end=end))
        case _:
            return event


def _words(words: Sequence[Word], spans: Sequence[tuple[Position, ...]]) -> tuple[Word, ...]:
    return tuple(replace(word, start=start, end=end) for word, (start, end) in zip(words, spans, strict=True))
