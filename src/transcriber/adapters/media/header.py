"""What the decoder tells about a file before the frames; both processes know it."""

import msgspec

from transcriber.types import AudioFormat


class Header(msgspec.Struct, frozen=True):
    """The format of the frames, and how many seconds the file itself declares, if it does in a way to be relied on."""

    rate: int
    channels: int
    duration: float | None = None

    @property
    def form(self) -> AudioFormat:
        """The format of the frames that follow."""
        return AudioFormat(self.rate, self.channels)
