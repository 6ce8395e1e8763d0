"""What the first bytes of a FLAC file say of it, and which sound FLAC can hold: no decoder is needed for either.

A file begins with `fLaC` and the block STREAMINFO (RFC 9639, 8.2): 4 bytes of its head, then among others the rate (20
bits), the channels less one (3), the bits of a sample less one (5) and the number of frames (36).
"""

from dataclasses import dataclass

from transcriber.types import AudioFormat, SampleFormat

HEADER_BYTES = 42
"""Bytes that `parse` looks at."""

SUFFIX = ".flac"
"""End of the name of a file that was archived, in the place of `.wav`."""

_BEGIN = b"fLaC"
_STREAMINFO = 34
_NUMBERS = slice(18, 26)
_MOST_CHANNELS, _MOST_RATE = 8, 655_350
_SAMPLES = {8: SampleFormat.U8, 16: SampleFormat.S16, 24: SampleFormat.S24}


@dataclass(frozen=True, slots=True)
class Header:
    """A file of `frames` frames. Samples of 8 bit are signed in it; as `U8` they are the same sound."""

    form: AudioFormat
    frames: int


def parse(data: bytes) -> Header | None:
    """Return what a file that begins with `data` holds, or None if it is not FLAC that we write."""
    if len(data) < HEADER_BYTES or not data.startswith(_BEGIN):
        return None
    kind, length = data[4] & 0x7F, int.from_bytes(data[5:8])
    numbers = int.from_bytes(data[_NUMBERS])
    sample = _SAMPLES.get((numbers >> 36 & 0x1F) + 1)
    if kind or length != _STREAMINFO or sample is None:
        return None
    return Header(AudioFormat(numbers >> 44, (numbers >> 41 & 0x7) + 1, sample), numbers & (1 << 36) - 1)


def holds(form: AudioFormat) -> bool:
    """Whether FLAC holds sound of this format without loss.

    >>> holds(AudioFormat(48_000, 2, SampleFormat.S24)), holds(AudioFormat(48_000, 2, SampleFormat.F32))
    (True, False)
    """
    return form.sample in _SAMPLES.values() and form.channels <= _MOST_CHANNELS and form.rate <= _MOST_RATE
