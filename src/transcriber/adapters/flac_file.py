"""FLAC with libsndfile: encoded without loss, compared sample by sample, and read at any place.

Imported only where there is a FLAC file, or one is to be made: it costs 6 MB of memory. A file that is damaged is
never trusted: each frame has a checksum, and what follows one that fails is not read.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import soundfile  # pyright: ignore[reportMissingTypeStubs] - its types are in its code

from transcriber.core import flac
from transcriber.errors import StorageError
from transcriber.types import RATE, SAMPLE_BYTES, AudioFormat

STEP = 1 << 16
"""Frames that are converted at a time: a moment of work, a few hundred KB."""

_SUBTYPES = {"PCM_U8": "PCM_S8", "PCM_16": "PCM_16", "PCM_24": "PCM_24"}
"""What becomes of the samples of a WAV file. Eight bits are signed in FLAC."""

_TRACK = AudioFormat(RATE, 1)

_DECODED_BYTES = 4
"""Bytes of a sample of any format as it is compared: with its highest bits in the highest of 32."""


class FlacFile:
    """Samples of a track, open to be read. In order they are read without a search."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: soundfile.SoundFile | None = None

    def read(self, start: int, samples: int) -> bytes:
        """Return samples from the `start`-th on, up to the first that cannot be decoded; none of a file that is none.

        Raises:
            FileNotFoundError: there is no such file.

        """
        pcm = self._read(start, samples)
        if pcm is not None:
            return pcm
        # What was decoded before an error is not given out: the longest part without one is read again.
        sound = 0
        while sound < samples:
            middle = (sound + samples + 1) // 2
            if self._read(start, middle) is None:
                samples = middle - 1
            else:
                sound = middle
        return self._read(start, sound) or b""

    def readable(self) -> int:
        """Return how many samples can be read, from the first one on.

        That of a file whose end is there is taken from its header; of another all is decoded.

        Raises:
            FileNotFoundError: there is no such file.

        """
        promised = self._frames()
        if promised and self._read(promised - 1, 1):
            return promised
        end = 0
        while pcm := self.read(end, STEP):
            end += len(pcm) // SAMPLE_BYTES
        return end

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, start: int, samples: int) -> bytes | None:
        """Return samples, as many as there are, or None if there is an error among them."""
        try:
            file = self._opened()
            if file is None:
                return None
            if file.tell() != start:
                file.seek(start)
            return bytes(file.buffer_read(samples, dtype="int16"))
        except soundfile.LibsndfileError:
            self.close()
            return None

    def _opened(self) -> soundfile.SoundFile | None:
        """Return the file, or None if it is none of a track."""
        if self._file is None and self._frames() is not None:
            self._file = soundfile.SoundFile(str(self.path))
        return self._file

    def _frames(self) -> int | None:
        """Return the frames that the header promises, or None if it is not that of a track's file."""
        with self.path.open("rb") as file:
            header = flac.parse(file.read(flac.HEADER_BYTES))
        return header.frames if header is not None and header.form == _TRACK else None


def encode(wav: Path, target: Path, go_on: Callable[[], bool]) -> None:
    """Write the sound of a WAV file into a FLAC file that is there already.

    Raises:
        StorageError: it could not be written, or it is not to go on.

    """
    try:
        with soundfile.SoundFile(str(wav)) as source:
            subtype = _SUBTYPES[source.subtype]
            form = source.samplerate, source.channels, subtype
            with soundfile.SoundFile(str(target), "w", *form, format="FLAC") as file:
                for pcm in _steps(source, go_on):
                    file.buffer_write(pcm, dtype="int32")
    except soundfile.LibsndfileError as error:
        raise StorageError(f"cannot archive {wav}: {error}; check the disk") from error


def same_sound(one: Path, other: Path, go_on: Callable[[], bool]) -> bool:
    """Whether two files decode to the same samples, all of them.

    Raises:
        StorageError: it is not to go on.

    """
    try:
        with soundfile.SoundFile(str(one)) as first, soundfile.SoundFile(str(other)) as second:
            if (first.samplerate, first.channels, first.frames) != (second.samplerate, second.channels, second.frames):
                return False
            return all(pcm == found for pcm, found in zip(_steps(first, go_on), _steps(second, go_on), strict=True))
    except (soundfile.LibsndfileError, ValueError):
        return False


def can_be_decoded(path: Path) -> bool:
    """Whether all the frames that a file promises are there, and none is damaged."""
    try:
        with soundfile.SoundFile(str(path)) as file:
            return sum(len(pcm) for pcm in _steps(file, lambda: True)) == file.frames * file.channels * _DECODED_BYTES
    except soundfile.LibsndfileError:
        return False


def _steps(file: soundfile.SoundFile, go_on: Callable[[], bool]) -> Iterator[bytes]:
    while pcm := bytes(file.buffer_read(STEP, dtype="int32")):
        if not go_on():
            raise StorageError("archiving ends, because the program does")
        yield pcm
