"""Into which files goes what a source delivered, in its own format, and where on the track's clock they begin.

The name of a file is the position of its first frame: frame `n` of a file sounds at `start + n * 16000 / rate`. So that
this holds, a file has no hole in it: a new one begins after a gap, where the format changes, and after five minutes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from transcriber.core.timeline import samples_of
from transcriber.types import AudioFormat, DeviceBlock, Gap, Position

LONGEST = 5 * 60
"""Seconds in a file at most."""

MOST_BYTES = 1 << 30
"""Bytes of frames in a file at most: many players count them in 31 bits."""

ROUNDING = 1
"""Samples by which positions differ that were counted from two beginnings."""

_NAME = re.compile(r"(\d{12,})\.(wav|flac)")


def file_name(start: Position) -> str:
    """Return the name of the file whose first frame is at `start`.

    >>> file_name(Position(16_000))
    '000000016000.wav'
    """
    return f"{start:012}.wav"


def file_start(name: str) -> Position | None:
    """Return where the file called `name` begins, archived or not, or None if none is called so."""
    found = _NAME.fullmatch(name)
    return Position(int(found[1])) if found else None


def most_frames(form: AudioFormat) -> int:
    """Return how many frames a file holds."""
    return min(LONGEST * form.rate, MOST_BYTES // form.frame_bytes)


@dataclass(frozen=True, slots=True)
class Part:
    """Whole frames for the file that begins at `start`, after the `before` frames that are in it already."""

    start: Position
    before: int
    form: AudioFormat
    pcm: bytes

    @property
    def frames(self) -> int:
        """Frames in the part."""
        return len(self.pcm) // self.form.frame_bytes


@dataclass(slots=True)
class Layout:
    """Lays a track's pieces out into files. What was taken before is ignored, so a piece may come twice."""

    missed: int = 0
    """Samples that were captured and are in no file, since this was last set to 0."""
    _next: Position = Position(0)  # end of what was taken
    _start: Position = Position(-1)  # of the file
    _form: AudioFormat | None = None  # of the file; None: the next block begins one
    _frames: int = 0  # in the file

    def take(self, piece: DeviceBlock | Gap) -> Sequence[Part]:
        """Return the parts that a piece comes to; what is missing between it and the piece before counts as missed."""
        hole = piece.start - self._next
        if hole < -ROUNDING:
            return []
        if hole > ROUNDING:
            self.missed += hole
        if isinstance(piece, Gap):
            self._next = piece.end
            self.break_off()
            return []
        self._next = Position(piece.start + samples_of(piece.frames, piece.format.rate))
        return self._lay_out(piece)

    def leave_out(self, parts: Sequence[Part]) -> None:
        """Take note that parts are not kept: what comes next begins a file."""
        self.missed += sum(samples_of(part.frames, part.form.rate) for part in parts)
        self.break_off()

    def break_off(self) -> None:
        """End the file."""
        self._form = None

    def _lay_out(self, block: DeviceBlock) -> Sequence[Part]:
        form, rest = block.format, block.pcm
        if form != self._form or abs(block.start - self._end(form)) > ROUNDING:
            self._begin(block.start, form)
        parts: list[Part] = []
        while rest:
            if self._frames == most_frames(form):
                self._begin(self._end(form), form)
            room = (most_frames(form) - self._frames) * form.frame_bytes
            part = Part(self._start, self._frames, form, rest[:room])
            self._frames += part.frames
            parts.append(part)
            rest = rest[room:]
        return parts

    def _begin(self, start: Position, form: AudioFormat) -> None:
        # A file of less than a sample may end where it began: the next one has another name all the same.
        self._start, self._form, self._frames = Position(max(start, self._start + 1)), form, 0

    def _end(self, form: AudioFormat) -> Position:
        return Position(self._start + samples_of(self._frames, form.rate))
