"""Bring a session that was not closed in order back to one that can be read, checked and resumed.

Recovery keeps all that can be kept, and sets aside what it cuts (`damaged/`). It may be stopped at any step, by a
crash of its own, and started again: a session that is whole is not changed.
"""

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from transcriber.adapters import disk_files, emergency_file
from transcriber.adapters import transcript_db_schema as schema
from transcriber.adapters.original_files import repair_original
from transcriber.adapters.recovery_track import RecoveredTrack, TrackRecovery, set_aside
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_manifest import COPY, FILE, sealed
from transcriber.adapters.transcript_db import RESERVED, TranscriptDatabase
from transcriber.adapters.transcript_entry import Entry
from transcriber.core import piece_codec
from transcriber.core.record_log import Damage
from transcriber.errors import StorageError
from transcriber.types import TrackName

_EVENTS_A_SECOND = 1_000
_EVENTS_SKIPPED = 1_000_000
"""More events than a session publishes, and than its restarts skip: a new database numbers on from above them."""


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """What recovery found and did."""

    tracks: Sequence[RecoveredTrack]
    actions: Sequence[str]
    """What was changed, one line each; nothing if the session was whole."""
    database_rebuilt: bool
    """True if the transcript starts anew, empty: the whole recording is to be transcribed again."""


def recover(session: SessionFolder) -> RecoveryReport:
    """Repair a session that `SessionFolder.open` has locked. Blocking; reads the last WAV file of each track.

    Raises:
        StorageError: the disk failed, or a file is newer than this program. It can be tried again.

    """
    try:
        actions = _recover_manifest(session)
        rebuilt = _recover_database(session)
        if rebuilt:
            actions.append(f"{session.database}: damaged or missing; a new one is made from the audio")
        database = TranscriptDatabase.open(session.database)
        try:
            if database.keep(COPY, sealed(session.manifest).decode()):
                actions.append(f"{session.database}: a copy of {FILE} stored")
            merged = 0 if rebuilt else _merge_transcript(session, database)
            tracks = [_recover_track(session, track, database) for track in _with_folders(session)]
        finally:
            database.close()
        originals = [repair_original(session.original(track), session.damaged) for track in session.tracks]
        shutil.rmtree(session.emergencies, ignore_errors=True)
    except OSError as error:
        raise disk_files.explain(error, session.path, doing="recover") from error
    if merged:
        actions.append(f"{session.database}: {merged} entries of the emergency file merged")
    actions += [line for lines in (*(track.actions for track in tracks), *originals) for line in lines]
    return RecoveryReport(tracks, actions, rebuilt)


def _recover_manifest(session: SessionFolder) -> list[str]:
    """Put `session.json` in order, first of all: what else is repaired may be where it is made from."""
    if session.fault is None:
        return []
    file, fault = session.path / FILE, session.fault
    if file.exists():
        set_aside(session.damaged, FILE, file.read_bytes())
    session.save(session.manifest)
    return [f"{file}: {fault}; restored"]


def _merge_transcript(session: SessionFolder, database: TranscriptDatabase) -> int:
    """Store what the emergency file holds of the transcript; return how many entries were new."""
    found = emergency_file.salvaged(session.transcript_emergency)
    entries = [(Entry.of(content), Entry.after(content)) for content in found if isinstance(content, bytes)]
    numbers = [entry.envelope.seq for entry, _ in entries if entry.envelope is not None]
    if numbers:
        database.reserve_up_to(max(numbers) + RESERVED)
    stored = newest = 0
    # None after one that is missing, here or in the database: it would move the cursor over what that one said, which
    # is transcribed again instead.
    undamaged = next((place for place, content in enumerate(found) if isinstance(content, Damage)), len(found))
    for entry, after in entries[:undamaged]:
        if after not in {0, newest} and not _is_stored(after, database):
            break
        with suppress(ValueError):  # it contradicts what is there: the database had more than was known
            stored += entry.store(database)
        if entry.envelope is not None:
            newest = entry.envelope.seq
    return stored


def _is_stored(number: int, database: TranscriptDatabase) -> bool:
    return any(found == number for found, _ in database.events(number - 1, limit=1))


def _recover_track(session: SessionFolder, track: TrackName, database: TranscriptDatabase) -> RecoveredTrack:
    recovery = TrackRecovery(track, session.audio(track), session.journal(track), session.damaged)
    found = emergency_file.salvaged(session.emergency(track))
    held = [piece_codec.decode(content) for content in found if isinstance(content, bytes)]
    return recovery.run(database.cursor(track).position, held)


def _recover_database(session: SessionFolder) -> bool:
    """Set a database aside that is damaged, and start an empty one in its place; tell whether that was so."""
    path = session.database
    if path.exists() and not _is_damaged(path):
        return False
    # The side files go after the database: without them it would be a sound one that has forgotten the end.
    for file in _with_side_files(path):
        if file.exists():
            _move_aside(file, session.damaged)
    # Made beside its place, so that it is there only once the numbers that may have been given are out of its reach.
    draft = path.with_name(f"{path.name}~")
    for file in _with_side_files(draft):
        file.unlink(missing_ok=True)
    database = TranscriptDatabase.open(draft)
    age = max(0.0, (datetime.now(UTC) - session.manifest.created).total_seconds())
    database.reserve_up_to(_EVENTS_SKIPPED + int(age * _EVENTS_A_SECOND))
    database.close()
    draft.replace(path)
    disk_files.sync_folder(path.parent)
    return True


def _is_damaged(path: Path) -> bool:
    try:
        connection = schema.connect(path)
    except sqlite3.OperationalError as error:
        raise StorageError(f"cannot recover {path}: {error}; check the disk") from error
    except sqlite3.DatabaseError:
        return True
    try:
        return connection.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]
    except sqlite3.DatabaseError:
        return True
    finally:
        connection.close()


def _with_side_files(database: Path) -> Sequence[Path]:
    return [database.with_name(f"{database.name}{suffix}") for suffix in ("", "-wal", "-shm")]


def _move_aside(file: Path, damaged: Path) -> None:
    if not damaged.exists():
        disk_files.make_folder(damaged)
    number = 1
    while (target := damaged / f"{file.name}-{number}").exists():
        number += 1
    file.rename(target)
    disk_files.sync_folder(damaged)
    disk_files.sync_folder(file.parent)


def _with_folders(session: SessionFolder) -> Sequence[TrackName]:
    """Return the tracks, each with the folders that its files belong in."""
    for folder in (session.path / "audio", session.path / "journal", *map(session.audio, session.tracks)):
        if not folder.exists():
            disk_files.make_folder(folder)
    return session.tracks
