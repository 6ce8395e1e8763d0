"""What is on disk of what a source delivered: listed, checked, and made whole after a crash."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from transcriber.adapters import disk_files
from transcriber.core import flac, original_wav
from transcriber.core.original import ROUNDING, file_start
from transcriber.core.original_wav import MOST_HEADER_BYTES, Header
from transcriber.core.timeline import samples_of
from transcriber.types import AudioFormat, Position, TrackName


@dataclass(frozen=True, slots=True)
class OriginalFile:
    """A file of `size` bytes whose first frame is at `start`: `frames` of `form`, which is None if nobody knows it."""

    path: Path
    start: Position
    size: int
    form: AudioFormat | None
    frames: int
    whole: bool
    """Whether its header describes it."""

    @property
    def end(self) -> Position:
        """Where its last frame ends."""
        return Position(self.start + (samples_of(self.frames, self.form.rate) if self.form else 0))

    @property
    def archived(self) -> bool:
        """Whether it is a FLAC file."""
        return self.path.suffix == flac.SUFFIX


@dataclass(frozen=True, slots=True)
class StoredOriginal:
    """What is kept of a track in source quality, in all; `length` is in samples of the track's clock."""

    track: TrackName
    formats: Sequence[AudioFormat]
    length: int
    files: int
    size: int


def original_files(folder: Path) -> Sequence[OriginalFile]:
    """Return the files of a track, in order; none if nothing is kept. Raises OSError.

    Where there is both a WAV and a FLAC file, an archiving was cut off: the WAV counts, as long as it is there.
    """
    if not folder.exists():
        return []
    paths = sorted(folder.iterdir(), key=lambda path: path.suffix)  # .flac before .wav
    named = {start: path for path in paths if (start := file_start(path.name)) is not None}
    return [_read(path, start) for start, path in sorted(named.items())]


def stored_original(track: TrackName, folder: Path) -> StoredOriginal | None:
    """Return what is kept of a track, or None if nothing is. Raises OSError."""
    files = original_files(folder)
    if not files:
        return None
    formats = dict.fromkeys(file.form for file in files if file.form is not None)
    length = sum(file.end - file.start for file in files)
    return StoredOriginal(track, list(formats), length, len(files), sum(file.size for file in files))


def check_original(folder: Path) -> Iterator[str]:
    """Yield what is wrong with the files of a track, one line each. Raises OSError."""
    files = original_files(folder)
    for file in files:
        if not file.whole:
            yield f"original/{folder.name}/{file.path.name}: the header does not describe the file"
        elif file.archived and not _can_be_decoded(file):
            yield f"original/{folder.name}/{file.path.name}: not all of it can be decoded"
    for before, after in pairwise(files):
        if before.end > after.start + ROUNDING:
            yield f"original/{folder.name}/{after.path.name}: begins before the end of the file before it"


def repair_original(folder: Path, damaged: Path) -> Sequence[str]:
    """Set each header to the whole frames that are there, and a file without one aside; return what was changed.

    It can be cut off at any time, and done again. Raises OSError.
    """
    actions: list[str] = []
    for file in original_files(folder):
        if file.form is None:
            _set_aside(file.path, damaged)
            actions.append(f"{file.path}: its format is not known; set aside")
        elif not file.whole:
            frames = Header(file.form, 0).whole_frames(file.size)
            _set_length(file.path, Header(file.form, frames))
            actions.append(f"{file.path}: header set to {frames} frames")
    return actions


def _read(path: Path, start: Position) -> OriginalFile:
    with path.open("rb") as file:
        data = file.read(MOST_HEADER_BYTES)
    size = path.stat().st_size
    archived = flac.parse(data)
    if archived is not None:
        return OriginalFile(path, start, size, archived.form, archived.frames, whole=True)
    header = original_wav.parse(data)
    if header is None:
        return OriginalFile(path, start, size, None, 0, whole=False)
    return OriginalFile(path, start, size, header.form, header.frames, whole=header.end == size)


def _can_be_decoded(file: OriginalFile) -> bool:
    # Not before there is one: most programs never need it.
    from transcriber.adapters.flac_file import can_be_decoded  # noqa: PLC0415

    return can_be_decoded(file.path)


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
