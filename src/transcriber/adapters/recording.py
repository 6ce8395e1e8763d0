"""One track on disk: WAV files that play after any crash, and the journal that says what is durable."""

import errno
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from transcriber.adapters import disk_files
from transcriber.adapters.disk import CallRunner
from transcriber.adapters.recording_writer import Acknowledged, FilesRemovedError, TrackWriter
from transcriber.adapters.sample_files import SampleFiles
from transcriber.core import journal, wav
from transcriber.errors import StorageError
from transcriber.types import SAMPLE_BYTES, Block, Gap, GapReason, Position

type Remake = Callable[[Position, Sequence[Gap]], None]
"""Makes the files of a track agree again with the position up to which it was durable, and the gaps before."""


class TrackRecording:
    """The `Recording` port: appends in the disk's writer thread, and reads beside it.

    A call that was cancelled, or failed, leaves a consistent track: what it was given is either acknowledged or to be
    given again. One task appends at a time; any number read.

    `remake` is called in the disk's thread after files of the track were removed, before the next try. Without it every
    try fails from then on.
    """

    def __init__(
        self,
        audio: Path,
        journal_file: Path,
        disk: CallRunner,
        extent: journal.Extent,
        remake: Remake | None = None,
    ) -> None:
        self._audio = audio
        self._journal_file = journal_file
        self._disk = disk
        self._remake = remake
        self._removed = False
        self._closed = False
        self._writer = self._new_writer(_acknowledged(extent))

    @classmethod
    async def open(
        cls,
        audio: Path,
        journal_file: Path,
        disk: CallRunner,
        *,
        remake: Remake | None = None,
    ) -> Self:
        """Open a track to append to: a fresh one, or one that was recorded before and is recovered where need be.

        Raises:
            StorageError: the journal cannot be read, or is damaged: the session must be recovered first.

        """
        return cls(audio, journal_file, disk, await disk.read(partial(read_extent, journal_file)), remake)

    @property
    def durable(self) -> Position:
        """Everything before this position is on disk and survives a power cut. It never goes back."""
        return self._writer.acknowledged.durable

    @property
    def gaps(self) -> Sequence[Gap]:
        """What is missing of `[0, durable)`, in order."""
        return self._writer.acknowledged.gaps

    async def append(self, pieces: Sequence[Block | Gap]) -> Position:
        """Write and sync pieces in order of position, and return the new durable position.

        Samples before `durable` are ignored, so a piece may be given twice. Blocks of any length are fine; all pieces
        of a call share one sync.

        Raises:
            ValueError: a hole that no `Gap` names, or half a sample. Nothing was written.
            StorageError: the disk failed; what was not acknowledged is still to be written.
            FilesRemovedError: somebody removed the files; the next call makes them anew, if that can be.

        """
        given = tuple(pieces)
        await self._run(lambda writer: writer.append(given))
        return self.durable

    async def clock(self, position: Position, monotonic: int, wall: int) -> None:
        """Note that `position` was captured at this reading of the two clocks, in nanoseconds.

        Raises:
            StorageError: it could not be noted.

        """
        await self._run(lambda writer: writer.record(journal.Clock(position, monotonic, wall)))

    async def read(self, start: Position, end: Position) -> Sequence[Block | Gap]:
        """Return the audio and the gaps in `[start, end)`, in order and without holes; `end` is at most `durable`.

        Samples that were acknowledged and cannot be read any more come back as a gap with the reason `damage`.

        Raises:
            ValueError: the range is not durable.
            StorageError: the files cannot be opened.

        """
        acknowledged = self._writer.acknowledged
        if not 0 <= start <= end <= acknowledged.durable:
            raise ValueError(f"[{start}, {end}) is not within [0, {acknowledged.durable})")
        return await self._disk.read(partial(read_pieces, self._audio, acknowledged.gaps, start, end))

    async def close(self) -> None:
        """Note that the track ended in order, and close its files. Idempotent.

        Raises:
            StorageError: the end could not be noted; nothing that was acknowledged is lost.

        """
        if self._closed:
            return
        self._closed = True
        try:
            await self._run(lambda writer: writer.record(journal.End(self.durable)))
        finally:
            self._writer.revoke()

    async def _run(self, call: Callable[[TrackWriter], None]) -> None:
        try:
            if self._removed and self._remake is not None:
                extent = await self._disk.run(partial(self._made_anew, self._remake, self._writer.acknowledged))
                self._writer = self._new_writer(_acknowledged(extent))
                self._removed = False
            await self._disk.run(partial(call, self._writer))
        except StorageError as error:
            self._removed |= isinstance(error, FilesRemovedError)
            # The call may be stuck in a thread that was given up: nothing that it holds may be used again.
            self._writer.revoke()
            self._writer = self._new_writer(self._writer.acknowledged)
            raise

    def _made_anew(self, remake: Remake, acknowledged: Acknowledged) -> journal.Extent:
        remake(acknowledged.durable, acknowledged.gaps)
        return read_extent(self._journal_file)

    def _new_writer(self, acknowledged: Acknowledged) -> TrackWriter:
        return TrackWriter(self._audio, self._journal_file, acknowledged)


def _acknowledged(extent: journal.Extent) -> Acknowledged:
    return Acknowledged(extent.durable, extent.records, tuple(extent.gaps))


def read_extent(journal_file: Path) -> journal.Extent:
    """Return what a journal adds up to; one that is not there adds up to nothing.

    Raises:
        StorageError: it cannot be read, or is damaged.

    """
    extent = journal.Extent()
    try:
        content = journal_file.read_bytes()
    except FileNotFoundError:
        return extent
    except OSError as error:
        raise disk_files.explain(error, journal_file, doing="read") from error
    for record in journal.scan(content):
        if isinstance(record, journal.Damage):
            raise StorageError(f"{journal_file}: record {record.slot} is damaged ({record.why}); resume the session")
        try:
            extent.add(record)
        except ValueError as error:
            raise StorageError(f"{journal_file}: {error}; resume the session") from error
    return extent


def read_pieces(audio: Path, gaps: Sequence[Gap], start: Position, end: Position) -> Sequence[Block | Gap]:
    """Return `[start, end)` of a track as blocks, one for each file at most, and gaps, in order and without holes.

    Raises:
        StorageError: a file cannot be opened.

    """
    pieces: list[Block | Gap] = []
    first = max(0, bisect_right(gaps, start, key=lambda gap: gap.end))
    with SampleFiles(audio) as files:
        for gap in gaps[first:]:
            if gap.start >= end:
                break
            pieces.extend(_read_audio(files, start, gap.start))
            pieces.append(Gap(max(start, gap.start), min(end, gap.end), gap.reason))
            start = gap.end
        pieces.extend(_read_audio(files, start, end))
    return pieces


def _read_audio(files: SampleFiles, start: Position, end: Position) -> Iterator[Block | Gap]:
    for span in wav.spans(start, end):
        pcm = _read_span(files, span)
        if pcm:
            yield Block(span.start, pcm)
        readable = Position(span.start + len(pcm) // SAMPLE_BYTES)
        if readable < span.end:
            yield Gap(readable, span.end, GapReason.DAMAGE)


def _read_span(files: SampleFiles, span: wav.FileSpan) -> bytes:
    """Return the whole samples of a span that can be read, from its start."""
    try:
        return files.read(span)
    except OSError as error:
        if error.errno == errno.EIO:
            return b""
        raise disk_files.explain(error, files.folder, doing="read") from error
