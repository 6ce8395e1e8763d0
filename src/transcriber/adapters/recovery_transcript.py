"""Repair of a transcript: its database is made to hold what its events say; the audio has what is lost of them."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from transcriber.adapters import disk_files
from transcriber.adapters import transcript_db_changes as changes
from transcriber.adapters import transcript_db_schema as schema
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_manifest import COPY, sealed
from transcriber.adapters.transcript_db_replay import Replay
from transcriber.errors import StorageError
from transcriber.types import Coverage

_EVENTS_A_SECOND = 1_000
_EVENTS_SKIPPED = 1_000_000
"""More events than a session publishes, and than its restarts skip: a new database numbers on from above them."""


@dataclass(frozen=True, slots=True)
class RecoveredTranscript:
    """What was done to a transcript; `cut` says that a part of it is lost, and is made again from the audio."""

    actions: Sequence[str] = ()
    cut: bool = False


def recover_transcript(session: SessionFolder) -> RecoveredTranscript:
    """Put a database that holds what its events say in the place of one that does not, which is set aside.

    Raises:
        OSError: the disk failed.
        StorageError: the database is newer than this program, or of another, or cannot be read.

    """
    path, draft = session.database, session.database.with_name(f"{session.database.name}~")
    try:
        if path.exists():
            done = _write_anew(session, draft)
        elif _is_whole(draft):
            done = RecoveredTranscript([f"{path}: the one that was made anew put in its place"])
        else:
            with closing(schema.scratch()) as empty:
                _write(empty, draft, session, _safe_reserve(session))
            done = RecoveredTranscript([f"{path}: missing; made anew from the audio"], cut=True)
    except sqlite3.OperationalError as error:
        raise StorageError(f"cannot recover {path}: {error}; check the disk") from error
    if done.actions:
        _put_in_place(draft, session)
    return done


def _write_anew(session: SessionFolder, draft: Path) -> RecoveredTranscript:
    """Write what the events of a damaged transcript say to the draft. One that is not damaged needs none."""
    path = session.database
    with closing(schema.connect_to_repair(path)) as stored:
        replay = Replay.of(stored, path)
        with closing(replay.database) as database:
            if not replay.faults:
                return RecoveredTranscript()
            if replay.sound and not replay.cut:
                for track, *coverage in stored.execute("SELECT * FROM cursor").fetchall():
                    changes.move_cursor(database, track, Coverage(*coverage))
            known = int(schema.find_meta(stored, "reserved") or 0)
            trusted = known >= replay.newest and not replay.cut
            _write(database, draft, session, known if trusted else _safe_reserve(session, replay.newest))
            kept = schema.number(database, "SELECT count(*) FROM events")
    if replay.cut:
        said = f"{path}: damaged; {kept} events are kept, and what followed is made again from the audio"
        return RecoveredTranscript([said], cut=True)
    return RecoveredTranscript([f"{path}: damaged; made anew from its {kept} events"])


def _safe_reserve(session: SessionFolder, newest: int = 0) -> int:
    """Return a number above all that may have been given, where the note of it is lost."""
    age = max(0.0, (datetime.now(UTC) - session.manifest.created).total_seconds())
    return newest + _EVENTS_SKIPPED + int(age * _EVENTS_A_SECOND)


def _write(database: sqlite3.Connection, draft: Path, session: SessionFolder, reserved: int) -> None:
    """Make the draft: as long as it is not whole it is not there, and it is on the medium when this returns."""
    schema.put_meta(database, "reserved", str(reserved))
    schema.put_meta(database, COPY, sealed(session.manifest).decode())
    for file in _with_side_files(draft):
        file.unlink(missing_ok=True)
    os.close(disk_files.open_private(draft, new=True))
    with closing(sqlite3.connect(draft)) as target:
        database.backup(target)
    disk_files.sync_folder(draft.parent)


def _is_whole(draft: Path) -> bool:
    """Tell whether a draft was written to its end: the database that it replaces may be gone."""
    if not draft.exists():
        return False
    with closing(schema.connect_to_repair(draft)) as stored:
        replay = Replay.of(stored, draft)
        replay.database.close()
    return not replay.faults


def _put_in_place(draft: Path, session: SessionFolder) -> None:
    # The side files go after the database: without them it would be a sound one that has forgotten the end.
    for file in _with_side_files(session.database):
        if file.exists():
            _move_aside(file, session.damaged)
    draft.replace(session.database)
    disk_files.sync_folder(draft.parent)


def _with_side_files(database: Path) -> Sequence[Path]:
    return [database.with_name(f"{database.name}{suffix}") for suffix in ("", "-wal", "-shm", "-journal")]


def _move_aside(file: Path, damaged: Path) -> None:
    if not damaged.exists():
        disk_files.make_folder(damaged)
    number = 1
    while (target := damaged / f"{file.name}-{number}").exists():
        number += 1
    file.rename(target)
    disk_files.sync_folder(damaged)
    disk_files.sync_folder(file.parent)
