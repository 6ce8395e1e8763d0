"""What is stored at once in a transcript, and the same as bytes, for when the database cannot take it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import batched

import msgspec

from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.core import wire
from transcriber.events import Committed, Envelope, Event, GapFound, SegmentClosed
from transcriber.types import Coverage, Position, TrackName, Word


class Held(msgspec.Struct, frozen=True, array_like=True):
    """An entry as it lies in the emergency file: the JSON line of an event and a track's coverage, if there are.

    A line has milliseconds; `positions` are the event's own, to the sample. `after` is the number of the event that was
    stored before it, 0 if that is not known: without that one it must not be stored, or it would hide that it is gone.
    """

    line: str
    positions: list[int]
    track: str | None = None
    coverage: tuple[int, int, int, int] | None = None
    after: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """What is stored at once: an event, or none; and how far it brings a track, if it does."""

    envelope: Envelope | None
    line: str
    coverage: Coverage | None
    track: TrackName | None

    def held(self, after: int = 0) -> bytes:
        """Return the entry as bytes; `after` is the number of the event stored before it, 0 if that is not known."""
        coverage = self.coverage
        figures = coverage and (coverage.position, coverage.transcribed, coverage.silence, coverage.missing)
        positions = _positions(self.envelope.event) if self.envelope else []
        return msgspec.json.encode(Held(self.line, positions, self.track, figures, after))

    @classmethod
    def of(cls, content: bytes) -> "Entry":
        """Return the entry that `held` made bytes of.

        Raises:
            ValueError: it made no such bytes.

        """
        held = msgspec.json.decode(content, type=Held)
        envelope = wire.decode(held.line) if held.line else None
        if envelope is not None:
            envelope = replace(envelope, event=_placed(envelope.event, held.positions))
        track = TrackName(held.track) if held.track is not None else None
        coverage = held.coverage and Coverage(Position(held.coverage[0]), *held.coverage[1:])
        return cls(envelope, held.line, coverage, track)

    @staticmethod
    def after(content: bytes) -> int:
        """Return the number of the event before the entry that `held` made bytes of, 0 if that is not known."""
        return msgspec.json.decode(content, type=Held).after

    def store(self, database: TranscriptDatabase) -> bool:
        """Store it; return whether it was not stored before."""
        if self.envelope is not None:
            return database.apply(self.envelope, self.line, self.coverage, self.track)
        if self.track is not None and self.coverage is not None:
            database.advance(self.track, self.coverage)
        return True


def _positions(event: Event) -> list[int]:
    """Return the positions in an event, in the order in which `_placed` wants them."""
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


def _placed(event: Event, positions: Sequence[int]) -> Event:
    """Return the event with these positions."""
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
