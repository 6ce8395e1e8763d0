"""The ledger: what became of every captured sample, as `summary` lines carry it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

from msgspec import Struct, structs

from transcriber.events import TrackSummary
from transcriber.types import Coverage, GapReason, Position, TrackName, seconds

COVERAGE_STEPS = 10_000
"""Coverage is cut, not rounded, to this many steps: 1.0 means every sample, never nearly every one."""


class Samples(Struct, frozen=True):
    """Exact counts: `covered` is `transcribed + silence + missing`, and equals `captured` in a complete run."""

    captured: int
    covered: int
    transcribed: int
    silence: int
    missing: int
    missing_by: dict[GapReason, int] = {}
    """`missing` by the reason of its gaps."""


class Ledger(Struct, frozen=True, kw_only=True):
    """What became of the audio of a track, or of several: in seconds, and in samples.

    Latencies are seconds from a word's end to its commit, those of the slowest track; None where there is none.
    """

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


def tally(tracks: Sequence[TrackSummary]) -> Ledger:
    """Add the tracks up."""
    samples = Samples(
        sum(track.captured for track in tracks),
        sum(track.coverage.position for track in tracks),
        sum(track.coverage.transcribed for track in tracks),
        sum(track.coverage.silence for track in tracks),
        sum(track.coverage.missing for track in tracks),
        dict(sum((Counter(track.missing_by) for track in tracks), Counter[GapReason]())),
    )
    p50, p95, p99 = _slowest(tracks)
    return Ledger(
        captured=seconds(samples.captured),
        covered=seconds(samples.covered),
        transcribed=seconds(samples.transcribed),
        silence=seconds(samples.silence),
        missing=seconds(samples.missing),
        missing_by={reason: seconds(count) for reason, count in samples.missing_by.items()},
        coverage=share(samples.covered, samples.captured),
        samples=samples,
        gaps=sum(track.gaps for track in tracks),
        segments=sum(track.segments for track in tracks),
        words=sum(track.words for track in tracks),
        commit_p50=p50,
        commit_p95=p95,
        commit_p99=p99,
    )


def share(covered: int, captured: int) -> float:
    """Return the coverage, 0 to 1; nothing captured is all covered.

    >>> share(159_999, 160_000)
    0.9999
    """
    if captured <= 0:
        return 1.0
    return min(covered * COVERAGE_STEPS // captured, COVERAGE_STEPS) / COVERAGE_STEPS


def fields(ledger: Ledger) -> dict[str, Any]:
    """Return the fields by name, for a line that carries them among its own."""
    return structs.asdict(ledger)


class TrackLedger(Ledger, frozen=True, kw_only=True):
    """What became of one track."""

    name: TrackName

    @classmethod
    def of(cls, track: TrackSummary) -> Self:
        """Make the entry of a track."""
        return cls(name=track.name, **fields(tally([track])))

    def told(self) -> TrackSummary:
        """Give the track's summary back."""
        p50, p95, p99 = self.commit_p50, self.commit_p95, self.commit_p99
        counts = self.samples
        return TrackSummary(
            name=self.name,
            captured=counts.captured,
            coverage=Coverage(Position(counts.covered), counts.transcribed, counts.silence, counts.missing),
            gaps=self.gaps,
            segments=self.segments,
            words=self.words,
            commit_latency=None if p50 is None or p95 is None or p99 is None else (p50, p95, p99),
            missing_by=counts.missing_by,
        )


def _slowest(tracks: Sequence[TrackSummary]) -> tuple[float | None, float | None, float | None]:
    known = [track.commit_latency for track in tracks if track.commit_latency is not None]
    if not known:
        return None, None, None
    return (
        round(max(p50 for p50, _, _ in known), 3),
        round(max(p95 for _, p95, _ in known), 3),
        round(max(p99 for _, _, p99 in known), 3),
    )
