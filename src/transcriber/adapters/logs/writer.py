"""Lines of a log on their way out: a thread writes them, so that a full disk or a stuck terminal stops nobody else."""

import contextlib
import os
import queue
import threading
from collections.abc import Callable
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO, Protocol, Self

CAPACITY = 10_000
"""Lines that may wait; at 300 bytes a line about 3 MB, out of the 100 MB that the core process may use."""

ROTATE_BYTES = 50_000_000
"""Size at which a file is renamed. Much smaller ones rotate faster than some shippers look."""

KEPT = 4
"""Files that are kept beside the current one, `.1` being the youngest: 250 MB in all."""

CLOSE_SECONDS = 2.0
"""How long the end of the program waits for the last lines to be written."""


class Target(Protocol):
    """Where lines go."""

    def write(self, line: bytes) -> None:
        """Write a whole line.

        Raises:
            OSError: it could not be written; the next line may be tried.

        """
        ...

    def close(self) -> None:
        """Free what the target opened itself. Idempotent."""
        ...


class DescriptorTarget:
    """A file descriptor of the process, such as standard error; it stays open."""

    def __init__(self, descriptor: int) -> None:
        # `open` and not `os.write`: it knows that a console of Windows takes characters. Without a buffer there is no
        # lock that a stuck write could hold while the interpreter ends.
        self._raw = open(descriptor, "wb", buffering=0, closefd=False)  # noqa: SIM115 - a descriptor has no path

    def write(self, line: bytes) -> None:
        """Write a whole line."""
        _write_whole(self._raw, line)

    def close(self) -> None:
        """Leave the descriptor to whoever opened it."""


class FileTarget:
    """A file that is appended to, is renamed when it has grown, and is made anew when someone else moved it.

    Raises:
        OSError: the file cannot be opened.

    """

    def __init__(self, path: Path, rotate_bytes: int = ROTATE_BYTES) -> None:
        self._path = path
        self._rotate_bytes = rotate_bytes
        self._raw: RawIOBase | None = None
        self._open()

    def write(self, line: bytes) -> None:
        """Write a whole line."""
        raw = self._current()
        try:
            _write_whole(raw, line)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        raw, self._raw = self._raw, None
        if raw is not None:
            with contextlib.suppress(OSError):
                raw.close()

    def _current(self) -> RawIOBase:
        if self._raw is not None and self._was_moved(self._raw):
            self.close()
        raw = self._raw or self._open()
        if os.fstat(raw.fileno()).st_size < self._rotate_bytes:
            return raw
        self.close()  # an open file cannot be renamed on Windows
        with contextlib.suppress(OSError):  # a shipper may hold it there: the file grows on, and the next line tries
            self._shift()
        return self._open()

    def _was_moved(self, raw: RawIOBase) -> bool:
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(raw.fileno()))
        except FileNotFoundError:
            return True

    def _shift(self) -> None:
        names = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, KEPT + 1))]
        for older, younger in zip(reversed(names), reversed(names[:-1]), strict=False):
            if younger.exists():
                younger.replace(older)

    def _open(self) -> RawIOBase:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
        self._raw = os.fdopen(descriptor, "ab", buffering=0)
        return self._raw


def _write_whole(raw: RawIOBase | BinaryIO, line: bytes) -> None:
    rest = memoryview(line)
    while rest:
        written = raw.write(rest)
        if not written:  # a descriptor that does not block, and is full
            raise BlockingIOError
        rest = rest[written:]


class LogWriter:
    """Takes lines without waiting, and writes them to a target in their order.

    A line that cannot be written, or finds the queue full, is dropped; the next line that gets through is preceded by
    `lost(count)`. Use it as a context: leaving it waits a moment for what is still queued, and closes the target.
    """

    def __init__(self, target: Target, lost: Callable[[int], bytes], capacity: int = CAPACITY) -> None:
        self._target = target
        self._lost = lost
        self._lines: queue.Queue[bytes] = queue.Queue(capacity)
        self._dropped = 0
        self._failed = 0
        # A daemon, because a write to a stuck pipe never ends, and must not keep the program from ending.
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)

    def put(self, line: bytes) -> None:
        """Queue a line. It never waits and never raises."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1
        except queue.ShutDown:
            pass  # someone logs after the end; there is nowhere left to say so

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.shutdown()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        told = 0
        while True:
            try:
                line = self._lines.get()
            except queue.ShutDown:
                self._target.close()
                return
            lost = self._dropped + self._failed - told
            try:
                if lost:
                    self._target.write(self._lost(lost))
                    told += lost
                self._target.write(line)
            except OSError:
                self._failed += 1
