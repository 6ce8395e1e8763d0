"""The figures of the last hour, for charts: one row a snapshot, in memory that is as large at the end as at first."""

from array import array
from collections.abc import Callable, Mapping

from transcriber.core.snapshot import Snapshot

ROWS = 3600
"""An hour, at a snapshot a second."""

FIGURES: Mapping[str, Callable[[Snapshot], float]] = {
    "at": lambda snapshot: snapshot.at,
    "cpu": lambda snapshot: snapshot.cpu,
    "core_cpu": lambda snapshot: _of(snapshot, "core", "cpu"),
    "engine_cpu": lambda snapshot: _of(snapshot, "engine", "cpu"),
    "core_memory": lambda snapshot: _of(snapshot, "core", "memory"),
    "engine_memory": lambda snapshot: _of(snapshot, "engine", "memory"),
    "write_p99": lambda snapshot: snapshot.disk.p99,
    "write_recent": lambda snapshot: snapshot.disk.recent,
    "buffer": lambda snapshot: max((track.buffer for track in snapshot.tracks), default=0.0),
    "lag": lambda snapshot: max((track.lag for track in snapshot.tracks), default=0.0),
    "lateness": lambda snapshot: snapshot.lateness,
}
"""What is kept; of several tracks the worst."""


class History:
    """A ring of rows, a column a figure."""

    def __init__(self, rows: int = ROWS) -> None:
        self._rows = rows
        self._columns = {name: array("d", bytes(8 * rows)) for name in FIGURES}
        self._taken = 0

    def take(self, snapshot: Snapshot) -> None:
        """Keep a row, in the place of the oldest when there is no other."""
        place = self._taken % self._rows
        for name, figure in FIGURES.items():
            self._columns[name][place] = figure(snapshot)
        self._taken += 1

    def columns(self) -> dict[str, list[float]]:
        """Return each figure's values, oldest first."""
        begin = self._taken % self._rows if self._taken > self._rows else 0
        end = min(self._taken, self._rows)
        return {name: [*column[begin:end], *column[:begin]] for name, column in self._columns.items()}


def _of(snapshot: Snapshot, process: str, figure: str) -> float:
    return getattr(snapshot.process(process), figure, 0.0)
