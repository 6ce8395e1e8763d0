"""The JSON lines as values: one class an event, with the fields of `docs/events.md` in their order.

Each class knows both ways: `of` makes the line of an event, `told` gives the event back. Positions become seconds,
rounded to a millisecond; memory becomes megabytes; sample counts stay exact.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, Self

from msgspec import UNSET, Struct, UnsetType, field

from transcriber.core.ledger import Samples, TrackLedger, fields, tally
from transcriber.events import (
    Committed,
    GapFound,
    Partial,
    SegmentClosed,
    SessionStarted,
    StateChanged,
    Summary,
    TrackStarted,
)
from transcriber.types import Gap, GapReason, Position, Segment, SegmentId, TrackName, Word, samples, seconds

MEGABYTE = 1_000_000


def position(at: float) -> Position:
    """Return the position nearest to `at` seconds."""
    return Position(samples(at))


class WordLine(Struct, frozen=True):
    """A word, with its leading space."""

    word: str
    start: float
    end: float
    probability: float

    @classmethod
    def each(cls, words: Iterable[Word]) -> tuple[Self, ...]:
        """Return the words as they stand in a line."""
        return tuple(cls(w.text, seconds(w.start), seconds(w.end), round(w.probability, 3)) for w in words)


def told(words: Iterable[WordLine]) -> tuple[Word, ...]:
    """Return the words of a line as words on the track's clock."""
    return tuple(Word(w.word, position(w.start), position(w.end), w.probability) for w in words)


class Line(Struct, frozen=True, kw_only=True):
    """What every line begins with."""

    v: Literal[1] = 1
    seq: int
    event: str


class LineOfTrack(Line, frozen=True, kw_only=True):
    """An event of one track."""

    track: TrackName
    emitted: float


class LineOfSession(Line, frozen=True, kw_only=True):
    """An event of the session; `track` is there if it is about one."""

    track: TrackName | UnsetType = UNSET
    emitted: float


class TrackLine(Struct, frozen=True):
    """A track that the session records."""

    name: TrackName
    source: str


class SessionLine(LineOfSession, frozen=True, kw_only=True):
    """First line of a run."""

    event: Literal["session"] = "session"
    id: str
    folder: str
    started: datetime
    tracks: tuple[TrackLine, ...]
    model: str
    resumed: bool

    @classmethod
    def of(cls, seq: int, emitted: float, event: SessionStarted) -> Self:
        """Make the line."""
        return cls(
            seq=seq,
            emitted=emitted,
            id=event.id,
            folder=event.folder,
            started=event.started,
            tracks=tuple(TrackLine(track.name, track.source) for track in event.tracks),
            model=event.model,
            resumed=event.resumed,
        )

    def told(self) -> SessionStarted:
        """Give the event back."""
        tracks = tuple(TrackStarted(track.name, track.source) for track in self.tracks)
        return SessionStarted(self.id, self.folder, self.started, tracks, self.model, self.resumed)


class PartialLine(LineOfTrack, frozen=True, kw_only=True):
    """The replaceable tail of a track."""

    event: Literal["partial"] = "partial"
    start: float
    text: str

    @classmethod
    def of(cls, seq: int, emitted: float, event: Partial) -> Self:
        """Make the line."""
        return cls(seq=seq, track=event.track, emitted=emitted, start=seconds(event.start), text=event.text)

    def told(self) -> Partial:
        """Give the event back."""
        return Partial(self.track, position(self.start), self.text)


class CommitLine(LineOfTrack, frozen=True, kw_only=True):
    """Words that will never change."""

    event: Literal["commit"] = "commit"
    words: tuple[WordLine, ...]

    @classmethod
    def of(cls, seq: int, emitted: float, event: Committed) -> Self:
        """Make the line."""
        return cls(seq=seq, track=event.track, emitted=emitted, words=WordLine.each(event.words))

    def told(self) -> Committed:
        """Give the event back."""
        return Committed(self.track, told(self.words))


class SegmentLine(LineOfTrack, frozen=True, kw_only=True):
    """A closed piece of the transcript."""

    event: Literal["segment"] = "segment"
    id: SegmentId
    start: float
    end: float
    text: str
    language: str
    words: tuple[WordLine, ...]

    @classmethod
    def of(cls, seq: int, emitted: float, event: SegmentClosed) -> Self:
        """Make the line."""
        segment = event.segment
        return cls(
            seq=seq,
            track=segment.track,
            emitted=emitted,
            id=segment.id,
            start=seconds(segment.start),
            end=seconds(segment.end),
            text=segment.text,
            language=segment.language,
            words=WordLine.each(segment.words),
        )

    def told(self) -> SegmentClosed:
        """Give the event back."""
        start, end = position(self.start), position(self.end)
        return SegmentClosed(Segment(self.id, self.track, start, end, told(self.words), self.language))


class GapLine(LineOfTrack, frozen=True, kw_only=True):
    """Audio that is missing."""

    event: Literal["gap"] = "gap"
    start: float
    end: float
    reason: GapReason

    @classmethod
    def of(cls, seq: int, emitted: float, event: GapFound) -> Self:
        """Make the line."""
        start, end = seconds(event.gap.start), seconds(event.gap.end)
        return cls(seq=seq, track=event.track, emitted=emitted, start=start, end=end, reason=event.gap.reason)

    def told(self) -> GapFound:
        """Give the event back."""
        return GapFound(self.track, Gap(position(self.start), position(self.end), self.reason))


class StateLine(LineOfSession, frozen=True, kw_only=True):
    """A component that changed."""

    event: Literal["state"] = "state"
    component: str
    before: str = field(name="from")
    after: str = field(name="to")
    reason: str

    @classmethod
    def of(cls, seq: int, emitted: float, event: StateChanged) -> Self:
        """Make the line."""
        return cls(
            seq=seq,
            track=UNSET if event.track is None else event.track,
            emitted=emitted,
            component=event.component,
            before=event.before,
            after=event.after,
            reason=event.reason,
        )

    def told(self) -> StateChanged:
        """Give the event back."""
        track = None if self.track is UNSET else self.track
        return StateChanged(self.component, self.before, self.after, self.reason, track)


class SummaryLine(LineOfSession, frozen=True, kw_only=True):
    """Last line of a run: the ledger of all tracks together (the fields of `Ledger`), then of each."""

    event: Literal["summary"] = "summary"
    complete: bool
    captured: float
    covered: float
    transcribed: float
    silence: float
    missing: float
    missing_by: dict[GapReason, float] = {}
    coverage: float
    samples: Samples
    gaps: int
    segments: int
    words: int
    commit_p50: float | None
    commit_p95: float | None
    commit_p99: float | None
    elapsed: float
    real_time_factor: float | None
    restarts: int
    peak_memory: dict[str, float]
    tracks: tuple[TrackLedger, ...]

    @classmethod
    def of(cls, seq: int, emitted: float, event: Summary) -> Self:
        """Make the line."""
        factor = event.real_time_factor
        return cls(
            seq=seq,
            emitted=emitted,
            complete=event.complete,
            **fields(tally(event.tracks)),
            elapsed=round(event.elapsed, 3),
            real_time_factor=None if factor is None else round(factor, 4),
            restarts=event.restarts,
            peak_memory={name: round(size / MEGABYTE, 1) for name, size in event.peak_memory.items()},
            tracks=tuple(TrackLedger.of(track) for track in event.tracks),
        )

    def told(self) -> Summary:
        """Give the event back; memory to a tenth of a megabyte."""
        return Summary(
            tracks=tuple(track.told() for track in self.tracks),
            complete=self.complete,
            elapsed=self.elapsed,
            real_time_factor=self.real_time_factor,
            restarts=self.restarts,
            peak_memory={name: round(size * MEGABYTE) for name, size in self.peak_memory.items()},
        )


type AnyLine = SessionLine | PartialLine | CommitLine | SegmentLine | GapLine | StateLine | SummaryLine
