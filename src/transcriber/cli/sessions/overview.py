"""What there is to say about a session: as JSON for programs, and as lines for people."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from transcriber.adapters.archive import Archived
from transcriber.adapters.original_files import StoredOriginal
from transcriber.adapters.session_folder_index import SessionEntry
from transcriber.cli.sessions import states
from transcriber.cli.sessions.states import ChangeOverview, StateOverview
from transcriber.cli.view import wording
from transcriber.core.document import Document, DocumentTrack
from transcriber.core.ledger import share
from transcriber.core.lines import MEGABYTE
from transcriber.core.session_states import SessionStates
from transcriber.core.stamps import clock
from transcriber.events import GapFound, SegmentClosed
from transcriber.types import Coverage, GapReason, seconds


class TrackOverview(msgspec.Struct, frozen=True):
    """A track in `sessions list --json`."""

    name: str
    source: str
    device: str | None
    captured: float


class SessionOverview(msgspec.Struct, frozen=True):
    """A session in `sessions list --json`. `captured` is in seconds, `size` in bytes."""

    id: str
    name: str | None
    folder: str
    state: str
    created: datetime
    model: str
    language: str | None
    size: int
    tracks: list[TrackOverview]


class TrackSamples(msgspec.Struct, frozen=True):
    """What became of a track's samples, in `sessions show --json`."""

    name: str
    captured: int
    covered: int
    transcribed: int
    silence: int
    missing: int
    missing_by: dict[GapReason, int]
    coverage: float


class OriginalOverview(msgspec.Struct, frozen=True):
    """What is kept of a track in source quality, in `sessions show --json`. `length` is in seconds, `size` in bytes."""

    track: str
    formats: list[str]
    length: float
    files: int
    size: int


class SessionDetail(msgspec.Struct, frozen=True):
    """`sessions show --json`."""

    session: SessionOverview
    samples: list[TrackSamples]
    originals: list[OriginalOverview]
    segments: int
    words: int
    gaps: int
    states: list[StateOverview]
    history: list[ChangeOverview]


def overview(entry: SessionEntry) -> SessionOverview:
    """Return a session as a list names it."""
    manifest = entry.manifest
    return SessionOverview(
        id=entry.id,
        name=manifest.name,
        folder=str(entry.path),
        state=entry.state,
        created=entry.created,
        model=manifest.model,
        language=manifest.language,
        size=entry.size,
        tracks=[
            TrackOverview(track.name, track.source, track.device, seconds(entry.captured[track.name]))
            for track in manifest.tracks
        ],
    )


def detail(
    entry: SessionEntry, document: Document, originals: Sequence[StoredOriginal], told: SessionStates
) -> SessionDetail:
    """Return a session with its figures and its states."""
    return SessionDetail(
        overview(entry),
        [_samples(track, document.missing_by(track.name)) for track in document.tracks],
        [_original(original) for original in originals],
        len(document.segments),
        sum(len(segment.words) for segment in document.segments),
        len(document.gaps),
        states.overview(told),
        states.history(told),
    )


def table(entries: Sequence[SessionEntry]) -> Iterator[str]:
    """Yield a row for each session, under a row of headings."""
    rows = [("SESSION", "STATE", "LENGTH", "SIZE", "TRACKS")]
    for entry in entries:
        longest = clock(max(entry.captured.values(), default=0))
        rows.append((entry.id, entry.state, longest, megabytes(entry.size), ", ".join(entry.captured)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        yield "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])


def heading(entry: SessionEntry, document: Document, originals: Sequence[StoredOriginal]) -> Iterator[str]:
    """Yield what is known about a session, ahead of its transcript."""
    manifest = entry.manifest
    yield f"{entry.id}  ({entry.state}, {megabytes(entry.size)})"
    yield f"  folder   {entry.path}"
    yield f"  created  {entry.created.astimezone():%Y-%m-%d %H:%M:%S %z}"
    yield f"  model    {manifest.model}, language {manifest.language or 'auto'}"
    for track, known in zip(manifest.tracks, document.tracks, strict=True):
        device = f" on {track.device}" if track.device else ""
        missing = document.missing_by(known.name)
        yield f"  track    {track.name}: {track.source}{device}; {account(known.captured, known.coverage, missing)}"
    for kept in originals:
        length, files = f"{seconds(kept.length):.3f} s", wording.count(kept.files, "file")
        forms = " and ".join(map(str, kept.formats)) or "an unknown format"
        yield f"  original {kept.track}: {length} in {files} of {forms} ({megabytes(kept.size)})"


def transcript(document: Document) -> Iterator[str]:
    """Yield a line for each segment and gap."""
    for entry in document.entries:
        match entry.event:
            case SegmentClosed(segment) if segment.text:
                yield wording.of_segment(segment)
            case GapFound(track, gap):
                yield wording.of_gap(track, gap)
            case _:
                pass


def archived(entry: SessionEntry, done: Archived) -> Iterator[str]:
    """Yield what was archived, and a line for each file that was not."""
    if done.files:
        files, saved = wording.count(done.files, "file"), f"{megabytes(done.before)} → {megabytes(done.after)}"
        yield f"{entry.id}: {files} archived, {saved}"
    elif not done.refused:
        yield f"{entry.id}: nothing to archive"
    for file, reason in done.refused.items():
        yield f"{entry.id}: {file} stays as it is: {reason}"


def account(captured: int, coverage: Coverage, missing_by: Mapping[GapReason, int]) -> str:
    """Return where captured samples went, in seconds that people can add up."""
    reasons = f": {wording.of_reasons(missing_by, digits=3)}" if missing_by else ""
    parts = [
        f"{seconds(coverage.transcribed):.3f} transcribed",
        f"{seconds(coverage.silence):.3f} silence",
        f"{seconds(coverage.missing):.3f} missing{reasons}",
    ]
    if ahead := captured - coverage.position:
        parts.append(f"{seconds(ahead):.3f} not transcribed yet")
    return (
        f"{seconds(captured):.3f} s captured = {' + '.join(parts)} ({share(coverage.position, captured):.2%} covered)"
    )


def megabytes(count: int) -> str:
    """Return bytes as people read them.

    >>> megabytes(12_340_000)
    '12.3 MB'
    """
    return f"{count / MEGABYTE:.1f} MB"


def _original(kept: StoredOriginal) -> OriginalOverview:
    formats = [str(form) for form in kept.formats]
    return OriginalOverview(kept.track, formats, seconds(kept.length), kept.files, kept.size)


def _samples(track: DocumentTrack, missing_by: dict[GapReason, int]) -> TrackSamples:
    coverage = track.coverage
    return TrackSamples(
        track.name,
        track.captured,
        coverage.position,
        coverage.transcribed,
        coverage.silence,
        coverage.missing,
        missing_by,
        share(coverage.position, track.captured),
    )
