"""When a snapshot is worth an alert, what is wrong, and what to do about it. Each alert has one rule here."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from transcriber.core import space
from transcriber.core.snapshot import Snapshot, TrackSnapshot
from transcriber.types import TrackName


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Beyond what to alert: bytes, per cent of all cores, shares, degrees Celsius, counts, and seconds.

    `space` is in hours that the free space must last; `lost` in seconds of sound, and `restarts` in restarts, within
    the last minutes. A load has to last for `sustain` seconds first; what has happened is told at once.
    """

    memory: float
    engine_memory: float
    cpu: float
    temperature: float
    buffer: float
    lag: float
    write: float
    space: float
    lost: float
    restarts: int
    sustain: float = 10.0


PROGRESS = 60.0
"""Seconds between two words on how the catch-up gets on."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A measurement beside its threshold, in words, with what to do if it is beyond."""

    name: str
    value: float
    threshold: float
    sustain: float
    reason: str
    remedy: str
    track: TrackName | None = None
    repeat: float = math.inf
    """Seconds after which an alert that is still on is told again."""


def judge(snapshot: Snapshot, limits: Limits) -> Iterator[Judgement]:
    """Judge what is measured; what is not known now is left out."""
    yield from _machine(snapshot, limits)
    yield from _disk(snapshot, limits)
    for track in snapshot.tracks:
        yield from _track(track, limits)
    yield Judgement(
        "recovery",
        snapshot.recent_restarts,
        # "Three failures" are one more than two.
        limits.restarts - 1,
        0.0,
        f"{snapshot.recent_restarts} restarts in the last minutes",
        "look at the supervisor tree, or in the log for `actor_failed`, to see which part fails, and why",
    )


def _machine(snapshot: Snapshot, limits: Limits) -> Iterator[Judgement]:
    memory = {
        "core": (limits.memory, "memory", "restart the run soon, it can be resumed; report it with the log"),
        "engine": (limits.engine_memory, "engine memory", "choose a smaller --model, or compute_type int8"),
    }
    for process in snapshot.processes:
        if process.name in memory:
            limit, name, remedy = memory[process.name]
            reason = f"{process.name} uses {process.memory >> 20} MB"
            yield Judgement(name, process.memory, limit, limits.sustain, reason, remedy)
    yield Judgement(
        "cpu",
        snapshot.cpu,
        limits.cpu,
        limits.sustain,
        f"{snapshot.cpu:.0f} % of all cores are busy",
        "end other programs, choose a smaller --model, or give the engine fewer threads (engine.threads)",
    )
    if snapshot.temperature is not None:
        yield Judgement(
            "temperature",
            snapshot.temperature,
            limits.temperature,
            limits.sustain,
            f"the processor is at {snapshot.temperature:.0f} °C",
            "free its vents, or choose a smaller --model: it will slow down to protect itself",
        )


def _disk(snapshot: Snapshot, limits: Limits) -> Iterator[Judgement]:
    disk = snapshot.disk
    yield Judgement(
        "write latency",
        disk.recent,
        limits.write,
        0.0,
        f"the disk took {disk.recent:.2f} s for a write",
        "end what else uses the disk, or name a --sessions folder on a faster one",
    )
    if disk.free is not None:
        # As the others are, an alert is about too much of something: of what is asked for, by what there is.
        shortage = limits.space * space.HOUR / disk.lasts if disk.lasts else math.inf
        words = space.space_in_words(disk.free, disk.lasts)
        yield Judgement("space", shortage, 1.0, limits.sustain, words, space.REMEDY)


def _track(track: TrackSnapshot, limits: Limits) -> Iterator[Judgement]:
    full = f"{track.buffer:.0%} of the buffer is in use"
    remedy = "the disk is too slow: see the write latency, and end what else uses it"
    yield Judgement("buffer", track.buffer, limits.buffer, limits.sustain, full, remedy, track.name)
    behind = f"{track.lag:.0f} s behind, {_eta(track.catch_up)}"
    remedy = "nothing is lost; if it goes on growing, choose a smaller --model or record fewer tracks"
    yield Judgement("lag", track.lag, limits.lag, limits.sustain, behind, remedy, track.name, repeat=PROGRESS)
    lost = f"{track.lost:.1f} s of sound are missing in the last minutes"
    remedy = "see the reason of the latest gap: check the device, the disk, or the load"
    yield Judgement("coverage", track.lost, limits.lost, 0.0, lost, remedy, track.name)


def _eta(seconds: float | None) -> str:
    if seconds is None:
        return "no estimate yet"
    return "caught up in " + (f"about {seconds:.0f} s" if seconds < 1e6 else "an unknown time: the lag grows")  # noqa: PLR2004 - days
