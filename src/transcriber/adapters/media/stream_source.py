"""The `url:` source: a stream that FFmpeg reads by URL, in a process of its own."""

import os

import anyio
import msgspec
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from transcriber.adapters import child_process
from transcriber.adapters.media.decoder import last_words, stop_process
from transcriber.adapters.media.header import Header
from transcriber.adapters.media.pieces import PIECE, URL_VARIABLE
from transcriber.core.stream_url import without_secrets
from transcriber.errors import DeviceLost, NoDeviceError, SourceError
from transcriber.types import AudioFormat, Reading

WORKER = "transcriber.adapters.media.stream_worker"

STALLED = 4.0
"""Seconds in which nothing comes after which a stream counts as lost. What comes late until then is all there."""

FASTER = 0.001
"""How much faster than real time a stream is read of which there is more: ten times what crystals are off by."""

SHORT = 1.0
"""Seconds by which a stream may end before it said: playlists round each of their pieces."""

_MOST_HEADER = 4_096


class StreamSource:
    """A `Source` of a stream, live or not, at its own rate and channels.

    It is read as it sounds: what a server sends in advance waits there, and what the network holds up is made up for as
    soon as it comes. The readings carry the stream's own time, so being late is no loss. One that breaks off is lost,
    and what sounds until it is opened again is missing; one that has an end comes to it.
    """

    live = True

    def __init__(self, url: str) -> None:
        self.label = f"url:{without_secrets(url)}"
        self._url = url
        self._stream: _Stream | None = None

    async def open(self) -> AudioFormat:
        """Connect.

        Raises:
            NoDeviceError: nothing can be read there now.

        """
        await self.close()
        stream = _Stream(self.label, await child_process.start(WORKER, env=os.environ | {URL_VARIABLE: self._url}))
        try:
            await stream.begin()
        except BaseException:
            await stream.stop()
            raise
        self._stream = stream
        return stream.header.form

    async def read(self) -> Reading | None:
        """Return the next frames, or None at the end of a stream that has one.

        Raises:
            DeviceLost: it broke off, or nothing came for too long.
            SourceError: it has an end, and broke off before: read anew, it would begin at its beginning.

        """
        if self._stream is None:
            raise SourceError(f"{self.label} is not open")
        return await self._stream.read()

    async def close(self) -> None:
        """Disconnect. Idempotent."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.stop()


class _Stream:
    """One connection: the process that reads it, and its time."""

    def __init__(self, label: str, process: Process) -> None:
        if process.stdout is None:
            raise RuntimeError("the process has no output")
        self.header = Header(0, 0)
        self._label = label
        self._process = process
        self._output = BufferedByteReceiveStream(process.stdout)
        self._opened = 0.0
        self._frames = 0
        self._announced: tuple[int, int] | None = None
        self._piece: tuple[int, bytes] | None = None

    async def begin(self) -> None:
        """Wait for the header."""
        try:
            line = await self._output.receive_until(b"\n", _MOST_HEADER)
        except (anyio.IncompleteRead, anyio.DelimiterNotFound):
            fault, _ = await last_words(self._process)
            raise NoDeviceError(f"{self._label} cannot be read: {fault or 'there is no stream'}") from None
        self.header = msgspec.json.decode(line, type=Header)
        self._opened = anyio.current_time()

    async def read(self) -> Reading | None:
        """Return the next frames once they would have sounded. It may be cancelled, and loses nothing."""
        rate, frame_bytes = self.header.rate, self.header.form.frame_bytes
        if self._piece is None:
            with anyio.move_on_after(STALLED) as waited:
                self._piece = await self._receive()
            if waited.cancelled_caught:
                raise DeviceLost(f"{self._label} is lost: nothing came for {STALLED:.0f} s")
        if self._piece is None:
            return await self._end()
        lost, pcm = self._piece
        frames = self._frames + lost + len(pcm) // frame_bytes
        await anyio.sleep_until(self._opened + frames / rate * (1 - FASTER))
        self._piece, self._frames = None, frames
        return Reading(pcm, self._opened + frames / rate, lost)

    async def _receive(self) -> tuple[int, bytes] | None:
        """Return the next piece, or None at the end."""
        try:
            if self._announced is None:
                self._announced = PIECE.unpack(await self._output.receive_exactly(PIECE.size))
            lost, size = self._announced
            pcm = await self._output.receive_exactly(size)
        except anyio.IncompleteRead:
            return None
        self._announced = None
        return lost, pcm

    async def _end(self) -> None:
        fault, status = await last_words(self._process)
        if self.header.duration is None:
            raise DeviceLost(f"{self._label} is lost: {fault or 'it ended'}")
        at = self._frames / self.header.rate
        if status or at < self.header.duration - SHORT:
            why = f": {fault}" if fault else ""
            raise SourceError(f"{self._label} broke off at {at:.1f} s of {self.header.duration:.1f} s{why}")

    async def stop(self) -> None:
        """Kill the process, and wait until nothing of it is left."""
        await stop_process(self._process)
