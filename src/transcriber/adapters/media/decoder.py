"""The parent's end of the decoding process: started, read, and never left behind."""

import os
from contextlib import suppress
from pathlib import Path

import anyio
import msgspec
from anyio.abc import ByteReceiveStream, Process

from transcriber.adapters import child_process
from transcriber.adapters.media.header import Header
from transcriber.errors import ConfigError, DeviceLost, SourceError
from transcriber.types import AudioFormat

WORKER = "transcriber.adapters.media.worker"

_MOST_HEADER = 4_096
_MOST_COMPLAINT = 65_536


class Decoder:
    """A running decoding process, and what came through its pipe and was not yet taken."""

    def __init__(self, path: Path, process: Process) -> None:
        self.header = Header(0, 0)
        self._path = path
        self._process = process
        self._held = bytearray()
        self._taken = 0

    @classmethod
    async def start(cls, path: Path, skip: int = 0) -> "Decoder":
        """Decode a file from its frame `skip` on.

        Raises:
            ConfigError: there is no such file, or it may not be read.
            SourceError: it is not audio.

        """
        _check(path)
        decoder = cls(path, await child_process.start(WORKER, str(path), "--skip", str(skip)))
        try:
            await decoder._read_header()
        except BaseException:
            await decoder.stop()
            raise
        decoder._taken = skip
        return decoder

    @property
    def form(self) -> AudioFormat:
        """The format of the frames."""
        return self.header.form

    async def fill(self, frames: int) -> int:
        """Wait until `frames` are held, or the last ones are, and return their number. It may be cancelled.

        Raises:
            SourceError: nothing is held any more, and the file ended early or is damaged.
            DeviceLost: nothing is held any more, because the decoder died; another can go on.

        """
        size = frames * self.form.frame_bytes
        while len(self._held) < size and (pcm := await self._receive(size - len(self._held))):
            self._held += pcm
        held = len(self._held) // self.form.frame_bytes
        if not held:
            await self._check_end()
        return held

    def take(self) -> bytes:
        """Return the frames that are held, and hold them no more."""
        size = len(self._held) // self.form.frame_bytes * self.form.frame_bytes
        pcm = bytes(self._held[:size])
        del self._held[:size]
        self._taken += size // self.form.frame_bytes
        return pcm

    async def stop(self) -> None:
        """Kill the process, and wait until nothing of it is left."""
        await stop_process(self._process)

    async def _read_header(self) -> None:
        line = bytearray()
        while b"\n" not in line and (piece := await self._receive(_MOST_HEADER)):
            line += piece
        header, _, self._held = line.partition(b"\n")
        try:
            self.header = msgspec.json.decode(header, type=Header)
        except msgspec.DecodeError:
            await self._check_end()
            raise SourceError(f"file {self._path}: cannot be read as audio") from None

    async def _receive(self, size: int) -> bytes:
        try:
            return await _stream(self._process.stdout).receive(size)
        except anyio.EndOfStream:
            return b""

    async def _check_end(self) -> None:
        """Raise what is wrong if the frames did not end where they should."""
        fault, status = await last_words(self._process)
        if status == 0:
            return
        if fault:
            raise SourceError(f"file {self._path}: {fault}")
        at = f" after {self._taken / self.form.rate:.2f} s" if self.form.rate else ""
        raise DeviceLost(f"file {self._path}: its decoder died{at} with status {status}")


async def last_words(process: Process) -> tuple[str, int]:
    """Wait for the end of a decoding process; return the last line of its complaint, if any, and its exit status."""
    text = b""
    with suppress(anyio.EndOfStream, anyio.ClosedResourceError):
        text = await _stream(process.stderr).receive(_MOST_COMPLAINT)
    status = await process.wait()
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "", status


async def stop_process(process: Process) -> None:
    """Kill a process, and wait until nothing of it is left."""
    with suppress(ProcessLookupError):
        process.kill()
    with anyio.CancelScope(shield=True):
        await process.aclose()


def _check(path: Path) -> None:
    if path.is_dir():
        raise SourceError(f"file {path}: this is a folder")
    if not path.exists():
        raise ConfigError(f"file {path}: there is no such file")
    if not os.access(path, os.R_OK):
        raise ConfigError(f"file {path}: it may not be read")


def _stream(stream: ByteReceiveStream | None) -> ByteReceiveStream:
    if stream is None:
        raise RuntimeError("the process has no such pipe")
    return stream
