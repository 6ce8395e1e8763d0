"""How much space is free on a disk, as the system says, also while the disk does not answer."""

import shutil
import threading
from pathlib import Path


def free_space(path: Path) -> int | None:
    """Return the bytes that are free on the disk which `path` is on, or would be; None if that cannot be found out.

    It waits for the disk, for ever if that hangs.
    """
    for place in (path, *path.parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:
            break
    return None


class SpaceProbe:
    """Measures without ever waiting: each call returns what the one before it asked for.

    A thread of its own asks the disk, one at a time, and a daemon: of the threads of a pool each one that is stuck in
    the kernel is a thread lost, and keeps the interpreter from ending.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._asking: threading.Thread | None = None
        self._answer: int | None = None

    def free(self) -> int | None:
        """Return the bytes that were free a call ago; None at first, and as long as the disk does not answer."""
        if self._asking is not None and self._asking.is_alive():
            return None
        answer = self._answer
        self._asking = threading.Thread(target=self._ask, name="free space", daemon=True)
        self._asking.start()
        return answer

    def _ask(self) -> None:
        self._answer = free_space(self._path)
