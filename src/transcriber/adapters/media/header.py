"""What the decoder tells about a file before the frames; both processes know it."""

import msgspec

from transcriber.types import AudioFormat

SHORT = 0.1
"""Seconds by which a file may end early: containers round, and encoders count their own padding (48 ms in AAC)."""


class Header(msgspec.Struct, frozen=True):
    """The format of the frames, and how many seconds the file itself declares, if it does in a way to be relied on."""

    rate: int
    channels: int
    duration: float | None = None

    @property
    def form(self) -> AudioFormat:
        """The format of the frames that follow."""
        return AudioFormat(self.rate, self.channels)

    def shortfall(self, end: float) -> str | None:
        """Say that the frames ended too early, at `end` seconds; None if they did not, or nothing was declared."""
        if self.duration is None or end >= self.duration - SHORT:
            return None
        return f"it ends at {end:.2f} s, its header declares {self.duration:.2f} s"
