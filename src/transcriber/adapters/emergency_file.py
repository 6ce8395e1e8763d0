"""A file that was given its space in advance, for what cannot be written where it belongs. Blocking.

Each call is durable when it returns. After an error the file takes nothing more until it is opened anew: a sync that
failed is never repeated, because the kernel has forgotten what it did not write.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from transcriber.adapters import disk_files
from transcriber.core import record_log
from transcriber.errors import StorageError


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record is in the file: to be read again, as long as the file has not been emptied."""

    offset: int
    length: int


class EmergencyFile:
    """Records of bytes, appended and read back in order, in `size` bytes at most.

    It is made at once, so that its space is there when there is none left, and open from then on, so that no
    descriptor, folder or permission is needed later.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self._size = size
        self._descriptor = self._open()
        self._next, self._end = self._find_end()

    def append(self, contents: Sequence[bytes]) -> Sequence[Place]:
        """Make records durable: all of them, or none.

        Raises:
            StorageError: there is no room for them, or the disk failed.

        """
        places: list[Place] = []
        end = self._end
        for content in contents:
            places.append(Place(end + record_log.SLOT, len(content)))
            end += record_log.room(content)
        if end > self._size:
            raise StorageError(f"{self.path} is full ({self._size} bytes); free some space on the disk of the session")
        records = (record_log.encode(content, number) for number, content in enumerate(contents, self._next))
        self._write(self._end, b"".join(records))
        self._next, self._end = self._next + len(contents), end
        return places

    def read(self, place: Place) -> bytes:
        """Return a record again.

        Raises:
            StorageError: it cannot be read.

        """
        try:
            os.lseek(self._usable(), place.offset, os.SEEK_SET)
            return os.read(self._usable(), place.length)
        except OSError as error:
            raise disk_files.explain(error, self.path, doing="read") from error

    def clear(self) -> None:
        """Empty the file: all that is in it is where it belongs now.

        Raises:
            StorageError: the disk failed; what is in it is still there.

        """
        self._write(0, record_log.opening(self._next))
        self._end = record_log.SLOT

    def close(self, *, remove: bool) -> None:
        """Close the file, and remove it if it is no longer needed. Idempotent."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
            if remove:
                with suppress(OSError):
                    self.path.unlink()

    def _open(self) -> int | None:
        try:
            descriptor = disk_files.open_private(self.path)
            try:
                _reserve(descriptor, self._size)
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            raise disk_files.explain(error, self.path, doing="reserve") from error
        return descriptor

    def _find_end(self) -> tuple[int, int]:
        """Return the number of the next record and where it goes; begin the file if it has not been begun."""
        first = record_log.first_number(self._read_at)
        if first is None:
            self._write(0, record_log.opening(1))
            disk_files.sync_folder(self.path.parent)
            return 1, record_log.SLOT
        end = record_log.SLOT
        number = first
        for offset, content in record_log.scan(self._read_at):
            number, end = number + 1, offset + record_log.room(content)
        return number, end

    def _read_at(self, offset: int, size: int) -> bytes:
        return self.read(Place(offset, size))

    def _write(self, offset: int, content: bytes) -> None:
        descriptor = self._usable()
        try:
            disk_files.write_at(descriptor, offset, content)
            disk_files.sync(descriptor)
        except OSError as error:
            self._descriptor = None
            with suppress(OSError):
                os.close(descriptor)
            raise disk_files.explain(error, self.path) from error

    def _usable(self) -> int:
        if self._descriptor is None:
            raise StorageError(f"{self.path} failed before; check its disk")
        return self._descriptor


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


def _reserve(descriptor: int, size: int) -> None:
    """Have the system keep `size` bytes for a file."""
    if sys.platform != "win32" and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    elif os.fstat(descriptor).st_size < size:
        os.truncate(descriptor, size)
