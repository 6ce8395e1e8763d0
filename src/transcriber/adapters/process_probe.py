"""What psutil says about the processes of the program."""

from collections.abc import Callable, Mapping

import psutil


class ProcessProbe:
    """Reads the core process, and the engine's through `engine_rss` (bytes, 0 while there is none)."""

    def __init__(self, engine_rss: Callable[[], int]) -> None:
        self._core = psutil.Process()
        self._engine_rss = engine_rss
        psutil.cpu_percent()  # the first call has nothing to compare with

    def memory(self) -> Mapping[str, int]:
        """Return the resident set of each process in bytes."""
        resident = {"core": self._core.memory_info().rss}
        if engine := self._engine_rss():
            resident["engine"] = engine
        return resident

    def cpu(self) -> float:
        """Return how busy all cores of the machine were since the last call, in per cent."""
        return psutil.cpu_percent()
