"""How often Python's garbage collector runs, and how long the program stands still for it."""

import gc
import time
from typing import Any, Self

from transcriber.core.snapshot import CollectorSnapshot


class CollectorProbe:
    """Counts the collections of the process while it is entered. It changes nothing of the collector."""

    def __init__(self) -> None:
        self._collections = [0, 0, 0]
        self._paused = self._longest = 0.0
        self._began = 0.0

    def __enter__(self) -> Self:
        gc.callbacks.append(self._told)
        return self

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self._told)

    def snapshot(self) -> CollectorSnapshot:
        """Return the counts so far."""
        return CollectorSnapshot(collections=tuple(self._collections), paused=self._paused, longest=self._longest)

    def _told(self, phase: str, about: dict[str, Any]) -> None:
        # In the middle of whatever the program does, and of no other collection.
        if phase == "start":
            self._began = time.perf_counter()
            return
        if self._began:
            pause = time.perf_counter() - self._began
            self._collections[about["generation"]] += 1
            self._paused += pause
            self._longest = max(self._longest, pause)
