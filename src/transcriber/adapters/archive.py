"""Closed WAV files become FLAC, half as large and the same to the bit: one whole copy is there at every moment.

For each file: encode beside it → sync → decode, compare with the WAV and with the journal's checksums → rename into
place → sync the folder → remove the WAV → sync the folder. What an interrupted archiving left is made anew.
"""

import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from transcriber.adapters import disk_files
from transcriber.adapters.original_files import OriginalFile, original_files
from transcriber.adapters.sample_files import SampleFiles
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_lock import SessionLock
from transcriber.core import flac, journal, wav
from transcriber.core.closed_files import closed_files
from transcriber.errors import StorageError
from transcriber.types import Position, TrackName

_READ_BYTES = 1024 * journal.RECORD_BYTES

type GoOn = Callable[[], bool]
"""Whether to go on; asked often, so that an archiving ends at once when the program does."""


@dataclass(slots=True)
class Archived:
    """How many files were archived, and their bytes before and after."""

    files: int = 0
    before: int = 0
    after: int = 0
    refused: dict[str, str] = field(default_factory=dict[str, str])
    """Files that stay as they are, and why."""


class SessionArchive:
    """Archives the files of one session. Blocking. Nobody else writes the session meanwhile, but who records it.

    What was found closed is not looked for again.
    """

    def __init__(self, session: SessionFolder, go_on: GoOn = lambda: True) -> None:
        self._session = session
        self._go_on = go_on
        self._slots: dict[TrackName, int] = {}

    def archive(self, until: Mapping[TrackName, Position] | None = None) -> Archived:
        """Archive a complete session; of one that is being recorded, the closed files that end before `until`.

        Raises:
            StorageError: the disk failed, or it is not to go on. What was archived is.

        """
        done = Archived()
        try:
            for track in self._session.tracks:
                self._archive_track(track, None if until is None else until[track], done)
                originals = original_files(self._session.original(track))
                for original in originals if until is None else originals[:-1]:
                    if _can_be_archived(original):
                        self._archive_file(original.path, (), done, whole=original.whole)
        except OSError as error:
            raise disk_files.explain(error, self._session.path, doing="archive") from error
        return done

    def _archive_track(self, track: TrackName, until: Position | None, done: Archived) -> None:
        audio = self._session.audio(track)
        if not audio.exists() or not self._session.journal(track).exists():
            return  # nothing was ever recorded
        for closed in closed_files(self._records(track), self._slots.get(track, 0)):
            if until is not None and wav.file_start(closed.index + 1) > until:
                return
            path = audio / wav.file_name(closed.index)
            if path.exists():
                self._archive_file(path, closed.records, done, whole=_is_whole(path))
            self._slots[track] = closed.next_slot
        for index in SampleFiles(audio).wavs() if until is None else ():
            done.refused.setdefault(self._name(audio / wav.file_name(index)), "the journal does not tell of it")

    def _records(self, track: TrackName) -> Iterator[journal.Record | journal.Damage]:
        slot = self._slots.get(track, 0)
        with self._session.journal(track).open("rb") as file:
            file.seek(slot * journal.RECORD_BYTES)
            while content := file.read(_READ_BYTES):
                for offset in range(0, len(content), journal.RECORD_BYTES):
                    yield journal.decode(content[offset : offset + journal.RECORD_BYTES], slot)
                    slot += 1

    def _archive_file(self, path: Path, records: Sequence[journal.Audio], done: Archived, *, whole: bool) -> None:
        target = path.with_suffix(flac.SUFFIX)
        draft = target.with_name(f"{target.name}~")
        draft.unlink(missing_ok=True)
        try:
            if not whole or not _encoded(path, draft, records, self._go_on):
                done.refused[self._name(path)] = "it is not what was recorded"
                return
            before, after = path.stat().st_size, draft.stat().st_size
            draft.replace(target)
        finally:
            with suppress(OSError):  # after an error of the disk the next archiving does it
                draft.unlink(missing_ok=True)
        disk_files.sync_folder(path.parent)
        path.unlink()
        disk_files.sync_folder(path.parent)
        done.files, done.before, done.after = done.files + 1, done.before + before, done.after + after

    def _name(self, path: Path) -> str:
        return path.relative_to(self._session.path).as_posix()


def archive_session(path: Path, go_on: GoOn = lambda: True) -> Archived:
    """Archive a session, which is locked meanwhile if there is anything to do.

    Raises:
        StorageError: it is not complete, or is being written; the disk failed, or it is not to go on.

    """
    session = SessionFolder.view(path)
    if session.clean and not _is_anything_left(session):
        return Archived()
    lock = SessionLock.acquire(path / "lock")
    try:
        if not session.clean:
            raise StorageError(f"{session.id} is not complete; finish it first: transcriber resume {session.id}")
        return SessionArchive(session, go_on).archive()
    finally:
        lock.release()


def _is_anything_left(session: SessionFolder) -> bool:
    """Whether there is a file that is not archived, and could be."""
    try:
        return any(
            SampleFiles(session.audio(track)).wavs()
            or any(_can_be_archived(original) for original in original_files(session.original(track)))
            for track in session.tracks
        )
    except OSError as error:
        raise disk_files.explain(error, session.path, doing="read") from error


def _can_be_archived(original: OriginalFile) -> bool:
    return not original.archived and original.form is not None and flac.holds(original.form)


def _is_whole(path: Path) -> bool:
    """Whether the header of a WAV file of a track describes it."""
    with path.open("rb") as file:
        promised = wav.parse_header(file.read(wav.HEADER_BYTES))
    return promised is not None and wav.byte_end(promised) == path.stat().st_size


def _encoded(path: Path, draft: Path, records: Sequence[journal.Audio], go_on: GoOn) -> bool:
    """Encode a WAV file durably; return whether the result is the same sound, and what the journal vouches for."""
    # Not before it is needed: most programs never archive anything.
    from transcriber.adapters import flac_file  # noqa: PLC0415

    os.close(disk_files.open_private(draft, new=True))
    flac_file.encode(path, draft, go_on)
    descriptor = disk_files.open_private(draft)
    try:
        disk_files.sync(descriptor)
    finally:
        os.close(descriptor)
    with flac_file.FlacFile(draft) as file:
        vouched = all(zlib.crc32(file.read(*_place(record))) == record.crc for record in records)
    return vouched and flac_file.same_sound(path, draft, go_on)


def _place(record: journal.Audio) -> tuple[int, int]:
    """Return where the samples of a record are in their file: how many are before them, and how many they are."""
    return record.start % wav.FILE_SAMPLES, record.end - record.start
