"""Alerts: when a measurement is worth telling, and when it is over."""

import math
from dataclasses import dataclass, field

from transcriber.types import TrackName


@dataclass(slots=True)
class Alert:
    """Raised once a value has been above `threshold` for `sustain` seconds; over once it is below `clear`.

    `clear` lies lower than the threshold (hysteresis), so a value that hovers around it raises one alert, not many.
    One that stays on is worth telling again every `repeat` seconds.
    """

    name: str
    threshold: float
    clear: float
    sustain: float
    track: TrackName | None = None
    repeat: float = math.inf
    raised: bool = field(default=False, init=False)
    _above_since: float = field(default=math.inf, init=False)
    _told: float = field(default=math.inf, init=False)

    def take(self, value: float, now: float) -> bool:
        """Take a measurement; return whether that is worth telling: `raised` changed, or it has been on for long.

        `now` is in seconds, on any clock that only grows.
        """
        if value <= self.threshold:
            self._above_since = math.inf
        else:
            self._above_since = min(self._above_since, now)
        before = self.raised
        if self.raised:
            self.raised = value > self.clear
        else:
            self.raised = now - self._above_since >= self.sustain
        worth_telling = self.raised != before or now - self._told >= self.repeat
        if worth_telling:
            self._told = now if self.raised else math.inf
        return worth_telling
