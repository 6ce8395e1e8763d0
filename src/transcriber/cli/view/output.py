"""Lines to a stream that may block, or whose reader may leave."""

import errno
import os
from typing import BinaryIO, Final

from anyio import to_thread

LEFT: Final = {errno.EPIPE, errno.EINVAL, errno.ESHUTDOWN, errno.EIO}
"""Errors of a write after the reader left: a pipe on POSIX, a pipe on Windows, a socket, a terminal."""


class OutputClosed(Exception):  # noqa: N818 - it names what happened, and is no failure
    """Whoever read the output has gone (`| head`): there is no one left to show anything to."""


class Output:
    """Writes lines as UTF-8, each flushed before `write` returns.

    A thread writes, because a reader that pauses (a full pipe, a selection in a Windows console) must pause the view
    alone and never the recording.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    async def write(self, line: str) -> None:
        """Write the line and its end.

        Raises:
            OutputClosed: the reader has gone. The stream leads nowhere from then on.

        """
        try:
            await to_thread.run_sync(self._write, f"{line}\n".encode(errors="replace"), abandon_on_cancel=True)
        except OSError as error:
            if error.errno not in LEFT:
                raise
            silence(self._stream)
            raise OutputClosed from error

    def _write(self, line: bytes) -> None:
        self._stream.write(line)
        self._stream.flush()


def silence(stream: BinaryIO) -> None:
    """Point the stream at nothing, so that the interpreter's own flush at exit does not fail on what is left in it."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, stream.fileno())
    finally:
        os.close(nothing)
