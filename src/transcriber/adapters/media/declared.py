"""How long a file says it is: trusted only where the file really says so, and FFmpeg does not guess from its size."""

import struct
from pathlib import Path

from av import time_base
from av.container import InputContainer

_UNFINISHED = {0, 0xFFFFFFFF}
"""Sizes that a WAV has when its writer could not go back to the header."""


def declared_seconds(container: InputContainer, path: Path) -> float | None:
    """Return the duration of the first audio stream as the file declares it, or None if it does not."""
    stream = container.streams.audio[0]
    kind = container.format.name
    if kind == "wav":
        return _riff_seconds(path)  # FFmpeg tells what is there
    if kind == "aac" or (kind == "mp3" and not _counts_its_frames(path)):
        return None
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    # A container declares one duration for all its streams, the longest.
    alone = len(container.streams) == 1
    return container.duration / time_base if alone and container.duration is not None else None


def _riff_seconds(path: Path) -> float | None:
    """Return the size of a WAV's data over its bytes a second."""
    byte_rate = 0
    with path.open("rb") as file:
        if file.read(12)[:4] != b"RIFF":
            return None  # RF64 and its kin
        while len(head := file.read(8)) == len(b"data") + 4:
            name, size = struct.unpack("<4sI", head)
            if name == b"data":
                return size / byte_rate if byte_rate and size not in _UNFINISHED else None
            body = file.read(16) if name == b"fmt " else b""
            if body:
                byte_rate = struct.unpack_from("<I", body, 8)[0]
            file.seek(size + size % 2 - len(body), 1)
    return None


def _counts_its_frames(path: Path) -> bool:
    """Tell whether an MP3 has the header in its first frame that counts the others; without it FFmpeg guesses."""
    with path.open("rb") as file:
        tag = file.read(10)
        if tag[:3] == b"ID3":
            size = sum((byte & 0x7F) << shift for byte, shift in zip(tag[6:10], (21, 14, 7, 0), strict=True))
            file.seek(10 + size)
        else:
            file.seek(0)
        first = file.read(512)
    return any(name in first for name in (b"Xing", b"Info", b"VBRI"))
