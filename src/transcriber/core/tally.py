"""Tally: the numbers of a run, told from its events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from transcriber.core.histogram import Histogram
from transcriber.events import Committed, Envelope, Event, GapFound, SegmentClosed, TrackSummary, track_of
from transcriber.types import RATE, Coverage, Gap, GapReason, TrackName


@dataclass(frozen=True, slots=True)
class Counts:
    """How much was told of a track. `missing` has the samples of its gaps, by reason."""

    segments: int = 0
    words: int = 0
    gaps: int = 0
    missing: Mapping[GapReason, int] = field(default_factory=dict[GapReason, int])

    def then(self, event: Event | None) -> "Counts":
        """Return what they are after one more event of the track, or none."""
        match event:
            case Committed(words=words):
                return replace(self, words=self.words + len(words))
            case SegmentClosed():
                return replace(self, segments=self.segments + 1)
            case GapFound(gap=gap):
                return replace(self, gaps=self.gaps + 1, missing=missing_by([gap], self.missing))
            case _:
                return self


def missing_by(gaps: Iterable[Gap], before: Mapping[GapReason, int] | None = None) -> dict[GapReason, int]:
    """Return the samples of gaps, by reason, and those that were counted before."""
    samples = dict(before or {})
    for gap in gaps:
        samples[gap.reason] = samples.get(gap.reason, 0) + gap.end - gap.start
    return samples


@dataclass(slots=True)
class TrackTally:
    """One track: of the session as a whole but for `latency`, the seconds from the end of each word to its commit."""

    counts: Counts = field(default_factory=Counts)
    coverage: Coverage = field(default_factory=Coverage)
    latency: Histogram = field(default_factory=Histogram)

    def summary(self, name: TrackName, captured: int, *, timed: bool) -> TrackSummary:
        """Return the track's part of the summary. Without `timed` the latency says nothing and is left out."""
        percentiles = None
        if timed and self.latency.count:
            p50, p95, p99 = (round(self.latency.percentile(share), 3) for share in (0.5, 0.95, 0.99))
            percentiles = p50, p95, p99
        counts = self.counts
        return TrackSummary(
            name,
            captured,
            self.coverage,
            counts.gaps,
            counts.segments,
            counts.words,
            percentiles,
            dict(counts.missing),
        )


@dataclass(slots=True)
class Tally:
    """Counts of all tracks."""

    tracks: dict[TrackName, TrackTally] = field(default_factory=dict[TrackName, TrackTally])

    def of(self, track: TrackName) -> TrackTally:
        """Return the tally of a track; an empty one if nothing was counted yet."""
        return self.tracks.setdefault(track, TrackTally())

    def take(self, envelope: Envelope) -> None:
        """Count an event."""
        track = track_of(envelope.event)
        if track is None:
            return
        tally = self.of(track)
        tally.counts = tally.counts.then(envelope.event)
        if isinstance(envelope.event, Committed):
            for word in envelope.event.words:
                tally.latency.add(envelope.emitted - word.end / RATE)

    def restore(self, track: TrackName, coverage: Coverage, counts: Counts) -> None:
        """Begin with what is stored of a track."""
        tally = self.of(track)
        tally.coverage, tally.counts = coverage, counts

    def cover(self, track: TrackName, coverage: Coverage) -> None:
        """Take note how far a track is covered."""
        self.of(track).coverage = coverage
