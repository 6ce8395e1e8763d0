"""The slope of a value over the last seconds."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Trend:
    """Keeps the readings of the last `window` seconds; its memory is bounded by how many are taken in that time."""

    window: float
    _readings: deque[tuple[float, float]] = field(default_factory=deque[tuple[float, float]], init=False)

    def take(self, value: float, now: float) -> None:
        """Take a reading. `now` is in seconds, on any clock that only grows."""
        self._readings.append((now, value))
        while self._readings[-1][0] - self._readings[0][0] > self.window:
            self._readings.popleft()

    def slope(self) -> float | None:
        """Return by how much the value grows a second; None before two readings at different moments."""
        if not self._readings:
            return None
        (begin, first), (end, last) = self._readings[0], self._readings[-1]
        return (last - first) / (end - begin) if end > begin else None

    def rise(self) -> float:
        """Return by how much the value grew in all; 0 before two readings."""
        return self._readings[-1][1] - self._readings[0][1] if self._readings else 0.0
