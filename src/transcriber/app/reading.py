"""A session as a document, read from its folder without changing it."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime

from transcriber.adapters import disk_files
from transcriber.adapters.original_files import StoredOriginal, stored_original
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_index import SessionEntry, SessionState
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.core.document import Document, DocumentTrack
from transcriber.core.session_states import SessionStates, told
from transcriber.core.wire import decode
from transcriber.errors import ConfigError, StorageError
from transcriber.events import Envelope
from transcriber.types import TrackName


def read_document(entry: SessionEntry, wanted: Sequence[str] = ()) -> Document:
    """Return the transcript of a session, or of some of its tracks.

    Raises:
        ConfigError: the session has no track of a name that is wanted.
        StorageError: the transcript cannot be read.

    """
    names = [track.name for track in entry.manifest.tracks]
    for name in wanted:
        if name not in names:
            raise ConfigError(f"no track {name!r} in {entry.id}; it has {', '.join(names)}")
    with closing(TranscriptDatabase.view(entry.path / "transcript.db")) as database:
        tracks = [
            DocumentTrack(track.name, track.source, entry.captured[track.name], database.cursor(track.name))
            for track in entry.manifest.tracks
            if not wanted or track.name in wanted
        ]
        return Document.of(
            _events(entry, database),
            title=entry.manifest.name or entry.id,
            tracks=tracks,
            model=entry.manifest.model,
            started=min((track.started for track in entry.manifest.tracks if track.started), default=entry.created),
        )


def read_originals(entry: SessionEntry) -> Sequence[StoredOriginal]:
    """Return what is kept of each track in source quality, if anything is.

    Raises:
        StorageError: it cannot be read.

    """
    session = SessionFolder.view(entry.path)
    try:
        stored = [stored_original(track, session.original(track)) for track in session.tracks]
    except OSError as error:
        raise disk_files.explain(error, entry.path, doing="read") from error
    return [original for original in stored if original is not None]


def read_states(entry: SessionEntry) -> SessionStates:
    """Return the states of a session and of its components, as they were left or are now.

    Raises:
        StorageError: the transcript cannot be read.

    """
    origins: dict[TrackName | None, datetime] = {None: entry.created}
    origins |= {track.name: track.started or entry.created for track in entry.manifest.tracks}
    with closing(TranscriptDatabase.view(entry.path / "transcript.db")) as database:
        states = SessionStates.of(told(line for _, line in _lines(database)), origins)
    return states.as_left(written=entry.state is SessionState.RUNNING, clean=entry.state is SessionState.CLEAN)


def stem(entry: SessionEntry, tracks: Sequence[TrackName | str]) -> str:
    """Return the name of an export without its end: one of some tracks does not replace that of all."""
    return ".".join([entry.id, *tracks])


def _events(entry: SessionEntry, database: TranscriptDatabase) -> Iterator[Envelope]:
    for number, line in _lines(database):
        try:
            yield decode(line)
        except ValueError as error:
            raise StorageError(f"{entry.id}: event {number} cannot be read: {error}") from error


def _lines(database: TranscriptDatabase) -> Iterator[tuple[int, str]]:
    after = 0
    while rows := database.events(after):
        yield from rows
        after = rows[-1][0]
