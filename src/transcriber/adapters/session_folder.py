"""A session is a folder that can be copied: what is in it, and who may write it.

session.json          what was recorded, from where, when position 0 was     audio/TRACK/000001.wav ...
transcript.db         what was said                                          journal/TRACK
lock                  held by the process that writes                        clean    there after an orderly end
damaged/              what recovery set aside            emergency/TRACK   space for when the disk fails, while it runs
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import msgspec

from transcriber.adapters import disk_files
from transcriber.adapters.session_folder_lock import SessionLock
from transcriber.core import names
from transcriber.errors import ConfigError, StorageError
from transcriber.types import AudioFormat, TrackName

FORMAT = 1
"""Version of the folder's layout and files. A reader refuses a newer one."""

_ATTEMPTS = 100


class TrackEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A track, as `session.json` names it. What was not found out is None."""

    name: TrackName
    source: str
    """The source as it was asked for."""
    device: str | None = None
    """What it turned out to be, for people."""
    format: AudioFormat | None = None
    """What it delivers."""
    started: datetime | None = None
    """Wall clock of position 0, UTC."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `session.json`."""

    format: int = FORMAT
    id: str
    name: str | None = None
    created: datetime
    app: str
    """Version of Transcriber that made the session."""
    model: str
    """Model as it was asked for."""
    language: str | None = None
    """Language as it was asked for; None to detect it."""
    emergency: str | None = None
    """Folder of the emergency files; None is the one in the session."""
    tracks: tuple[TrackEntry, ...]


class _FormatOnly(msgspec.Struct):
    format: int


class SessionFolder:
    """A session on disk. `create` and `open` take its lock; `view` does not, and must not write."""

    def __init__(self, path: Path, manifest: Manifest, lock: SessionLock | None) -> None:
        self.path = path
        self.manifest = manifest
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
        _check_tracks(tracks)
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
            session = cls(path, manifest, lock)
            session.save(manifest)
            undo.pop_all()
        return session

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a session to write: to resume or recover it. It is not `clean` from here on until it is said to be.

        Raises:
            StorageError: there is no session, it is newer than this program, or another process writes it.

        """
        manifest = read_manifest(path)
        lock = SessionLock.acquire(path / "lock")
        folder = cls(path, manifest, lock)
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
        return cls(path, read_manifest(path), None)

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
        content = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
        try:
            disk_files.replace(self.path / "session.json", content)
        except OSError as error:
            raise disk_files.explain(error, self.path) from error
        self.manifest = manifest

    def mark_clean(self) -> None:
        """Say that the session ended in order: nothing is left to recover or to transcribe.

        Raises:
            StorageError: it cannot be written.

        """
        try:
            disk_files.replace(self.path / "clean", b"")
        except OSError as error:
            raise disk_files.explain(error, self.path) from error

    def close(self) -> None:
        """Release the lock. Idempotent."""
        if self._lock is not None:
            with contextlib.suppress(OSError):  # not there, or not empty: after trouble
                self.emergencies.rmdir()
            self._lock.release()


def emergencies_of(path: Path, manifest: Manifest) -> Path:
    """Return the folder of a session's emergency files."""
    return Path(manifest.emergency) if manifest.emergency else path / "emergency"


def read_manifest(path: Path) -> Manifest:
    """Return what `session.json` in `path` says.

    Raises:
        StorageError: there is none, it is damaged, or it is newer than this program.

    """
    file = path / "session.json"
    try:
        content = file.read_bytes()
    except OSError as error:
        raise StorageError(f"{path} is not a session: no session.json in it can be read") from error
    try:
        version = msgspec.json.decode(content, type=_FormatOnly).format
        if version > FORMAT:
            raise StorageError(f"{path} has format {version}; this Transcriber reads up to {FORMAT}: update it")
        manifest = msgspec.json.decode(content, type=Manifest)
        _check_tracks(manifest.tracks)
    except (msgspec.MsgspecError, ConfigError) as error:
        raise StorageError(f"{file} is damaged: {error}") from error
    return manifest


def _check_tracks(tracks: Sequence[TrackEntry]) -> None:
    """Refuse names that lead out of the session's folder, or into another track's on a disk that ignores case."""
    seen: set[str] = set()
    for track in tracks:
        names.track_name(track.name)
        if track.name.casefold() in seen:
            raise ConfigError(f"two tracks are named {track.name!r}; name them apart: NAME=SOURCE")
        seen.add(track.name.casefold())


def _make_unique(parent: Path, wanted: str) -> Path:
    """Make a folder named `wanted`, or with a number added if another session began in the same second."""
    for attempt in range(1, _ATTEMPTS):
        path = parent / (wanted if attempt == 1 else f"{wanted}-{attempt}")
        with contextlib.suppress(FileExistsError):
            disk_files.make_folder(path)
            return path
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(parent / wanted))
