"""Measuring: the counters that links, actors and adapters keep, read into one snapshot."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio

from transcriber.adapters.collector_probe import CollectorProbe
from transcriber.adapters.free_space import SpaceProbe
from transcriber.adapters.process_probe import ProcessProbe
from transcriber.app.services import Services, TrackEngine, TrackReading
from transcriber.core import space
from transcriber.core.catch_up import CatchUp
from transcriber.core.snapshot import (
    RECENT,
    DiskSnapshot,
    LinkSnapshot,
    ProcessSnapshot,
    Snapshot,
    TrackSnapshot,
)
from transcriber.core.trend import Trend
from transcriber.link import Link
from transcriber.types import TrackName, seconds


class MeasuredTrack(Protocol):
    """What is read of a track."""

    name: TrackName
    level: float
    engine: TrackEngine

    @property
    def links(self) -> Sequence[Link[Any]]:
        """The links of the track, in the order in which its audio flows; the last one leads to transcription."""
        ...

    def reading(self) -> TrackReading:
        """Return the counters of the audio."""
        ...


@dataclass(slots=True)
class _Trends:
    """What of a track is seen only over time."""

    lag: CatchUp = field(default_factory=CatchUp)
    missing: Trend = field(default_factory=lambda: Trend(RECENT))


@dataclass(slots=True, kw_only=True)
class Measuring:
    """Reads a session. It outlives the actor that asks it, and changes nothing."""

    services: Services
    tracks: Sequence[MeasuredTrack]
    restarts: Callable[[], int]
    timed: bool
    """Whether the sources run in real time, so that a commit latency means something."""
    collector: CollectorProbe = field(default_factory=CollectorProbe)
    _began: float = field(default_factory=anyio.current_time)
    _processes: ProcessProbe = field(default_factory=ProcessProbe)
    _space: SpaceProbe = field(init=False)
    _growth: Trend = field(default_factory=lambda: Trend(space.WINDOW))
    """Bytes of audio that were stored in all: a transcript adds some 2 % to that."""
    _restarts: Trend = field(default_factory=lambda: Trend(RECENT))
    _trends: dict[TrackName, _Trends] = field(default_factory=dict[TrackName, _Trends])
    _lateness: float = 0.0

    def __post_init__(self) -> None:
        self._space = SpaceProbe(self.services.folder.path)

    def beat(self, late: float) -> None:
        """Take note how late the event loop was."""
        self._lateness = max(self._lateness, late)

    def snapshot(self) -> Snapshot:
        """Return everything as it is now; what is counted between two snapshots begins anew."""
        now = anyio.current_time()
        restarts = self.restarts()
        self._restarts.take(restarts, now)
        lateness, self._lateness = self._lateness, 0.0
        return Snapshot(
            at=time.time(),
            elapsed=now - self._began,
            cores=self._processes.cores(),
            temperature=self._processes.temperature(),
            processes=tuple(self._running()),
            disk=self._disk(now),
            collector=self.collector.snapshot(),
            tracks=tuple(self._track(track, now) for track in self.tracks),
            restarts=restarts,
            recent_restarts=round(self._restarts.rise()),
            lateness=lateness,
        )

    def _running(self) -> Sequence[ProcessSnapshot]:
        engine = self.services.client.pid
        found = (
            self._processes.process("core"),
            self._processes.process("engine", engine) if engine is not None else None,
        )
        return [process for process in found if process is not None]

    def _disk(self, now: float) -> DiskSnapshot:
        self._growth.take(sum(track.reading().stored for track in self.tracks), now)
        disk, free = self.services.disk.statistics(), self._space.free()
        return DiskSnapshot(
            calls=disk.calls,
            waiting=disk.waiting,
            hung=disk.hung,
            p50=disk.p50,
            p99=disk.p99,
            slowest=disk.slowest,
            recent=disk.recent,
            free=free,
            lasts=space.lasts(free or 0, self._growth.slope()),
        )

    def _track(self, track: MeasuredTrack, now: float) -> TrackSnapshot:
        reading, tally, engine = track.reading(), self.services.tally.of(track.name), track.engine
        trends = self._trends.setdefault(track.name, _Trends())
        trends.lag.take(reading.lag, now)
        covered = tally.coverage
        trends.missing.take(seconds(covered.missing), now)
        told = tally.summary(track.name, reading.captured, timed=self.timed)
        p50, p95, _ = told.commit_latency or (None, None, None)
        links = tuple(_link(link) for link in track.links)
        return TrackSnapshot(
            name=track.name,
            level=track.level,
            captured=seconds(reading.captured),
            covered=seconds(covered.position),
            transcribed=seconds(covered.transcribed),
            silence=seconds(covered.silence),
            missing=seconds(covered.missing),
            lost=trends.missing.rise(),
            lag=reading.lag,
            catch_up=trends.lag.estimate(),
            buffer=reading.buffer,
            real_time_factor=engine.took / engine.audio if engine.audio else None,
            commit_p50=p50,
            commit_p95=p95,
            gaps=told.gaps,
            segments=told.segments,
            words=told.words,
            dropped=sum(link.set_aside for link in links[:-1]),
            links=links,
        )


def _link(link: Link[Any]) -> LinkSnapshot:
    now = link.statistics()
    return LinkSnapshot(
        name=link.name,
        depth=now.depth,
        capacity=now.capacity,
        age=now.age,
        received=now.received,
        redelivered=now.redelivered,
        refused=now.refused,
        set_aside=now.set_aside,
    )
