"""A session is a folder that can be copied: what is in it, and who may write it.

session.json          what was recorded, from where, when position 0 was     audio/TRACK/000001.wav ...
transcript.db         what was said                                          journal/TRACK
lock                  held by the process that writes                        clean    there after an orderly end
damaged/              what recovery set aside            emergency/TRACK   space for when the disk fails, while it runs
original/TRACK/       what the source delivered, as it did, if that is kept
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from transcriber.adapters import disk_files
from transcriber.adapters.session_folder_lock import SessionLock
from transcriber.adapters.session_folder_manifest import (
    COPY,
    FILE,
    FoundManifest,
    Manifest,
    TrackEntry,
    check_tracks,
    find_manifest,
    sealed,
)
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.core import names
from transcriber.types import TrackName

_ATTEMPTS = 100


class SessionFolder:
    """A session on disk. `create` and `open` take its lock; `view` does not, and must not write."""

    def __init__(self, path: Path, found: FoundManifest, lock: SessionLock | None) -> None:
        self.path = path
        self.manifest = found.manifest
        self.fault = found.fault
        """What is wrong with `session.json`, or None: then `manifest` is what is known nevertheless."""
        self._lock = lock

    @classmethod
    def create(
        cls,
        parent: Path,
        tracks: Sequence[TrackEntry],
        *,
        model: str,
        app: str,
        language: str | None = None,
        name: str | None = None,
        created: datetime | None = None,
        emergency: Path | None = None,
    ) -> Self:
        """Make the folder of a new session in `parent`, which is made if it is not there, and lock it.

        `emergency` is the folder, on another disk perhaps, in which the emergency files have one of their own.

        Raises:
            ConfigError: a name is unsafe, or two tracks have names that some file systems do not tell apart.
            StorageError: the folder cannot be made. Nothing of it is left.

        """
        created = created or datetime.now(UTC)
        check_tracks(tracks)
        wanted = names.session_id(created, name)
        with contextlib.ExitStack() as undo:
            try:
                parent.mkdir(disk_files.FOLDER_MODE, parents=True, exist_ok=True)
                path = _make_unique(parent, wanted)
                undo.callback(shutil.rmtree, path, ignore_errors=True)
                lock = SessionLock.acquire(path / "lock")
                undo.callback(lock.release)
                for folder in (path / "journal", path / "audio", *(path / "audio" / track.name for track in tracks)):
                    disk_files.make_folder(folder)
            except OSError as error:
                raise disk_files.explain(error, parent, doing="make a session in") from error
            manifest = Manifest(
                id=path.name,
                name=name,
                created=created,
                app=app,
                model=model,
                language=language,
                emergency=str(emergency / path.name) if emergency else None,
                tracks=tuple(tracks),
            )
            session = cls(path, FoundManifest(manifest, None), lock)
            session.save(manifest)
            undo.pop_all()
        return session

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a session to write: to resume or recover it. It is not `clean` from here on until it is said to be.

        Raises:
            StorageError: there is no session, it is newer than this program, or another process writes it.

        """
        found = find_manifest(path)
        lock = SessionLock.acquire(path / "lock")
        folder = cls(path, found, lock)
        try:
            with contextlib.suppress(FileNotFoundError):
                (path / "clean").unlink()
                disk_files.sync_folder(path)
        except OSError as error:
            lock.release()
            raise disk_files.explain(error, path) from error
        return folder

    @classmethod
    def view(cls, path: Path) -> Self:
        """Open a session only to read.

        Raises:
            StorageError: there is no session, or it is newer than this program.

        """
        return cls(path, find_manifest(path), None)

    @property
    def id(self) -> str:
        """The session's id, which is the folder's first name: a renamed copy keeps it."""
        return self.manifest.id

    @property
    def tracks(self) -> Sequence[TrackName]:
        """Names of the tracks, in the order in which they were asked for."""
        return [track.name for track in self.manifest.tracks]

    @property
    def database(self) -> Path:
        """File of the transcript."""
        return self.path / "transcript.db"

    @property
    def damaged(self) -> Path:
        """Folder of what recovery set aside. It is there only after trouble."""
        return self.path / "damaged"

    @property
    def clean(self) -> bool:
        """True after an orderly end."""
        return (self.path / "clean").exists()

    def audio(self, track: TrackName) -> Path:
        """Return the folder of a track's WAV files."""
        return self.path / "audio" / track

    def original(self, track: TrackName) -> Path:
        """Return the folder of what a track's source delivered. It is there if that is kept."""
        return self.path / "original" / track

    def journal(self, track: TrackName) -> Path:
        """Return the file of a track's journal."""
        return self.path / "journal" / track

    @property
    def emergencies(self) -> Path:
        """Folder of the emergency files. It is there while the session runs, and after trouble."""
        return emergencies_of(self.path, self.manifest)

    def emergency(self, track: TrackName) -> Path:
        """Return the file that a track goes to when the disk fails."""
        return self.emergencies / track

    @property
    def transcript_emergency(self) -> Path:
        """Return the file that the transcript goes to when the disk fails. No track can have its name."""
        return self.emergencies / "~transcript"

    def save(self, manifest: Manifest) -> None:
        """Put `session.json` in place of the one that is there, whole or not at all.

        Raises:
            StorageError: it cannot be written.

        """
        try:
            disk_files.replace(self.path / FILE, sealed(manifest))
        except OSError as error:
            raise disk_files.explain(error, self.path) from error
        self.manifest, self.fault = manifest, None

    def open_transcript(self) -> TranscriptDatabase:
        """Open the transcript to write, with a copy of `session.json` in it.

        Raises:
            StorageError: it cannot be written, or is damaged.

        """
        database = TranscriptDatabase.open(self.database)
        try:
            database.keep(COPY, sealed(self.manifest).decode())
        except BaseException:
            database.close()
            raise
        return database

    def mark_clean(self) -> None:
        """Say that the session ended in order: nothing is left to recover or to transcribe.

        Raises:
            StorageError: it cannot be written.

        """
        try:
            disk_files.replace(self.path / "clean", b"")
        except OSError as error:
            raise disk_files.explain(error, self.path) from error

    def relock(self) -> None:
        """Take the lock again, if its file was removed: whoever looks for it finds none.

        Raises:
            StorageError: another process was quicker, or it cannot be written.

        """
        if self._lock is not None and not (self.path / "lock").exists():
            self._lock.release()
            self._lock = SessionLock.acquire(self.path / "lock")

    def close(self) -> None:
        """Release the lock. Idempotent."""
        if self._lock is not None:
            with contextlib.suppress(OSError):  # not there, or not empty: after trouble
                self.emergencies.rmdir()
            self._lock.release()


def emergencies_of(path: Path, manifest: Manifest) -> Path:
    """Return the folder of a session's emergency files."""
    return Path(manifest.emergency) if manifest.emergency else path / "emergency"


def _make_unique(parent: Path, wanted: str) -> Path:
    """Make a folder named `wanted`, or with a number added if another session began in the same second."""
    for attempt in range(1, _ATTEMPTS):
        path = parent / (wanted if attempt == 1 else f"{wanted}-{attempt}")
        with contextlib.suppress(FileExistsError):
            disk_files.make_folder(path)
            return path
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(parent / wanted))
