"""What happened, in the past tense: the facts that subscribers see.

`transcriber.core.wire` writes them as the JSON lines of `docs/events.md`; an embedding program gets these values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from transcriber.types import Coverage, Gap, GapReason, Position, Segment, TrackName, Word


@dataclass(frozen=True, slots=True)
class TrackStarted:
    """A track of the session: its name, and the source that it was asked to record."""

    name: TrackName
    source: str


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """First event of a run. `model` is what was asked for; `state` events say what was loaded."""

    id: str
    folder: str
    started: datetime
    tracks: tuple[TrackStarted, ...]
    model: str
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Partial:
    """The replaceable tail of a track: text after the last commit that may still change. Empty text clears it."""

    track: TrackName
    start: Position
    text: str


@dataclass(frozen=True, slots=True)
class Committed:
    """Words that will never change; each run of words follows the one before it."""

    track: TrackName
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class SegmentClosed:
    """A piece of the transcript is complete. It is stored exactly once."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class GapFound:
    """Audio of a track is missing."""

    track: TrackName
    gap: Gap


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A component went from one state to another."""

    component: str
    before: str
    after: str
    reason: str
    track: TrackName | None = None


@dataclass(frozen=True, slots=True)
class TrackSummary:
    """What became of one track. `captured` counts samples; `coverage` adds up to the part that is accounted for."""

    name: TrackName
    captured: int
    coverage: Coverage
    gaps: int
    segments: int
    words: int
    commit_latency: tuple[float, float, float] | None
    """p50, p95, p99 of seconds from a word's end to its commit; None without words, or where the pace is not real."""
    missing_by: Mapping[GapReason, int] = field(default_factory=dict[GapReason, int])
    """The samples of `coverage.missing`, by reason."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Last event of a run.

    `complete` says that every captured sample is accounted for. `real_time_factor` is decode time over audio decoded.
    `peak_memory` is the largest resident set in bytes of each process.
    """

    tracks: tuple[TrackSummary, ...]
    complete: bool
    elapsed: float
    real_time_factor: float | None
    restarts: int
    peak_memory: dict[str, int]


type Event = SessionStarted | Partial | Committed | SegmentClosed | GapFound | StateChanged | Summary


def track_of(event: Event) -> TrackName | None:
    """Return the track that an event is about; None if it is about the session."""
    match event:
        case Partial() | Committed() | GapFound() | StateChanged():
            return event.track
        case SegmentClosed(segment):
            return segment.track
        case SessionStarted() | Summary():
            return None


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event as it was published.

    `seq` grows by at least one with every event of a session, also across a crash. `emitted` is in seconds since the
    position 0 of the event's track (since the start of the session for events without a track), monotonic.
    """

    seq: int
    emitted: float
    event: Event
