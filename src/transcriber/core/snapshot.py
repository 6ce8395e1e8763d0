"""A snapshot: what is measured of a run at one moment, as plain values that never change.

Durations and times of audio are seconds, sizes are bytes, shares go from 0 to 1. What cannot be measured here is None.
"""

from msgspec import Struct

from transcriber.types import TrackName


class LinkSnapshot(Struct, frozen=True, kw_only=True):
    """A link: how full it is, and what went through it so far."""

    name: str
    depth: int
    capacity: int
    age: float
    """How long its oldest message has been waiting, or in hand."""
    received: int
    redelivered: int
    refused: int
    """Messages that were offered and found no room: transcription reads them back from the recording."""
    set_aside: int


class TrackSnapshot(Struct, frozen=True, kw_only=True):
    """A track: what was captured, what became of it, and how far its transcript is behind."""

    name: TrackName
    level: float
    """Peak of the newest block in dBFS."""
    captured: float
    covered: float
    transcribed: float
    silence: float
    missing: float
    lost: float
    """Of `missing`, what was added in the last minutes (`RECENT`)."""
    lag: float
    catch_up: float | None
    """Seconds until the lag is gone: None without a trend, infinite where it grows."""
    buffer: float
    """Share of its pool in use."""
    real_time_factor: float | None
    commit_p50: float | None
    commit_p95: float | None
    gaps: int
    segments: int
    words: int
    dropped: int
    """Messages that were left out on the way to the disk: none, ever, or it is a mistake in the program."""
    links: tuple[LinkSnapshot, ...]


class ProcessSnapshot(Struct, frozen=True, kw_only=True):
    """A process of the program."""

    name: str
    pid: int
    cpu: float
    """Per cent of one core."""
    memory: int
    priority: int
    """Niceness on POSIX, the priority class on Windows."""


class DiskSnapshot(Struct, frozen=True, kw_only=True):
    """The disk thread: percentiles of its newest calls, the slowest of all, and the slowest of the last seconds."""

    calls: int
    waiting: int
    hung: int
    p50: float
    p99: float
    slowest: float
    recent: float
    free: int | None
    lasts: float
    """How long `free` is enough at the pace of the recording; infinite where nothing grows."""


class CollectorSnapshot(Struct, frozen=True, kw_only=True):
    """Python's garbage collector in the core process: collections of each generation, and how long it paused us."""

    collections: tuple[int, ...]
    paused: float
    longest: float


class Snapshot(Struct, frozen=True, kw_only=True):
    """All of it."""

    at: float
    """Wall clock, in seconds since 1970."""
    elapsed: float
    cores: tuple[float, ...]
    """Per cent in use of each core of the machine."""
    temperature: float | None
    """Of the processor, in degrees Celsius."""
    processes: tuple[ProcessSnapshot, ...]
    disk: DiskSnapshot
    collector: CollectorSnapshot
    tracks: tuple[TrackSnapshot, ...]
    restarts: int
    recent_restarts: int
    """Of these, the ones of the last minutes (`RECENT`)."""
    lateness: float
    """The longest that the event loop was late since the snapshot before."""

    @property
    def cpu(self) -> float:
        """How busy all cores of the machine are together, in per cent."""
        return sum(self.cores) / len(self.cores) if self.cores else 0.0

    def process(self, name: str) -> ProcessSnapshot | None:
        """Return a process by its name; None while there is none."""
        return next((process for process in self.processes if process.name == name), None)


RECENT = 300.0
"""Seconds that count as the last minutes."""
