"""The `pcm:-` source: raw frames on the standard input, counted and not clocked."""

import os
import select
import sys
import threading

import anyio

from transcriber.adapters.frame_queue import FrameQueue
from transcriber.errors import ConfigError, SourceError
from transcriber.types import AudioFormat, Reading

_AT_ONCE = 65_536
_LOOK = 0.1
"""Seconds between two looks whether the reading thread should end."""


class StdinSource:
    """A `Source` of raw frames. A thread reads, so that a pipe without data never holds up the loop.

    Nothing that was read is lost by `close`: `open` goes on with the next frame. Bytes at the end that make no whole
    frame are dropped. The writer is held back while nobody reads here. On Windows the thread can only end when
    something comes; until then it waits, and a program that ends does not wait for it.
    """

    live = False
    label = "pcm:-"

    def __init__(self, form: AudioFormat, fd: int = 0) -> None:
        self._form = form
        self._fd = fd
        self._queue = FrameQueue(form)
        self._part = b""
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._closed.set()

    async def open(self) -> AudioFormat:
        """Start reading.

        Raises:
            ConfigError: the standard input is a terminal.
            SourceError: there is no standard input.

        """
        try:
            if os.isatty(self._fd):
                raise ConfigError("pcm:-: the standard input is a terminal; pipe raw audio into it")
            os.fstat(self._fd)
        except OSError as error:
            raise SourceError(f"pcm:-: there is no standard input: {error.strerror}") from None
        self._closed.clear()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._pump, name="stdin", daemon=True)
            self._thread.start()
        return self._form

    async def read(self) -> Reading | None:
        """Return the next frames, none if none come in time, or None at the end.

        Raises:
            SourceError: the standard input cannot be read.

        """
        if self._closed.is_set():
            raise SourceError("pcm:- is not open")
        return await self._queue.get()

    async def close(self) -> None:
        """Stop reading. Idempotent."""
        self._closed.set()
        if self._thread is not None and sys.platform != "win32":
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._thread.join)
            self._thread = None

    def _pump(self) -> None:
        try:
            while self._hold():
                if not self._readable():
                    continue
                pcm = os.read(self._fd, _AT_ONCE)
                if not pcm:
                    self._queue.end()
                    return
                self._part += pcm
        except OSError as error:
            self._queue.end(SourceError(f"pcm:-: the standard input cannot be read: {error.strerror}"))

    def _hold(self) -> bool:
        """Queue the whole frames that were read; return False, and keep them, if the source is closed before."""
        whole = len(self._part) // self._form.frame_bytes * self._form.frame_bytes
        if whole and not self._queue.put_all(self._part[:whole], unless=self._closed.is_set):
            return False
        self._part = self._part[whole:]
        return not self._closed.is_set()

    def _readable(self) -> bool:
        if sys.platform == "win32":  # select is for sockets there
            return True
        return bool(select.select([self._fd], [], [], _LOOK)[0])
