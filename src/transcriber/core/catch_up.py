"""How long it will take until the transcript has caught up with the audio."""

import math
from dataclasses import dataclass, field

from transcriber.core.trend import Trend

WINDOW = 30.0
"""Seconds over which the speed is measured: several utterances, since the cursor moves from end to end of them."""


@dataclass(slots=True)
class CatchUp:
    """Estimates from the trend of the lag: it shrinks by so much a second, so it is gone in so many."""

    _lag: float = field(default=0.0, init=False)
    _trend: Trend = field(default_factory=lambda: Trend(WINDOW), init=False)

    def take(self, lag: float, now: float) -> None:
        """Take a reading of the lag in seconds."""
        self._lag = lag
        self._trend.take(lag, now)

    def estimate(self) -> float | None:
        """Return the seconds until the lag is gone: None without a trend yet, infinite if it grows."""
        slope = self._trend.slope()
        if slope is None:
            return None
        if self._lag <= 0:
            return 0.0
        return self._lag / -slope if slope < 0 else math.inf
