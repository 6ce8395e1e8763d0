"""How long it will take until the transcript has caught up with the audio."""

import math
from collections import deque
from dataclasses import dataclass, field

WINDOW = 30.0
"""Seconds over which the speed is measured: several utterances, since the cursor moves from end to end of them."""


@dataclass(slots=True)
class CatchUp:
    """Estimates from the trend of the lag: it shrinks by so much a second, so it is gone in so many."""

    _readings: deque[tuple[float, float]] = field(default_factory=deque[tuple[float, float]])

    def take(self, lag: float, now: float) -> None:
        """Take a reading of the lag in seconds."""
        self._readings.append((now, lag))
        while self._readings[-1][0] - self._readings[0][0] > WINDOW:
            self._readings.popleft()

    def estimate(self) -> float | None:
        """Return the seconds until the lag is gone: None without a trend yet, infinite if it grows."""
        if not self._readings:
            return None
        (begin, first), (end, last) = self._readings[0], self._readings[-1]
        if begin == end:
            return None
        if last <= 0:
            return 0.0
        speed = (first - last) / (end - begin)
        return last / speed if speed > 0 else math.inf
