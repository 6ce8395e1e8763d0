"""The sessions in a folder: list them cheaply, find one, remove one."""

import contextlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from transcriber.adapters import disk_files
from transcriber.adapters.session_folder import SessionFolder, emergencies_of
from transcriber.adapters.session_folder_lock import SessionLock, is_locked
from transcriber.adapters.session_folder_manifest import Manifest, holds_session, read_manifest
from transcriber.core import journal
from transcriber.errors import StorageError
from transcriber.types import Gap, Position, TrackName

_PROPOSED = 3
"""Sessions that an error message names."""


class SessionState(StrEnum):
    """How a session was left."""

    CLEAN = "clean"
    RUNNING = "running"
    """A process writes it."""
    UNFINISHED = "unfinished"
    """The process that wrote it was killed, or left something to transcribe: resume it."""


@dataclass(frozen=True, slots=True)
class SessionEntry:
    """A session in a list."""

    path: Path
    manifest: Manifest
    state: SessionState
    captured: dict[TrackName, Position]
    """Samples of each track, gaps included, by the last record of its journal."""
    size: int
    """Bytes of its files."""

    @property
    def id(self) -> str:
        """The session's id."""
        return self.manifest.id

    @property
    def created(self) -> datetime:
        """When it began, UTC."""
        return self.manifest.created


def list_sessions(parent: Path) -> Sequence[SessionEntry]:
    """Return the sessions in a folder, oldest first; folders that are no readable session are left out.

    Raises:
        StorageError: the folder cannot be read. One that is not there holds no session.

    """
    entries: list[SessionEntry] = []
    for path in _sessions_in(parent):
        try:
            entries.append(describe(path))
        except StorageError:
            continue
    return sorted(entries, key=lambda entry: (entry.created, entry.id))


def unfinished(parent: Path) -> Sequence[SessionFolder]:
    """Return views of the sessions in a folder that somebody has to resume, oldest first: nobody writes them.

    Raises:
        StorageError: as `list_sessions`.

    """
    views: list[SessionFolder] = []
    for path in _sessions_in(parent):
        with contextlib.suppress(StorageError):
            if state_of(path) is SessionState.UNFINISHED:
                views.append(SessionFolder.view(path))
    return sorted(views, key=lambda view: (view.manifest.created, view.id))


def describe(path: Path) -> SessionEntry:
    """Return a session as a list shows it.

    Raises:
        StorageError: there is none, or it is newer than this program.

    """
    manifest = read_manifest(path)
    captured = {track.name: _captured(path / "journal" / track.name) for track in manifest.tracks}
    return SessionEntry(path, manifest, state_of(path), captured, _size(path))


def state_of(path: Path) -> SessionState:
    """Return how a session was left."""
    if is_locked(path / "lock"):
        return SessionState.RUNNING
    return SessionState.CLEAN if (path / "clean").exists() else SessionState.UNFINISHED


def find(parent: Path, wanted: str) -> Path:
    """Return the folder of a session: by its path, its id, the start of its id, or its name.

    Raises:
        StorageError: there is none, or more than one; the message names some that there are.

    """
    if holds_session(Path(wanted)):
        return Path(wanted)
    entries = list_sessions(parent)
    for matches in (
        [entry for entry in entries if wanted in (entry.id, entry.path.name)],
        [entry for entry in entries if wanted == entry.manifest.name],
        [entry for entry in entries if entry.id.startswith(wanted)],
    ):
        if len(matches) == 1:
            return matches[0].path
        if matches:
            raise StorageError(f"{wanted!r} could be any of {_names(matches)}: give the whole id")
    if not entries:
        raise StorageError(f"no session {wanted!r}, and none at all in {parent}: give its folder, or --sessions DIR")
    raise StorageError(f"no session {wanted!r} in {parent}; the latest are {_names(entries)}")


def remove(path: Path) -> None:
    """Delete a session for good.

    Raises:
        StorageError: it is being written, it is not a session, or it cannot be deleted.

    """
    manifest = read_manifest(path)
    lock = SessionLock.acquire(path / "lock")
    try:
        shutil.rmtree(emergencies_of(path, manifest), ignore_errors=True)
        # Last of all what makes it a session, and a complete one: half removed it is still found, and removed again.
        last = {path / name for name in ("lock", "session.json", "clean")}
        for item in set(path.iterdir()) - last:
            shutil.rmtree(item) if item.is_dir() and not item.is_symlink() else item.unlink()
        lock.release()  # Windows deletes no open file
        shutil.rmtree(path)
    except OSError as error:
        raise disk_files.explain(error, path, doing="remove") from error
    finally:
        lock.release()


def _sessions_in(parent: Path) -> Sequence[Path]:
    try:
        return sorted(path for path in parent.iterdir() if holds_session(path))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_files.explain(error, parent, doing="list") from error


def _names(entries: Sequence[SessionEntry]) -> str:
    return ", ".join(entry.id for entry in reversed(entries[-_PROPOSED:]))


def _size(path: Path) -> int:
    size = 0
    for folder, _, files in path.walk():
        for name in files:
            with contextlib.suppress(OSError):  # the database's side files come and go
                size += (folder / name).stat().st_size
    return size


def _captured(file: Path) -> Position:
    """Return where the last audio or gap that a journal names ends, without reading the whole of it."""
    try:
        with file.open("rb") as content:
            slot = content.seek(0, 2) // journal.RECORD_BYTES - 1
            while slot >= 0:
                content.seek(slot * journal.RECORD_BYTES)
                record = journal.decode(content.read(journal.RECORD_BYTES), slot)
                if isinstance(record, journal.Audio | Gap):
                    return record.end
                slot -= 1
    except OSError:
        pass
    return Position(0)
