"""Whether sessions can be written to a folder, by whom else it can be read, and how long its disk takes for a block."""

import os
import tempfile
import time
from pathlib import Path

from transcriber.adapters import disk_files
from transcriber.adapters.free_space import free_space
from transcriber.core.diagnosis import Folder

BLOCKS = 16
"""Writes of which the slowest counts."""

BLOCK = bytes(32 * 1024)

_OTHERS = 0o077


def probe_folder(path: Path, needed: int) -> Folder:
    """Write some blocks as a recording does, and leave nothing behind. `needed`: bytes that must be free.

    A folder that is not there yet is not made: what it would be made in is tried.
    """
    place = next((place for place in (path, *path.parents) if place.exists()), path)
    free = free_space(path)
    try:
        slowest = _slowest_block(place)
    except OSError as error:
        why = disk_files.explain(OSError(error.errno, error.strerror), path)
        return Folder(path=str(path), free=free, needed=needed, sync=None, error=str(why))
    shared = os.name == "posix" and place == path and bool(path.stat().st_mode & _OTHERS)
    return Folder(path=str(path), free=free, needed=needed, sync=slowest, shared=shared)


def _slowest_block(place: Path) -> float:
    descriptor, name = tempfile.mkstemp(prefix=".transcriber-doctor-", dir=place)
    try:
        taken: list[float] = []
        for number in range(BLOCKS):
            began = time.perf_counter()
            disk_files.write_at(descriptor, number * len(BLOCK), BLOCK)
            disk_files.sync(descriptor)
            taken.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        Path(name).unlink(missing_ok=True)
    return max(taken)
