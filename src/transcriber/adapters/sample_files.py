"""The samples of a track on disk, to be read: WAV files, and FLAC files in the place of those that were archived.

Where both are there an archiving was cut off: the WAV counts, as long as it is there.
"""

import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from transcriber.core import flac, wav
from transcriber.types import SAMPLE_BYTES

if TYPE_CHECKING:
    from transcriber.adapters.flac_file import FlacFile

_READ_BYTES = 1 << 20


class SampleFiles:
    """Reads the files of a track. An archived one stays open until another is read, or `close`. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._archived: FlacFile | None = None

    def wavs(self) -> Sequence[int]:
        """Return the indices of the WAV files, in order."""
        return self._indices(".wav")

    def archived(self) -> Sequence[int]:
        """Return the indices of the files that are there as FLAC alone, in order."""
        wavs = set(self.wavs())
        return [index for index in self._indices(flac.SUFFIX) if index not in wavs]

    def path(self, index: int) -> Path:
        """Return a file as it is there now; if it is not, as it would be as WAV."""
        path = self.folder / wav.file_name(index)
        archived = path.with_suffix(flac.SUFFIX)
        return archived if not path.exists() and archived.exists() else path

    def read(self, span: wav.FileSpan) -> bytes:
        """Return the whole samples of a span that can be read, from its start; none if there is no file."""
        with suppress(FileNotFoundError):
            with (self.folder / wav.file_name(span.index)).open("rb", buffering=0) as file:
                file.seek(span.offset)
                pcm = file.read(span.size) or b""
            return pcm[: len(pcm) - len(pcm) % SAMPLE_BYTES]
        # The FLAC is there before the WAV goes, so looked for in this order one of them is found.
        with suppress(FileNotFoundError):
            return self._flac(span.index).read(span.start - wav.file_start(span.index), span.end - span.start)
        return b""

    def checksum(self, span: wav.FileSpan) -> int | None:
        """Return the CRC32 of the samples of a span, or None if they cannot all be read."""
        crc = 0
        for part in span.parts(_READ_BYTES // SAMPLE_BYTES):
            pcm = self.read(part)
            if len(pcm) < part.size:
                return None
            crc = zlib.crc32(pcm, crc)
        return crc

    def readable(self, index: int) -> int:
        """Return how many samples of an archived file can be read, from its first on."""
        return self._flac(index).readable()

    def close(self) -> None:
        """Close what is open. Idempotent."""
        if self._archived is not None:
            self._archived.close()
            self._archived = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _flac(self, index: int) -> "FlacFile":
        # Not before there is one to be read: most programs never need it.
        from transcriber.adapters.flac_file import FlacFile  # noqa: PLC0415

        path = (self.folder / wav.file_name(index)).with_suffix(flac.SUFFIX)
        if self._archived is None or self._archived.path != path:
            self.close()
            self._archived = FlacFile(path)
        return self._archived

    def _indices(self, suffix: str) -> Sequence[int]:
        names = (path.with_suffix(".wav").name for path in self.folder.iterdir() if path.suffix == suffix)
        return sorted(index for name in names if (index := wav.file_index(name)) is not None)
