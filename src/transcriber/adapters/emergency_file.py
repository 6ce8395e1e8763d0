"""A file that was given its space in advance, for what cannot be written where it belongs. Blocking.

Each call is durable when it returns. After an error the file is opened anew, and what was refused is written again at
the same place: a sync that failed is never repeated, because the kernel has forgotten what it did not write.
"""

import errno
import os
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from transcriber.adapters import disk_files
from transcriber.core import record_log
from transcriber.errors import StorageError


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record is in the file, and its number: to be read again, as long as the file has not been emptied."""

    offset: int
    number: int


class EmergencyFile:
    """Records of bytes, appended and read back in order, in `size` bytes at most.

    It is made at once, so that its space is there when there is none left, and open from then on, so that no
    descriptor, folder or permission is needed later. If somebody removes it, it is made anew.

    One call at a time: while one is stuck in the kernel every other is refused, whichever thread makes it.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self._size = size
        self._descriptor: int | None = None
        self._busy = threading.Lock()
        self._first: int | None = None  # number of the first record, as the file's beginning says it
        self._next, self._end = 1, record_log.SLOT
        with self._call("reserve"):
            self._open()

    def append(self, contents: Sequence[bytes]) -> Sequence[Place]:
        """Make records durable: all of them, or none.

        Raises:
            StorageError: there is no room for them, or the disk failed.

        """
        with self._call("write"):
            descriptor = self._opened()
            places: list[Place] = []
            end = self._end
            for number, content in enumerate(contents, self._next):
                places.append(Place(end, number))
                end += record_log.room(content)
            if end > self._size:
                raise StorageError(
                    f"{self.path} is full ({self._size} bytes); free some space on the disk of the session"
                )
            records = (record_log.encode(content, number) for number, content in enumerate(contents, self._next))
            self._write(descriptor, self._end, b"".join(records))
            self._next, self._end = self._next + len(contents), end
        return places

    def read(self, place: Place) -> bytes | None:
        """Return a record again; None if it is not there any more, or not as it was written.

        Raises:
            StorageError: it cannot be told now.

        """
        with self._call("read"):
            descriptor = self._opened()
            try:
                return record_log.record_at(_reader(descriptor), place.offset, place.number)
            except OSError as error:
                if error.errno == errno.EIO:
                    return None
                raise

    def clear(self) -> None:
        """Empty the file: all that is in it is where it belongs now.

        Raises:
            StorageError: the disk failed; what is in it is still there.

        """
        with self._call("write"):
            self._begin(self._opened())

    def close(self, *, remove: bool) -> None:
        """Close the file, and remove it if it is no longer needed. Idempotent."""
        with self._call("close"):
            if self._descriptor is not None:
                self._close()
                if remove:
                    with suppress(OSError):
                        self.path.unlink()

    @contextmanager
    def _call(self, doing: str) -> Generator[None]:
        if not self._busy.acquire(blocking=False):
            raise StorageError(f"{self.path}: no answer yet to the call before; check its disk")
        try:
            yield
        except OSError as error:
            self._close()
            raise disk_files.explain(error, self.path, doing=doing) from error
        finally:
            self._busy.release()

    def _opened(self) -> int:
        return self._open() if self._descriptor is None else self._descriptor

    def _open(self) -> int:
        """Open the file, with its space; opened again it goes on where it was, or begins if it is another one."""
        self.path.parent.mkdir(disk_files.FOLDER_MODE, exist_ok=True)
        self._descriptor = descriptor = disk_files.open_private(self.path)
        _reserve(descriptor, self._size)
        first = record_log.first_number(_reader(descriptor))
        if first is None or first != (self._first or first):
            self._begin(descriptor)
            disk_files.sync_folder(self.path.parent)
        elif self._first is None:
            self._first = self._next = first
            for offset, content in record_log.scan(_reader(descriptor)):
                self._next, self._end = self._next + 1, offset + record_log.room(content)
        return descriptor

    def _begin(self, descriptor: int) -> None:
        self._write(descriptor, 0, record_log.opening(self._next, self._size))
        self._first, self._end = self._next, record_log.SLOT

    def _write(self, descriptor: int, offset: int, content: bytes) -> None:
        disk_files.write_at(descriptor, offset, content)
        disk_files.sync(descriptor)
        disk_files.check_there(descriptor, self.path)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)


def _reader(descriptor: int) -> record_log.ReadAt:
    def read(offset: int, size: int) -> bytes:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, size)

    return read


def salvaged(path: Path) -> Sequence[bytes | record_log.Damage]:
    """Return what an emergency file holds, also one of a run that was killed; nothing if it is not there.

    What is whole after a record that is not is in it as well, and the damage in its place.

    Raises:
        StorageError: it cannot be read.

    """
    try:
        with path.open("rb") as file:

            def read(offset: int, size: int) -> bytes:
                file.seek(offset)
                return file.read(size)

            return list(record_log.salvage(read))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_files.explain(error, path, doing="read") from error


def read_part(path: Path, damage: record_log.Damage) -> bytes:
    """Return what is left of the part of a file that is damaged, without the zeros at its end. Raises OSError."""
    with path.open("rb") as file:
        file.seek(damage.start)
        return file.read(-1 if damage.end is None else damage.end - damage.start).rstrip(b"\0")


def _reserve(descriptor: int, size: int) -> None:
    """Have the system keep `size` bytes for a file."""
    if sys.platform != "win32" and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    elif os.fstat(descriptor).st_size < size:
        os.truncate(descriptor, size)
