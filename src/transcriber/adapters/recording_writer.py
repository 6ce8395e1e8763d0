"""The writing half of a track's recording: blocking calls, made one at a time in the disk's thread.

The order is what makes it durable: samples, then the header that makes them playable, then one sync of the WAV file;
only then the journal records that vouch for them, and a sync of the journal; then the folder, where a file is new. A
step that is left out or moved loses acknowledged audio in a power cut.
"""

import errno
import os
import threading
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from transcriber.adapters import disk_files
from transcriber.core import journal, wav
from transcriber.errors import StorageError
from transcriber.types import SAMPLE_BYTES, Block, Gap, Position


class FilesRemovedError(StorageError):
    """Somebody removed files of a track while it was recorded: no second try helps before they were made anew."""


@dataclass(slots=True)
class _WavFile:
    """The file that is being written. `unsynced` is where its samples end, if a header and a sync are due."""

    index: int
    descriptor: int
    unsynced: Position | None = None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What of a track is durable: `[0, durable)`, in `records` records of its journal, without the `gaps`.

    A value, replaced as a whole, so that any thread may read it while the writer's goes on.
    """

    durable: Position
    records: int
    gaps: tuple[Gap, ...]

    def samples_in(self, index: int) -> int:
        """Return how many samples file `index` must have at least, if it is the last: gaps at its end take no room."""
        end = self.durable
        for gap in reversed(self.gaps):
            if gap.end != end:
                break
            end = gap.start
        return max(0, end - wav.file_start(index))


class TrackWriter:
    """Appends to one track's WAV files and journal, after what is acknowledged.

    After an error its descriptors are closed for good. The next call opens anew, cuts off what was not acknowledged
    and writes what it is given: so the caller keeps what was not acknowledged, and gives it again.
    """

    def __init__(self, audio: Path, journal_file: Path, acknowledged: Acknowledged) -> None:
        self.acknowledged = acknowledged
        self._audio = audio
        self._journal_file = journal_file
        self._journal: int | None = None
        self._wav: _WavFile | None = None
        self._unsynced_folders = {audio, journal_file.parent}
        self._lock = threading.Lock()
        self._busy = False
        self._revoked = False

    def append(self, pieces: Sequence[Block | Gap]) -> None:
        """Make pieces durable; what is durable already is ignored.

        Raises:
            ValueError: a piece leaves a hole after the one before, or half a sample. Nothing was written.
            StorageError: the disk failed; `acknowledged` says how far the call came.
            FilesRemovedError: what was acknowledged is not there any more.

        """
        fresh = list(joined(following(self.acknowledged.durable, pieces)))
        with self._call(self._audio):
            records: list[journal.Record] = []
            for piece in fresh:
                if isinstance(piece, Gap):
                    # A gap is known before the first sample after it makes a hole in the file: recovery would take
                    # the hole for silence otherwise.
                    self._flush([*records, piece])
                    records = []
                else:
                    records.append(self._write(piece))
            self._flush(records)

    def record(self, record: journal.Clock | journal.End) -> None:
        """Make a record durable that moves nothing.

        Raises:
            StorageError: it is not acknowledged.

        """
        with self._call(self._journal_file):
            self._acknowledge([record])

    def revoke(self) -> None:
        """End the writer, from any thread. If it is stuck in a call it takes no further step when it wakes up."""
        with self._lock:
            self._revoked = True
            if not self._busy:
                self._close()

    def _write(self, block: Block) -> journal.Audio:
        """Write samples of one file; the header and the sync are still due."""
        index = block.start // wav.FILE_SAMPLES
        if self._wav is None or self._wav.index != index:
            self._sync_wav()
            self._rotate(index)
        assert self._wav is not None  # noqa: S101 - `_rotate` opened it
        self._check()
        disk_files.write_at(self._wav.descriptor, wav.byte_offset(block.start), block.pcm)
        self._wav.unsynced = block.end
        return journal.Audio(block.start, block.end, zlib.crc32(block.pcm))

    def _flush(self, records: Sequence[journal.Record]) -> None:
        self._sync_wav()
        self._acknowledge(records)

    def _sync_wav(self) -> None:
        if self._wav is None or self._wav.unsynced is None:
            return
        self._check()
        samples = self._wav.unsynced - wav.file_start(self._wav.index)
        disk_files.write_at(self._wav.descriptor, 0, wav.header(samples))
        disk_files.sync(self._wav.descriptor)
        self._wav.unsynced = None

    def _acknowledge(self, records: Sequence[journal.Record]) -> None:
        if not records:
            return
        before = self.acknowledged
        offset = before.records * journal.RECORD_BYTES
        if self._journal is None:
            self._journal = self._open(self._journal_file, offset, offset)
        self._check()
        disk_files.write_at(self._journal, offset, journal.encode_all(records, before.records))
        disk_files.sync(self._journal)
        for folder in sorted(self._unsynced_folders):
            disk_files.sync_folder(folder)
        self._unsynced_folders.clear()
        self._check()
        disk_files.check_there(self._journal, self._journal_file)
        if self._wav is not None:
            disk_files.check_there(self._wav.descriptor, self._audio / wav.file_name(self._wav.index))
        gaps = tuple(record for record in records if isinstance(record, Gap))
        last = records[-1]
        durable = last.end if isinstance(last, journal.Audio | Gap) else before.durable
        self.acknowledged = Acknowledged(durable, before.records + len(records), before.gaps + gaps)

    def _rotate(self, index: int) -> None:
        """Open file `index`, in place of the one before; a new file can be played from its first moment."""
        if self._wav is not None:
            earlier, self._wav = self._wav.descriptor, None
            os.close(earlier)
        samples = max(0, self.acknowledged.durable - wav.file_start(index))
        there = self.acknowledged.samples_in(index)
        path = self._audio / wav.file_name(index)
        descriptor = self._open(path, _size(samples), _size(there) if there else 0)
        self._wav = _WavFile(index, descriptor)
        if samples == 0:
            disk_files.write_at(descriptor, 0, wav.header(0))

    def _open(self, path: Path, acknowledged: int, there: int) -> int:
        """Open a file of `there` bytes at least, and cut off what a failed call left after its acknowledged ones."""
        descriptor = disk_files.open_private(path)
        try:
            size = os.fstat(descriptor).st_size
            if size == 0:
                self._unsynced_folders.add(path.parent)
            if size < there:
                raise FileNotFoundError(errno.ENOENT, "what was recorded is not there any more", str(path))
            if size > acknowledged:
                os.ftruncate(descriptor, acknowledged)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _check(self) -> None:
        if self._revoked:
            raise OSError(errno.ESTALE, "the disk did not answer in time, and this writer was given up")

    @contextmanager
    def _call(self, path: Path) -> Generator[None]:
        """Keep the descriptors for the next call, unless this one fails or the writer is revoked meanwhile."""
        failed = True
        try:
            with self._lock:
                self._check()
                self._busy = True
            yield
            failed = False
        except FileNotFoundError as error:
            raise FilesRemovedError(str(disk_files.explain(error, path))) from error
        except OSError as error:
            raise disk_files.explain(error, path) from error
        finally:
            with self._lock:
                self._busy = False
                if failed or self._revoked:
                    self._close()

    def _close(self) -> None:
        descriptors = (self._journal, self._wav and self._wav.descriptor)
        self._journal = self._wav = None
        for descriptor in descriptors:
            if descriptor is not None:
                with suppress(OSError):
                    os.close(descriptor)


def _size(samples: int) -> int:
    return wav.HEADER_BYTES + samples * SAMPLE_BYTES


def following(durable: Position, pieces: Sequence[Block | Gap]) -> Iterator[Block | Gap]:
    """Yield what of the pieces lies at and after `durable`, cut at the borders of files.

    Raises:
        ValueError: a piece leaves a hole after the one before, or half a sample.

    """
    for piece in pieces:
        if piece.start > durable:
            raise ValueError(f"nothing says what became of [{durable}, {piece.start})")
        if piece.end <= durable:
            continue
        if isinstance(piece, Gap):
            yield Gap(durable, piece.end, piece.reason)
        elif len(piece.pcm) % SAMPLE_BYTES:
            raise ValueError(f"half a sample in the block at {piece.start}")
        else:
            for span in wav.spans(durable, piece.end):
                first = (span.start - piece.start) * SAMPLE_BYTES
                yield Block(span.start, piece.pcm[first : first + span.size])
        durable = piece.end


def joined(pieces: Iterator[Block | Gap]) -> Iterator[Block | Gap]:
    """Join blocks that follow each other in one file: one write and one record instead of many."""
    run: list[Block] = []
    for piece in pieces:
        if run and (isinstance(piece, Gap) or piece.start % wav.FILE_SAMPLES == 0):
            yield Block(run[0].start, b"".join(block.pcm for block in run))
            run = []
        if isinstance(piece, Gap):
            yield piece
        else:
            run.append(piece)
    if run:
        yield Block(run[0].start, b"".join(block.pcm for block in run))
