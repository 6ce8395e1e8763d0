"""Snapshots for tests: a quiet run, and ways to change it."""

import math
from typing import Any

from msgspec.structs import replace

from transcriber.core.snapshot import (
    CollectorSnapshot,
    DiskSnapshot,
    LinkSnapshot,
    ProcessSnapshot,
    Snapshot,
    TrackSnapshot,
)
from transcriber.types import TrackName

MB = 1 << 20

LINK = LinkSnapshot(
    name="them.blocks", depth=1, capacity=16, age=0.02, received=9, redelivered=0, refused=0, set_aside=0
)
TRACK = TrackSnapshot(
    name=TrackName("them"),
    level=-20.0,
    captured=10.0,
    covered=9.0,
    transcribed=6.0,
    silence=3.0,
    missing=0.0,
    lost=0.0,
    lag=1.0,
    catch_up=2.0,
    buffer=0.1,
    real_time_factor=0.2,
    commit_p50=0.9,
    commit_p95=1.4,
    gaps=0,
    segments=2,
    words=20,
    dropped=0,
    links=(LINK,),
)
CORE = ProcessSnapshot(name="core", pid=1, cpu=2.0, memory=50 * MB, priority=0)
ENGINE = ProcessSnapshot(name="engine", pid=2, cpu=60.0, memory=300 * MB, priority=0)
DISK = DiskSnapshot(
    calls=100, waiting=0, hung=0, p50=0.002, p99=0.01, slowest=0.05, recent=0.01, free=10**12, lasts=math.inf
)
QUIET = Snapshot(
    at=1_700_000_000.0,
    elapsed=10.0,
    cores=(20.0, 10.0),
    temperature=50.0,
    processes=(CORE, ENGINE),
    disk=DISK,
    collector=CollectorSnapshot(collections=(5, 1, 0), paused=0.01, longest=0.004),
    tracks=(TRACK, replace(TRACK, name=TrackName("me"))),
    restarts=0,
    recent_restarts=0,
    lateness=0.003,
)


def with_track(**changes: Any) -> Snapshot:
    """Return the quiet run with a change to its last track, `me`."""
    return replace(QUIET, tracks=(TRACK, replace(QUIET.tracks[1], **changes)))


def with_disk(**changes: Any) -> Snapshot:
    """Return the quiet run with a change to its disk."""
    return replace(QUIET, disk=replace(DISK, **changes))
