"""The header of a file that holds what a source delivered: WAV of any rate, channels and sample format.

Players take PCM of up to 16 bit and two channels in the plain form, other PCM in Microsoft's extensible one, and floats
with the count of their frames in a `fact` chunk. A header is a function of format and length: so it can be set anew at
any time, and one that is not exactly ours is found out.
"""

import struct
from dataclasses import dataclass

from transcriber.types import AudioFormat, SampleFormat

MOST_HEADER_BYTES = 68
"""Length of the longest header."""

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_PLAIN_CHANNELS, _PLAIN_WIDTH = 2, 2
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_SPEAKERS = {1: 0x4, 2: 0x3}
"""Front centre; front left and right. Which the others are no source says."""

_RIFF = struct.Struct("<4sI4s")
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_EXTENSION = struct.Struct("<HHIH14s")
_SAMPLES = {(_FLOAT if sample is SampleFormat.F32 else _PCM, 8 * sample.width): sample for sample in SampleFormat}


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says: `frames` of `form`, which begin at byte `size`."""

    form: AudioFormat
    frames: int

    @property
    def size(self) -> int:
        """Bytes of the header."""
        return len(self.encode())

    @property
    def end(self) -> int:
        """Bytes of the file."""
        return self.size + self.frames * self.form.frame_bytes

    def whole_frames(self, size: int) -> int:
        """Return the whole frames in a file of `size` bytes with a header of this format."""
        return max(0, size - self.size) // self.form.frame_bytes

    def encode(self) -> bytes:
        """Return the header.

        >>> header = Header(AudioFormat(48_000, 6, SampleFormat.S24), 4_800)
        >>> parse(header.encode()) == header, header.end
        (True, 86468)
        """
        form, frame_bytes = self.form, self.form.frame_bytes
        bits = 8 * form.sample.width
        extension = fact = b""
        tag = _FLOAT if form.sample is SampleFormat.F32 else _PCM
        if tag == _FLOAT:
            extension = struct.pack("<H", 0)
            fact = _CHUNK.pack(b"fact", 4) + struct.pack("<I", self.frames)
        elif form.channels > _PLAIN_CHANNELS or form.sample.width > _PLAIN_WIDTH:
            speakers = _SPEAKERS.get(form.channels, 0)
            extension = _EXTENSION.pack(_EXTENSION.size - 2, bits, speakers, tag, _GUID_TAIL)
            tag = _EXTENSIBLE
        layout = _FORMAT.pack(tag, form.channels, form.rate, form.rate * frame_bytes, frame_bytes, bits) + extension
        chunks = _CHUNK.pack(b"fmt ", len(layout)) + layout + fact
        content = self.frames * frame_bytes
        riff = _RIFF.pack(b"RIFF", 4 + len(chunks) + _CHUNK.size + content, b"WAVE")
        return riff + chunks + _CHUNK.pack(b"data", content)


def parse(data: bytes) -> Header | None:
    """Return what a header says, or None if `data` does not begin with one of ours."""
    try:
        tag, channels, rate, _, frame_bytes, bits = _FORMAT.unpack_from(data, _RIFF.size + _CHUNK.size)
        if tag == _EXTENSIBLE:
            tag = _PCM
        form = AudioFormat(rate, channels, _SAMPLES[tag, bits])
        size = Header(form, 0).size
        _, content = _CHUNK.unpack_from(data, size - _CHUNK.size)
        header = Header(form, content // frame_bytes)
        return header if header.encode() == data[:size] else None
    except (KeyError, struct.error, ZeroDivisionError):
        return None
