"""Tally: the numbers of a run, told from its events."""

from dataclasses import dataclass, field

from transcriber.core.histogram import Histogram
from transcriber.events import Committed, Envelope, GapFound, SegmentClosed, TrackSummary
from transcriber.types import RATE, Coverage, TrackName


@dataclass(slots=True)
class TrackTally:
    """Counts of one track. `latency` has the seconds from the end of each word to its commit."""

    gaps: int = 0
    segments: int = 0
    words: int = 0
    coverage: Coverage = field(default_factory=Coverage)
    latency: Histogram = field(default_factory=Histogram)

    def summary(self, name: TrackName, captured: int, *, timed: bool) -> TrackSummary:
        """Return the track's part of the summary. Without `timed` the latency says nothing and is left out."""
        percentiles = None
        if timed and self.latency.count:
            p50, p95, p99 = (round(self.latency.percentile(share), 3) for share in (0.5, 0.95, 0.99))
            percentiles = p50, p95, p99
        return TrackSummary(name, captured, self.coverage, self.gaps, self.segments, self.words, percentiles)


@dataclass(slots=True)
class Tally:
    """Counts of all tracks."""

    tracks: dict[TrackName, TrackTally] = field(default_factory=dict[TrackName, TrackTally])

    def of(self, track: TrackName) -> TrackTally:
        """Return the tally of a track; an empty one if nothing was counted yet."""
        return self.tracks.setdefault(track, TrackTally())

    def take(self, envelope: Envelope) -> None:
        """Count an event."""
        match envelope.event:
            case Committed(track, words):
                tally = self.of(track)
                tally.words += len(words)
                for word in words:
                    tally.latency.add(envelope.emitted - word.end / RATE)
            case SegmentClosed(segment):
                self.of(segment.track).segments += 1
            case GapFound(track):
                self.of(track).gaps += 1
            case _:
                pass

    def cover(self, track: TrackName, coverage: Coverage) -> None:
        """Take note how far a track is covered."""
        self.of(track).coverage = coverage
