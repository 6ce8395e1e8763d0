"""What verification says of a session: as JSON for programs, and as lines for people."""

from collections.abc import Iterator, Sequence

import msgspec

from transcriber.adapters.recovery_verify import VerifiedTrack, VerifyReport
from transcriber.adapters.session_folder_index import SessionEntry
from transcriber.cli.sessions.overview import account
from transcriber.cli.view import wording
from transcriber.core.ledger import share
from transcriber.core.tally import missing_by
from transcriber.types import GapReason, seconds


class NamedGap(msgspec.Struct, frozen=True):
    """A gap in `sessions verify --json`, in samples."""

    start: int
    end: int
    reason: GapReason


class VerifiedLedger(msgspec.Struct, frozen=True):
    """What became of a track's samples, in `sessions verify --json`; its gaps have as many as are `missing`."""

    name: str
    captured: int
    covered: int
    transcribed: int
    silence: int
    missing: int
    coverage: float
    gaps: list[NamedGap]


class Verdict(msgspec.Struct, frozen=True):
    """A session in `sessions verify --json`. `repairs` is what `--repair` changed before."""

    id: str
    folder: str
    ok: bool
    repairs: list[str]
    findings: list[str]
    tracks: list[VerifiedLedger]


def verdict(entry: SessionEntry, report: VerifyReport, repairs: Sequence[str]) -> Verdict:
    """Return what was found, and changed before."""
    tracks = [_ledger(track) for track in report.tracks]
    return Verdict(entry.id, str(entry.path), report.ok, list(repairs), list(report.findings), tracks)


def lines(entry: SessionEntry, report: VerifyReport, repairs: Sequence[str]) -> Iterator[str]:
    """Yield the same for people: what was changed, the ledger of each track with its gaps, and each finding."""
    for repair in repairs:
        yield f"{entry.id}: repaired: {repair}"
    yield f"{entry.id}: " + ("ok" if report.ok else wording.count(len(report.findings), "finding"))
    for track in report.tracks:
        yield f"  {track.name}: {account(track.captured, track.coverage, missing_by(track.gaps))}"
        for gap in track.gaps:
            yield f"    missing {seconds(gap.start):.3f}-{seconds(gap.end):.3f} s: {gap.reason}"
    for finding in report.findings:
        yield f"  ! {finding}"


def _ledger(track: VerifiedTrack) -> VerifiedLedger:
    coverage = track.coverage
    return VerifiedLedger(
        track.name,
        track.captured,
        coverage.position,
        coverage.transcribed,
        coverage.silence,
        coverage.missing,
        share(coverage.position, track.captured),
        [NamedGap(gap.start, gap.end, gap.reason) for gap in track.gaps],
    )
