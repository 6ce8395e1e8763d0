"""Lines to a stream that may block, or whose reader may leave."""

import errno
from io import RawIOBase
from typing import BinaryIO, Final, TextIO

from transcriber.cli.view.writer import WriterThread

LEFT: Final = {errno.EPIPE, errno.EINVAL, errno.ESHUTDOWN, errno.EIO}
"""Errors of a write after the reader left: a pipe on POSIX, a pipe on Windows, a socket, a terminal."""


class OutputClosed(Exception):  # noqa: N818 - it names what happened, and is no failure
    """Whoever read the output has gone (`| head`): there is no one left to show anything to."""


class Output:
    """Writes lines as UTF-8, each handed over before `write` returns.

    A thread writes, because a reader that pauses (a full pipe, a selection in a Windows console) must pause the view
    alone and never the recording.
    """

    def __init__(self, stream: BinaryIO | RawIOBase, writer: WriterThread) -> None:
        self._stream = stream
        self._writer = writer

    async def write(self, line: str) -> None:
        """Write the line and its end.

        Raises:
            OutputClosed: the reader has gone.

        """
        content = f"{line}\n".encode(errors="replace")
        try:
            await self._writer.run(lambda: self._write(content))
        except OSError as error:
            if error.errno not in LEFT:
                raise
            raise OutputClosed from error

    def _write(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[self._stream.write(rest) or 0 :]
        self._stream.flush()


def unlocked(stream: TextIO) -> BinaryIO | RawIOBase:
    """Return the file under a standard stream, without the buffer and the lock that the interpreter needs at its end.

    A stream that has no file (a test's) is returned as it is.
    """
    stream.flush()
    try:
        return open(stream.fileno(), "wb", buffering=0, closefd=False)
    except OSError:
        return stream.buffer
