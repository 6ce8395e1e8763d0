"""One process at a time writes a session: a lock that the system drops when its holder dies, whatever the cause."""

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Self

from transcriber.adapters import disk_files
from transcriber.errors import StorageError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_TRIES = 5
_PAUSE = 0.02
"""Seconds between tries: who only asks whether a session is locked holds the lock for an instant."""

_LOCKED_BYTE = 1 << 30
"""Windows locks bytes against reading, too: one far behind the holder's number leaves that readable."""


class SessionLock:
    """Held from `acquire` to `release`, or to the end of the process. The file names the holder's process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, path: Path) -> Self:
        """Take the lock.

        Raises:
            StorageError: another process, or another session object of this one, holds it; or it cannot be written.

        """
        try:
            descriptor = disk_files.open_private(path)
        except OSError as error:
            raise disk_files.explain(error, path) from error
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, descriptor)
            for _ in range(_TRIES):
                if _try_lock(descriptor):
                    _name_holder(path, descriptor)
                    undo.pop_all()
                    return cls(descriptor)
                time.sleep(_PAUSE)
        raise StorageError(f"{path.parent} is being written by process {holder(path) or '?'}; wait, or stop it")

    def release(self) -> None:
        """Let others write. Idempotent."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)


def _name_holder(path: Path, descriptor: int) -> None:
    try:
        os.ftruncate(descriptor, 0)
        disk_files.write_at(descriptor, 0, f"{os.getpid()}\n".encode())
    except OSError as error:
        raise disk_files.explain(error, path) from error


def holder(path: Path) -> int | None:
    """Return the process that took the lock last, if its number can be read."""
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return None


def is_locked(path: Path) -> bool:
    """Tell whether somebody holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
