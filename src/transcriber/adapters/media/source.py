"""The `file:` source: frames of a media file from the decoding process, as they sound or as fast as they are taken."""

from pathlib import Path

import anyio

from transcriber.adapters.media.decoder import Decoder
from transcriber.adapters.media.header import Header
from transcriber.errors import SourceError
from transcriber.types import AudioFormat, Pace, Reading

BLOCK = 0.1
"""Seconds in a block at the pace of real time: what a device delivers at a time, at most."""

MOST_BYTES = 65_536
"""Bytes in a block at full speed: what a pipe holds."""


class FileSource:
    """A `Source` that reads a media file.

    At the pace `realtime` a block comes when its last frame would have sounded, counted from `open`: no drift, whatever
    the reader does in between. After an error or `close`, `open` goes on with the first frame not yet read.
    """

    live = False

    def __init__(self, path: Path, pace: Pace = "realtime") -> None:
        self.label = f"file:{path}"
        self._path = path
        self._pace = pace
        self._decoder: Decoder | None = None
        self._read = 0
        self._opened = (0.0, 0)

    async def open(self) -> AudioFormat:
        """Start decoding.

        Raises:
            ConfigError: there is no such file, or it may not be read.
            SourceError: it has no audio.

        """
        await self.close()
        self._decoder = await Decoder.start(self._path, skip=self._read)
        self._opened = anyio.current_time(), self._read
        return self._decoder.form

    async def read(self) -> Reading | None:
        """Return the next frames, or None at the end.

        Raises:
            SourceError: the file ended early or is damaged; what could be read was read before.
            DeviceLost: the decoder died; `open` starts another.

        """
        decoder = self._decoder
        if decoder is None:
            raise SourceError(f"{self.label} is not open")
        form = decoder.form
        most = int(BLOCK * form.rate) if self._pace == "realtime" else MOST_BYTES // form.frame_bytes
        frames = await decoder.fill(most)
        if not frames:
            return None
        if self._pace == "realtime":
            at, before = self._opened
            await anyio.sleep_until(at + (self._read + frames - before) / form.rate)
        self._read += frames
        return Reading(decoder.take(), anyio.current_time())

    async def close(self) -> None:
        """End the decoding. Idempotent."""
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            await decoder.stop()


async def probe(path: Path) -> Header:
    """Return the format and the declared duration of a file.

    Raises:
        ConfigError: there is no such file, or it may not be read.
        SourceError: it has no audio.

    """
    decoder = await Decoder.start(path)
    await decoder.stop()
    return decoder.header
