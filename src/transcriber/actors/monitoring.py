"""Monitoring: measure, keep what views ask for, say when something is out of bounds and when it is over."""

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from transcriber.core.alert_rules import Judgement, Limits, judge
from transcriber.core.alerts import Alert
from transcriber.core.history import History
from transcriber.core.snapshot import Snapshot
from transcriber.events import StateChanged
from transcriber.types import TrackName

CLEAR = 0.8
"""Share of its threshold that a value must fall below before its alert is over."""


@dataclass(slots=True)
class Gauges:
    """What monitoring knows, for views and the summary. It outlives the actor."""

    latest: Snapshot | None = None
    history: History = field(default_factory=History)
    peak_memory: dict[str, int] = field(default_factory=dict[str, int])
    alerts: dict[tuple[str, TrackName | None], Alert] = field(default_factory=dict[tuple[str, TrackName | None], Alert])

    @property
    def raised(self) -> list[str]:
        """Names of the alerts that are on."""
        return [alert.name for alert in self.alerts.values() if alert.raised]

    def estimate(self) -> float | None:
        """Return the seconds until all tracks have caught up; None without a trend."""
        tracks = self.latest.tracks if self.latest else ()
        return max((track.catch_up for track in tracks if track.catch_up is not None), default=None)

    def take(self, snapshot: Snapshot) -> None:
        """Keep a snapshot."""
        self.latest = snapshot
        self.history.take(snapshot)
        for process in snapshot.processes:
            self.peak_memory[process.name] = max(process.memory, self.peak_memory.get(process.name, 0))


@dataclass(slots=True, kw_only=True)
class Monitoring:
    """Measures every `interval` seconds, for ever. `tell` hears of alerts. All that it is given answers at once."""

    measure: Callable[[], Snapshot]
    tell: Callable[[StateChanged], None]
    gauges: Gauges
    limits: Limits
    interval: float

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            self.measure_once()
            await anyio.sleep(self.interval)

    def measure_once(self) -> None:
        """Measure now, and tell which alerts that raises or ends."""
        snapshot = self.measure()
        self.gauges.take(snapshot)
        for judgement in judge(snapshot, self.limits):
            self._follow(judgement, anyio.current_time())

    def _follow(self, judgement: Judgement, now: float) -> None:
        name, track, threshold = judgement.name, judgement.track, judgement.threshold
        alert = self.gauges.alerts.get((name, track))
        if alert is None:
            alert = Alert(name, threshold, threshold * CLEAR, judgement.sustain, track, judgement.repeat)
            self.gauges.alerts[name, track] = alert
        before = _state(alert)
        if alert.take(judgement.value, now):
            remedy = f": {judgement.remedy}" if alert.raised else ""
            self.tell(StateChanged(name, before, _state(alert), f"{judgement.reason}{remedy}", track))


def _state(alert: Alert) -> str:
    return "alert" if alert.raised else "normal"
