"""Space that is reserved at the start of a session, for what its disk cannot take later."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from transcriber.adapters import disk_files
from transcriber.adapters.disk import Disk
from transcriber.adapters.emergency_file import EmergencyFile
from transcriber.adapters.session_folder import SessionFolder
from transcriber.app.reporting import Log, brief
from transcriber.errors import StorageError
from transcriber.types import TrackName

FOR_TRANSCRIPT = 8 << 20
"""Bytes for the transcript at most: hours of events, at some 40 KB a minute. It gets an eighth, if that is less."""


@dataclass(frozen=True, slots=True)
class EmergencySpace:
    """`size` bytes in all, shared by the tracks of a session and its transcript. `disk` has a thread of its own."""

    folder: SessionFolder
    size: int
    disk: Disk
    log: Log

    async def for_track(self, track: TrackName) -> EmergencyFile | None:
        """Return a track's file, or None: then the session goes on unprotected."""
        share = (self.size - self._for_transcript) // len(self.folder.tracks)
        return await self._reserve(self.folder.emergency(track), share)

    async def for_transcript(self) -> EmergencyFile | None:
        """Return the transcript's file, or None, as above."""
        return await self._reserve(self.folder.transcript_emergency, self._for_transcript)

    @property
    def _for_transcript(self) -> int:
        return min(FOR_TRANSCRIPT, self.size // 8)

    async def _reserve(self, path: Path, share: int) -> EmergencyFile | None:
        if not share:
            return None
        try:
            return await self.disk.run(partial(_make, path, share))
        except StorageError as error:
            self.log.warning("emergency_space_missing", component="disk", reason=brief(error))
            return None


def _make(path: Path, size: int) -> EmergencyFile:
    try:
        path.parent.mkdir(disk_files.FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise disk_files.explain(error, path.parent) from error
    return EmergencyFile(path, size)
