"""Where a position of a track lies in its WAV files, and the header that makes each file playable.

File `k` of a track (`000001.wav` is `k = 0`) holds the positions `[k * FILE_SAMPLES, (k + 1) * FILE_SAMPLES)`, so that
a position is found without an index. Samples that are missing inside a file are zeros; a file ends with its last
captured sample, and a file of which nothing was captured does not exist.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from transcriber.types import RATE, SAMPLE_BYTES, Position

FILE_SAMPLES = 5 * 60 * RATE
"""Positions that one file holds: 5 minutes, 9.6 MB."""

HEADER_BYTES = 44
"""Length of the canonical header: RIFF, `fmt `, and the head of the `data` chunk."""

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_NAME = re.compile(r"(\d{6})\.wav")
_PCM = 1


@dataclass(frozen=True, slots=True)
class FileSpan:
    """Positions `[start, end)`, all of them in file `index`."""

    index: int
    start: Position
    end: Position

    @property
    def offset(self) -> int:
        """Byte offset of `start` in the file."""
        return byte_offset(self.start)

    @property
    def size(self) -> int:
        """Bytes that the span's samples take."""
        return (self.end - self.start) * SAMPLE_BYTES

    def parts(self, most: int) -> Iterator["FileSpan"]:
        """Cut the span into parts of `most` samples, and a last one of what is left."""
        for start in range(self.start, self.end, most):
            yield FileSpan(self.index, Position(start), Position(min(start + most, self.end)))


def header(samples: int) -> bytes:
    """Return the header of a PCM16 mono 16 kHz file of `samples` samples.

    >>> parse_header(header(16_000))
    16000
    """
    size = samples * SAMPLE_BYTES
    return _HEADER.pack(
        *(b"RIFF", HEADER_BYTES - 8 + size, b"WAVE"),
        *(b"fmt ", 16, _PCM, 1, RATE, RATE * SAMPLE_BYTES, SAMPLE_BYTES, 8 * SAMPLE_BYTES),
        *(b"data", size),
    )


def parse_header(data: bytes) -> int | None:
    """Return the samples that a header promises, or None if it is not exactly what `header` writes."""
    if len(data) < HEADER_BYTES:
        return None
    size: int = _HEADER.unpack_from(data)[-1]
    samples = size // SAMPLE_BYTES
    return samples if size % SAMPLE_BYTES == 0 and data[:HEADER_BYTES] == header(samples) else None


def file_name(index: int) -> str:
    """Return the name of file `index`.

    >>> file_name(0)
    '000001.wav'
    """
    return f"{index + 1:06}.wav"


def file_index(name: str) -> int | None:
    """Return the index of the file called `name`, or None if no file of a track is called so."""
    found = _NAME.fullmatch(name)
    return int(found[1]) - 1 if found and int(found[1]) else None


def file_start(index: int) -> Position:
    """Return the first position that file `index` holds."""
    return Position(index * FILE_SAMPLES)


def byte_offset(position: Position) -> int:
    """Return the offset of a sample in its file."""
    return HEADER_BYTES + position % FILE_SAMPLES * SAMPLE_BYTES


def byte_end(samples: int) -> int:
    """Return the size of a file of so many samples."""
    return HEADER_BYTES + samples * SAMPLE_BYTES


def whole_samples(size: int) -> int:
    """Return the whole samples in a file of `size` bytes."""
    return max(0, size - HEADER_BYTES) // SAMPLE_BYTES


def spans(start: Position, end: Position) -> Iterator[FileSpan]:
    """Cut `[start, end)` at the borders of files.

    >>> [(span.index, span.end - span.start) for span in spans(Position(FILE_SAMPLES - 10), Position(FILE_SAMPLES + 5))]
    [(0, 10), (1, 5)]
    """
    while start < end:
        index = start // FILE_SAMPLES
        border = min(end, file_start(index + 1))
        yield FileSpan(index, start, border)
        start = border
