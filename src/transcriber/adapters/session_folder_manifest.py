"""`session.json`: what a session recorded, from where, when; and where that is found if the file is damaged.

The file carries a checksum of what it says, and `transcript.db` has a copy of it. Where neither can be trusted, the
folders and journals of the tracks still tell enough to recover and to transcribe a session.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from transcriber.adapters import disk_files
from transcriber.adapters import transcript_db_schema as schema
from transcriber.core import journal, names
from transcriber.errors import ConfigError, StorageError
from transcriber.types import RATE, AudioFormat, TrackName

FORMAT = 1
"""Version of the folder's layout and files. A reader refuses a newer one."""

FILE = "session.json"

COPY = "session"
"""The key of the copy in the table `meta`."""

UNKNOWN = "unknown"
"""Stands for what nothing in a damaged session tells."""


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
    """The content of `session.json`, but for its checksum."""

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


@dataclass(frozen=True, slots=True)
class FoundManifest:
    """A manifest, and what is wrong with the file that should hold it: None if it does."""

    manifest: Manifest
    fault: str | None


def sealed(manifest: Manifest) -> bytes:
    """Return the manifest as `session.json` holds it, with the checksum of what it says in `check`."""
    said = msgspec.to_builtins(manifest)
    return msgspec.json.format(msgspec.json.encode({**said, "check": _check(said)}), indent=2) + b"\n"


def unsealed(content: bytes | str) -> Manifest:
    """Return the manifest that `sealed` made bytes of.

    Raises:
        ValueError: it made no such bytes.
        StorageError: a newer program made them.

    """
    said = msgspec.json.decode(content, type=dict[str, Any])
    if said.pop("check", None) != _check(said):
        raise ValueError("its checksum is wrong")
    if (version := said["format"]) > FORMAT:
        raise StorageError(f"the session has format {version}; this Transcriber reads up to {FORMAT}: update it")
    manifest = msgspec.convert(said, Manifest)
    try:
        check_tracks(manifest.tracks)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return manifest


def find_manifest(path: Path) -> FoundManifest:
    """Return what is known of the session in the folder `path`: from its file, else the copy, else the folder itself.

    Raises:
        StorageError: it holds no session, cannot be read, or is newer than this program.

    """
    file = path / FILE
    try:
        return FoundManifest(unsealed(file.read_bytes()), None)
    except (FileNotFoundError, NotADirectoryError):
        fault = "missing"
    except ValueError as error:
        fault = f"damaged: {error}"
    except OSError as error:
        raise disk_files.explain(error, file, doing="read") from error
    try:
        copy = schema.read_meta(path / "transcript.db", COPY)
        return FoundManifest(unsealed(copy or ""), f"{fault}; there is a copy in transcript.db")
    except ValueError:
        pass
    tracks = _found_tracks(path)
    if not tracks or (fault == "missing" and not any(track.started for track in tracks)):
        raise StorageError(f"{path} is not a session: {FILE} is {fault}, and nothing else tells of one")
    return FoundManifest(_made_anew(path, tracks), f"{fault}, and there is no copy: only names and times are known")


def read_manifest(path: Path) -> Manifest:
    """Return what is known of the session in the folder `path`, as `find_manifest` does."""
    return find_manifest(path).manifest


def holds_session(path: Path) -> bool:
    """Tell whether `find_manifest` finds something in a folder, though it may be newer; cheaply where it does not."""
    if (path / FILE).is_file():
        return True
    try:
        return any((path / name).exists() for name in ("transcript.db", "journal")) and bool(find_manifest(path))
    except StorageError:
        return False


def check_tracks(tracks: Sequence[TrackEntry]) -> None:
    """Refuse names that lead out of the session's folder, or into another track's on a disk that ignores case.

    Raises:
        ConfigError: there is one.

    """
    seen: set[str] = set()
    for track in tracks:
        names.track_name(track.name)
        if track.name.casefold() in seen:
            raise ConfigError(f"two tracks are named {track.name!r}; name them apart: NAME=SOURCE")
        seen.add(track.name.casefold())


def _check(said: dict[str, Any]) -> str:
    """Return the checksum of what a manifest says, however its file is laid out."""
    try:
        return f"{zlib.crc32(msgspec.json.encode(said, order='sorted')):08x}"
    except OverflowError as error:
        raise ValueError(str(error)) from error


def _found_tracks(path: Path) -> Sequence[TrackEntry]:
    """Return the tracks by the names of their folders and journals, with the time at which each began."""
    found = {
        item.name for folder in ("audio", "journal") if (path / folder).is_dir() for item in (path / folder).iterdir()
    }
    return [
        TrackEntry(name=TrackName(name), source=UNKNOWN, started=_began(path / "journal" / name))
        for name in sorted(found)
        if names.is_safe(name)
    ]


def _began(file: Path) -> datetime | None:
    """Return the wall clock of position 0, by the first clock record of a journal."""
    content = file.read_bytes() if file.is_file() else b""
    first = next((record for record in journal.scan(content) if isinstance(record, journal.Clock)), None)
    return first and _EPOCH + timedelta(microseconds=first.wall // 1_000, seconds=-first.position / RATE)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _made_anew(path: Path, tracks: Sequence[TrackEntry]) -> Manifest:
    """Return all that a folder tells of its session without a manifest."""
    created, name = names.parse_session_id(path.name)
    began = min((track.started for track in tracks if track.started), default=None)
    return Manifest(
        id=path.name,
        name=name,
        created=created or began or datetime.fromtimestamp(path.stat().st_mtime, UTC),
        app=UNKNOWN,
        model="auto",
        tracks=tuple(tracks),
    )
