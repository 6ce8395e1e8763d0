"""What is on disk of what a source delivered: listed, checked, and made whole after a crash."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from transcriber.adapters import disk_files
from transcriber.core import original_wav
from transcriber.core.original import ROUNDING, file_start
from transcriber.core.original_wav import Header
from transcriber.core.timeline import samples_of
from transcriber.types import AudioFormat, Position, TrackName


@dataclass(frozen=True, slots=True)
class OriginalFile:
    """A file of `size` bytes whose first frame is at `start`, and what its header says, if it is one."""

    path: Path
    start: Position
    size: int
    header: Header | None

    @property
    def end(self) -> Position:
        """Where its last frame ends."""
        return Position(self.start + (samples_of(self.header.frames, self.header.form.rate) if self.header else 0))


@dataclass(frozen=True, slots=True)
class StoredOriginal:
    """What is kept of a track in source quality, in all; `length` is in samples of the track's clock."""

    track: TrackName
    formats: Sequence[AudioFormat]
    length: int
    files: int
    size: int


def original_files(folder: Path) -> Sequence[OriginalFile]:
    """Return the files of a track, in order; none if nothing is kept. Raises OSError."""
    if not folder.exists():
        return []
    named = ((path, file_start(path.name)) for path in folder.iterdir())
    found = [_read(path, start) for path, start in named if start is not None]
    return sorted(found, key=lambda file: file.start)


def stored_original(track: TrackName, folder: Path) -> StoredOriginal | None:
    """Return what is kept of a track, or None if nothing is. Raises OSError."""
    files = original_files(folder)
    if not files:
        return None
    formats = dict.fromkeys(file.header.form for file in files if file.header is not None)
    length = sum(file.end - file.start for file in files)
    return StoredOriginal(track, list(formats), length, len(files), sum(file.size for file in files))


def check_original(folder: Path) -> Iterator[str]:
    """Yield what is wrong with the files of a track, one line each. Raises OSError."""
    files = original_files(folder)
    for file in files:
        if file.header is None or file.header.end != file.size:
            yield f"original/{folder.name}/{file.path.name}: the header does not describe the file"
    for before, after in pairwise(files):
        if before.end > after.start + ROUNDING:
            yield f"original/{folder.name}/{after.path.name}: begins before the end of the file before it"


def repair_original(folder: Path, damaged: Path) -> Sequence[str]:
    """Set each header to the whole frames that are there, and a file without one aside; return what was changed.

    It can be cut off at any time, and done again. Raises OSError.
    """
    actions: list[str] = []
    for file in original_files(folder):
        if file.header is None:
            _set_aside(file.path, damaged)
            actions.append(f"{file.path}: its format is not known; set aside")
        elif file.header.end != file.size:
            frames = file.header.whole_frames(file.size)
            _set_length(file.path, Header(file.header.form, frames))
            actions.append(f"{file.path}: header set to {frames} frames")
    return actions


def _read(path: Path, start: Position) -> OriginalFile:
    with path.open("rb") as file:
        header = original_wav.parse(file.read(original_wav.MOST_HEADER_BYTES))
    return OriginalFile(path, start, path.stat().st_size, header)


def _set_length(path: Path, header: Header) -> None:
    descriptor = disk_files.open_private(path)
    try:
        os.ftruncate(descriptor, header.end)
        disk_files.write_at(descriptor, 0, header.encode())
        disk_files.sync(descriptor)
    finally:
        os.close(descriptor)


def _set_aside(path: Path, damaged: Path) -> None:
    if not damaged.exists():
        disk_files.make_folder(damaged)
    path.rename(damaged / f"{path.parent.name}-original-{path.name}")
    disk_files.sync_folder(damaged)
    disk_files.sync_folder(path.parent)
