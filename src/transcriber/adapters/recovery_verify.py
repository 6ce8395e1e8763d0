"""Check a session without changing it: every checksum, every position, every count."""

import sqlite3
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import msgspec

from transcriber.adapters import emergency_file
from transcriber.adapters import recovery_emergency as emergency
from transcriber.adapters import transcript_db_schema as schema
from transcriber.adapters.original_files import check_original
from transcriber.adapters.sample_files import SampleFiles
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_index import SessionState, state_of
from transcriber.adapters.session_folder_manifest import COPY, FILE, sealed
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.adapters.transcript_db_replay import Replay
from transcriber.core import journal, record_log, wav
from transcriber.errors import StorageError
from transcriber.types import SAMPLE_BYTES, Coverage, Gap, GapReason, Position, TrackName, seconds


@dataclass(frozen=True, slots=True)
class VerifiedTrack:
    """What became of a track: `captured` samples in all; `gaps` are those that the transcript names as missing."""

    name: TrackName
    captured: Position
    coverage: Coverage
    gaps: Sequence[Gap]


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a session holds, and everything that is wrong with it, one line each."""

    tracks: Sequence[VerifiedTrack]
    findings: Sequence[str]

    @property
    def ok(self) -> bool:
        """True if every checksum, position and count holds."""
        return not self.findings


def verify(session: SessionFolder, state: SessionState | None = None) -> VerifyReport:
    """Check a session; `SessionFolder.view` is enough. Blocking: reads all of the audio.

    `state` is the one to check it for, if that is not the one that it is in.

    Raises:
        StorageError: a file cannot be read, for another reason than that it is damaged.

    """
    findings: list[str] = []
    state = state or state_of(session.path)
    if state is not SessionState.CLEAN:
        findings.append(f"the session is {state}: " + ("wait" if state is SessionState.RUNNING else "resume it"))
    if session.fault is not None:
        findings.append(f"{FILE}: {session.fault}")
    extents: dict[TrackName, journal.Extent] = {}
    for track in session.tracks:
        check = _TrackCheck(session, track, ended=state is SessionState.CLEAN)
        findings += check.run()
        extents[track] = check.extent
    ledgers = {track: VerifiedTrack(track, extent.durable, Coverage(), ()) for track, extent in extents.items()}
    try:
        with closing(schema.connect_to_read(session.database)) as connection:
            connection.execute("BEGIN")  # what is read is of one moment, also of a session that is being written
            findings += _check_database(connection, session.database)
            if schema.find_meta(connection, COPY) != sealed(session.manifest).decode():
                findings.append(f"transcript.db: its copy of {FILE} is not the same")
            for track, extent in extents.items():
                ledgers[track] = _ledger(connection, track, extent.durable)
                findings += _check_coverage(connection, extent, ledgers[track])
        findings += _check_held(session)
    except (sqlite3.DatabaseError, StorageError) as error:
        findings.append(f"transcript.db: {error}")
    findings += _check_emergencies(session)
    return VerifyReport(list(ledgers.values()), findings)


class _TrackCheck:
    """Compares one track's journal with its WAV files, and looks at what is kept of it in source quality."""

    def __init__(self, session: SessionFolder, track: TrackName, *, ended: bool) -> None:
        self.extent = journal.Extent()
        self._track = track
        self._files = SampleFiles(session.audio(track))
        self._journal = session.journal(track)
        self._original = session.original(track)
        self._ended = ended
        self._ends: dict[int, Position] = {}
        """Where the samples of each file end, by the journal."""

    def run(self) -> Iterator[str]:
        try:
            with self._files:
                yield from self._check_journal(self._journal.read_bytes() if self._journal.exists() else b"")
                yield from self._check_files()
            yield from check_original(self._original)
        except OSError as error:
            yield f"{self._track}: {error.filename}: {error.strerror}"

    def _check_journal(self, content: bytes) -> Iterator[str]:
        for slot, record in enumerate(journal.scan(content)):
            where = f"journal/{self._track}: record {slot}"
            if isinstance(record, journal.Damage):
                yield f"{where}: {record.why}"
                continue
            try:
                self.extent.add(record)
            except ValueError as error:
                yield f"{where}: {error}"
                if isinstance(record, journal.Audio | Gap):
                    self.extent.durable = record.end
            match record:
                case journal.Audio():
                    yield from self._check_audio(record)
                case Gap():  # what is gone may have left samples behind that are not what was recorded
                    self._ends |= {span.index: span.end for span in wav.spans(record.start, record.end)}
                case _:
                    pass
        if self._ended and content and not self.extent.ended:
            yield f"journal/{self._track}: does not say that the track ended: records are missing"

    def _check_audio(self, record: journal.Audio) -> Iterator[str]:
        for span in wav.spans(record.start, record.end):
            self._ends[span.index] = span.end
            crc = self._files.checksum(span)
            if crc != record.crc:
                wrong = "missing" if crc is None else "not what was recorded"
                times = f"{seconds(span.start)}-{seconds(span.end)} s"
                where = f"audio/{self._track}/{self._files.path(span.index).name}"
                yield f"{where}: samples {span.start}-{span.end} ({times}) are {wrong}"

    def _check_files(self) -> Iterator[str]:
        for index in self._files.wavs():
            path = self._files.path(index)
            with path.open("rb") as file:
                promised = wav.parse_header(file.read(wav.HEADER_BYTES))
            size = path.stat().st_size
            if promised is None or wav.HEADER_BYTES + promised * SAMPLE_BYTES != size:
                yield f"audio/{self._track}/{path.name}: the header does not describe the file"
            yield from self._check_length(index, wav.whole_samples(size))
        for index in self._files.archived():
            yield from self._check_length(index, self._files.readable(index))

    def _check_length(self, index: int, samples: int) -> Iterator[str]:
        unknown = wav.file_start(index) + samples - self._ends.get(index, wav.file_start(index))
        if unknown > 0:
            name = self._files.path(index).name
            yield f"audio/{self._track}/{name}: {unknown} samples that the journal does not know"


def _check_emergencies(session: SessionFolder) -> Iterator[str]:
    for file in emergency.files(session):
        for found in emergency_file.salvaged(file):
            if isinstance(found, record_log.Damage):
                yield f"emergency/{file.name}: what is at byte {found.start} is not what was written"


def _check_held(session: SessionFolder) -> Iterator[str]:
    """Tell of entries of the transcript that recovery will not merge, as one before them is missing."""
    with closing(TranscriptDatabase.view(session.database)) as database:
        left = emergency.unmergeable(emergency.held_entries(session), database)
    if left:
        yield f"emergency/{session.transcript_emergency.name}: {left} entries follow one that is missing"


def _check_database(connection: sqlite3.Connection, path: Path) -> Iterator[str]:
    replay = Replay.of(connection, path)
    replay.database.close()
    yield from (f"transcript.db: {fault}" for fault in replay.faults)
    open_words = "SELECT track, count(*) FROM words WHERE segment IS NULL GROUP BY track"
    for track, count in connection.execute(open_words):
        yield f"track {track}: {count} words are committed and in no segment"


def _check_coverage(connection: sqlite3.Connection, extent: journal.Extent, track: VerifiedTrack) -> Iterator[str]:
    name, durable, covered = track.name, track.captured, track.coverage.position
    if covered != durable:
        yield f"track {name}: {durable} samples are recorded, {covered} are accounted for"
    for before, after in pairwise(track.gaps):
        if after.start < before.end:
            yield f"track {name}: gaps overlap at {seconds(after.start)} s"
    total = sum(min(gap.end, covered) - min(gap.start, covered) for gap in track.gaps)
    if total != track.coverage.missing:
        yield f"track {name}: {track.coverage.missing} samples are counted as missing, {total} are named as gaps"
    for gap in extent.gaps:
        if gap.reason is GapReason.DISK:
            continue  # it was heard, and transcribed from memory; a `state` said that it could not be kept
        unnamed = _unnamed(gap.start, min(gap.end, covered), track.gaps)
        if unnamed > 0:
            where = f"from {seconds(gap.start)} s on"
            yield f"track {name}: {unnamed} samples {where} are missing ({gap.reason}) and not named"
    query = 'SELECT id FROM segments WHERE track = ? AND ("end" < start OR "end" > ?)'
    for (segment,) in connection.execute(query, (name, durable)):
        yield f"segment {segment}: ends outside the recording"


def _unnamed(start: Position, end: Position, named: Sequence[Gap]) -> int:
    """Return how many samples of `[start, end)` lie in none of the gaps."""
    left = end - start
    for gap in named[bisect_right(named, start, key=lambda gap: gap.end) :]:
        if gap.start >= end:
            break
        left -= min(end, gap.end) - max(start, gap.start)
    return left


def _ledger(connection: sqlite3.Connection, track: TrackName, captured: Position) -> VerifiedTrack:
    cursor = "SELECT position, transcribed, silence, missing FROM cursor WHERE track = ?"
    gaps = 'SELECT start, "end", reason FROM gaps WHERE track = ? ORDER BY start'
    try:
        row = connection.execute(cursor, (track,)).fetchone()
        coverage = Coverage(*msgspec.convert(row, tuple[Position, int, int, int])) if row else Coverage()
        rows = connection.execute(gaps, (track,)).fetchall()
        named = [Gap(*gap) for gap in msgspec.convert(rows, list[tuple[Position, Position, GapReason]])]
    except ValueError as error:
        raise sqlite3.DatabaseError(f"a value of another kind than its column: {error}") from error
    return VerifiedTrack(track, captured, coverage, named)
