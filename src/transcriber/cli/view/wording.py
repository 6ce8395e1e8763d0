"""Events in words, the same in every view for people."""

from collections.abc import Mapping

from transcriber.core.ledger import tally
from transcriber.core.stamps import clock, gap_note
from transcriber.events import SessionStarted, StateChanged, Summary
from transcriber.types import Gap, GapReason, Segment, TrackName, samples, seconds


def of_session(event: SessionStarted) -> str:
    """Return the session and what it records."""
    verb = "resumed" if event.resumed else "started"
    tracks = ", ".join(f"{track.name} = {track.source}" for track in event.tracks)
    return f"[session {event.id} {verb}: {tracks}]"


def of_state(event: StateChanged) -> str:
    """Return what changed, and why."""
    where = f" ({event.track})" if event.track else ""
    why = f": {event.reason}" if event.reason else ""
    return f"[{event.component}{where}: {event.before} → {event.after}{why}]"


def of_segment(segment: Segment) -> str:
    """Return what was said, when and on which track."""
    return f"[{clock(segment.start)}] {segment.track}: {segment.text}"


def of_gap(track: TrackName, gap: Gap) -> str:
    """Return what is missing, and on which track."""
    return f"[{clock(gap.start)}] {track}: {gap_note(gap)}"


def of_summary(event: Summary) -> str:
    """Return the figures of the run that a person asks for."""
    ledger = tally(event.tracks)
    parts = [
        f"{clock(samples(event.elapsed))} elapsed",
        f"{count(ledger.words, 'word')} in {count(ledger.segments, 'segment')}",
        f"{ledger.captured:.1f} s captured, {ledger.coverage:.2%} covered",
    ]
    if ledger.gaps:
        reasons = of_reasons(ledger.samples.missing_by, digits=1)
        parts.append(f"{count(ledger.gaps, 'gap')} ({ledger.missing:.1f} s missing: {reasons})")
    if ledger.commit_p50 is not None and ledger.commit_p95 is not None:
        parts.append(f"commit latency p50 {ledger.commit_p50:.2f} s, p95 {ledger.commit_p95:.2f} s")
    if event.restarts:
        parts.append(count(event.restarts, "restart"))
    if not event.complete:
        parts.append("incomplete: `transcriber resume` finishes it")
    return f"[{' · '.join(parts)}]"


def of_reasons(missing_by: Mapping[GapReason, int], *, digits: int) -> str:
    """Return for each reason how many seconds are missing, the most first.

    >>> of_reasons({GapReason.DISK: 8000, GapReason.DEVICE: 16000}, digits=1)
    'device 1.0, disk 0.5'
    """
    most_first = sorted(missing_by.items(), key=lambda entry: -entry[1])
    return ", ".join(f"{reason} {seconds(samples):.{digits}f}" for reason, samples in most_first)


def count(number: int, noun: str) -> str:
    """Return the number with its noun.

    >>> count(1, "gap"), count(2, "gap")
    ('1 gap', '2 gaps')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
