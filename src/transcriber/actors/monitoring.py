"""Monitoring: read the counters, keep the peaks, say when something is out of bounds and when it is over."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import anyio

from transcriber.core import space
from transcriber.core.alerts import Alert
from transcriber.core.catch_up import CatchUp
from transcriber.core.trend import Trend
from transcriber.events import StateChanged
from transcriber.types import RATE, SAMPLE_BYTES, TrackName

CLEAR = 0.8
"""Share of its threshold that a value must fall below before its alert is over."""


@dataclass(frozen=True, slots=True)
class TrackReading:
    """Counters of one track: samples captured, cursor, and the share of its buffer pool in use (0 to 1)."""

    captured: int
    cursor: int
    buffer: float

    @property
    def lag(self) -> float:
        """Seconds from the newest audio back to the cursor."""
        return (self.captured - self.cursor) / RATE


@dataclass(frozen=True, slots=True)
class MonitoringRules:
    """When to alert: bytes, per cent of all cores, share of the pool, seconds of lag, hours that the space lasts.

    It is beyond that for `sustain` seconds first.
    """

    memory: float
    cpu: float
    buffer: float
    lag: float
    space: float
    sustain: float = 10.0


class Processes(Protocol):
    """What the operating system says about the processes of the program."""

    def memory(self) -> Mapping[str, int]:
        """Return the resident set of each process in bytes; one that is not running is left out."""
        ...

    def cpu(self) -> float:
        """Return how busy all cores of the machine were since the last call, in per cent."""
        ...


@dataclass(slots=True)
class Gauges:
    """What monitoring knows, for views and the summary. It outlives the actor."""

    peak_memory: dict[str, int] = field(default_factory=dict[str, int])
    catch_up: dict[TrackName, CatchUp] = field(default_factory=dict[TrackName, CatchUp])
    growth: Trend = field(default_factory=lambda: Trend(space.WINDOW))
    """Bytes of audio that were captured in all: a transcript adds some 2 % to that."""
    alerts: dict[tuple[str, TrackName | None], Alert] = field(default_factory=dict[tuple[str, TrackName | None], Alert])

    @property
    def raised(self) -> list[str]:
        """Names of the alerts that are on."""
        return [alert.name for alert in self.alerts.values() if alert.raised]

    def estimate(self) -> float | None:
        """Return the seconds until all tracks have caught up; None without a trend."""
        estimates = [estimate for track in self.catch_up.values() if (estimate := track.estimate()) is not None]
        return max(estimates, default=None)


@dataclass(slots=True, kw_only=True)
class Monitoring:
    """Measures every `interval` seconds, for ever. `tell` hears of alerts. All that it is given answers at once.

    `free` returns the space on the disk of the session in bytes, or None while that is not known.
    """

    tracks: Callable[[], Mapping[TrackName, TrackReading]]
    processes: Processes
    free: Callable[[], int | None]
    tell: Callable[[StateChanged], None]
    gauges: Gauges
    rules: MonitoringRules
    interval: float

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            self._measure(anyio.current_time())
            await anyio.sleep(self.interval)

    def _measure(self, now: float) -> None:
        rules, gauges = self.rules, self.gauges
        for process, resident in self.processes.memory().items():
            gauges.peak_memory[process] = max(resident, gauges.peak_memory.get(process, 0))
            if process == "core":
                alert = self._alert("memory", rules.memory)
                self._judge(alert, resident, now, f"core uses {resident >> 20} MB")
        cpu = self.processes.cpu()
        self._judge(self._alert("cpu", rules.cpu), cpu, now, f"{cpu:.0f} % of all cores are busy")
        tracks = self.tracks()
        for track, reading in tracks.items():
            catch_up = gauges.catch_up.setdefault(track, CatchUp())
            catch_up.take(reading.lag, now)
            full = f"{reading.buffer:.0%} of the buffer is in use"
            self._judge(self._alert("buffer", rules.buffer, track), reading.buffer, now, full)
            behind = f"{reading.lag:.0f} s behind, {_eta(catch_up.estimate())}"
            self._judge(self._alert("lag", rules.lag, track), reading.lag, now, behind)
        gauges.growth.take(sum(reading.captured for reading in tracks.values()) * SAMPLE_BYTES, now)
        if (free := self.free()) is not None:
            self._judge_space(free, now)

    def _judge_space(self, free: int, now: float) -> None:
        left = space.lasts(free, self.gauges.growth.slope())
        # As the others are, an alert is about too much of something: of what is asked for, by what there is.
        shortage = self.rules.space * space.HOUR / left if left else math.inf
        remedy = f": {space.REMEDY}" if shortage > 1 else ""
        self._judge(self._alert("space", 1.0), shortage, now, space.space_in_words(free, left) + remedy)

    def _alert(self, name: str, threshold: float, track: TrackName | None = None) -> Alert:
        alert = Alert(name, threshold, threshold * CLEAR, self.rules.sustain, track)
        return self.gauges.alerts.setdefault((name, track), alert)

    def _judge(self, alert: Alert, value: float, now: float, reason: str) -> None:
        if alert.take(value, now):
            before, after = ("normal", "alert") if alert.raised else ("alert", "normal")
            self.tell(StateChanged(alert.name, before, after, reason, alert.track))


def _eta(seconds: float | None) -> str:
    if seconds is None:
        return "no estimate yet"
    return "caught up in " + (f"about {seconds:.0f} s" if seconds < 1e6 else "an unknown time: the lag grows")  # noqa: PLR2004 - days
