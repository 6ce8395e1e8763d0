"""A week of sound through the core, as fast as it goes: every sample, every word once, and the memory flat.

    cd benchmarks && python -m faults.week --folder /a/disk [--days 7] [--policy utterance|agreement] [--profile FILE]

Real: the whole tree of a session with its supervisors, links and actors, the writer thread and the disk with every
sync, the WAV files (19 GB for a week), the journal, the transcript's database. Made up: time, which jumps wherever the
loop would only wait and no call to the disk is on its way; a live device, which speaks, is silent, is idle, drops
frames, and goes away for seconds or for a night; and the engine, `adapters/engine/scripted.py`, which hears the words
in that sound. Monitoring looks once a minute. At the end every sample of every file is compared with what was played,
and the words of every minute with those that were said in it, and the session is verified.
"""

import argparse
import asyncio
import cProfile
import random
import selectors
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
import psutil
from numpy.typing import NDArray

from measuring import table
from transcriber.adapters.disk import Disk
from transcriber.adapters.engine.scripted import VOCABULARY, ScriptedEngine, say
from transcriber.adapters.recording import read_extent, read_pieces
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.session_folder import SessionFolder
from transcriber.app import opening, services
from transcriber.app.engine import EngineSupply
from transcriber.app.transcriber import Transcriber
from transcriber.core import wav
from transcriber.errors import DeviceLost, NoDeviceError
from transcriber.settings import Monitoring, Session, Settings, Storage, Track, Transcription
from transcriber.supervision import ChildSpec, Restart
from transcriber.types import RATE, AudioFormat, Block, Position, Reading, TrackName

TRACK = TrackName("them")
DAY, HOUR, MINUTE = 86_400, 3_600, 60
BLOCK = 1.0
"""Seconds that the device gives at a time."""

PATTERNS = 6
"""Minutes of speech that are different from one another."""

Samples = NDArray[np.int16]


class Clock:
    """Time in the simulation, and how many calls are on their way in threads, which it waits for."""

    now = 0.0
    busy = 0

    @classmethod
    async def wait[T](cls, call: Awaitable[T]) -> T:
        """Stand still for as long as a call takes."""
        cls.busy += 1
        try:
            return await call
        finally:
            cls.busy -= 1


class JumpingSelector(selectors.DefaultSelector):
    """Where the loop would wait for time to pass, time passes, unless it waits for a thread as well."""

    def select(self, timeout: float | None = None) -> list:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or Clock.busy:
            return super().select(None)
        Clock.now += max(timeout, 1e-9)
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop by that clock."""

    def __init__(self) -> None:
        super().__init__(JumpingSelector())

    def time(self) -> float:
        return Clock.now


class CountedDisk(Disk):
    """The real writer thread, whose calls the clock waits for."""

    async def run[T](self, call: Callable[[], T]) -> T:
        return await Clock.wait(super().run(call))


@dataclass(frozen=True)
class Speech:
    """A minute in which something is said."""

    pcm: Samples
    words: list[str]

    @classmethod
    def made(cls, chance: random.Random) -> "Speech":
        pcm, words = [np.zeros(2 * RATE, np.int16)], []
        while sum(map(len, pcm)) < 50 * RATE:
            said = chance.choices(VOCABULARY, k=chance.randint(3, 12))
            words += said
            pcm += [np.frombuffer(say(said), "<i2"), np.zeros(int(chance.uniform(0.7, 3.0) * RATE), np.int16)]
        whole = np.concatenate(pcm)
        return cls(np.concatenate([whole, np.zeros(MINUTE * RATE - len(whole), np.int16)]), words)


class World:
    """What is played at every moment, and when there is no device. Positions count from the beginning of the week."""

    def __init__(self, days: float, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - a schedule, not a secret
        self.end = round(days * DAY)
        self.speech = [Speech.made(chance) for _ in range(PATTERNS)]
        noise = np.random.default_rng(seed).integers(-20, 20, MINUTE * RATE, dtype=np.int16)
        self._noise = noise
        self.minutes = [
            chance.choices(["speech", "silence", "idle"], [6, 3, 1])[0] for _ in range(self.end // MINUTE + 1)
        ]
        self.patterns = [chance.randrange(PATTERNS) for _ in self.minutes]
        self.drops = {chance.randrange(self.end) for _ in range(round(10 * days))}
        """Seconds in which the device loses half of its frames, and says so."""
        outages = [(start, start + chance.uniform(2, 300)) for start in chance.sample(range(self.end), round(4 * days))]
        if days > 3:
            outages.append((2.9 * DAY, 2.9 * DAY + 8 * HOUR))
        self.outages = sorted(outages)

    def sound(self, start: int, end: int) -> Samples:
        """Return what is played in `[start, end)`."""
        pieces = []
        while start < end:
            minute, within = divmod(start, MINUTE * RATE)
            length = min(end - start, MINUTE * RATE - within)
            pieces.append(self._minute(minute)[within : within + length])
            start += length
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)

    def _minute(self, minute: int) -> Samples:
        match self.minutes[minute]:
            case "speech":
                return self.speech[self.patterns[minute]].pcm
            case "silence":
                return self._noise
            case _:
                return np.zeros(MINUTE * RATE, np.int16)

    def gone_at(self, now: float) -> bool:
        return any(start <= now < end for start, end in self._near(now))

    def next_outage(self, now: float) -> float:
        return next((start for start, _ in self._near(now) if start >= now), float("inf"))

    def _near(self, now: float) -> Sequence[tuple[float, float]]:
        place = bisect_right(self.outages, (now, 0.0))
        return self.outages[max(0, place - 8) : place + 2]


class Device:
    """A live `Source` that plays the world from the moment at which it is opened, as a real one does."""

    live = True
    label = "loopback:the world"

    def __init__(self, world: World) -> None:
        self._world = world
        self._at = 0

    async def open(self) -> AudioFormat:
        await anyio.lowlevel.checkpoint()
        now = anyio.current_time()
        if self._world.gone_at(now):
            raise NoDeviceError("there is no device")
        self._at = round(now * RATE)
        return AudioFormat(RATE, 1)

    async def read(self) -> Reading:
        world, at = self._world, self._at
        minute = at // (MINUTE * RATE)
        outage = round(min(world.next_outage(at / RATE), 1e12) * RATE)
        end = min(at + round(BLOCK * RATE), (minute + 1) * MINUTE * RATE, outage)
        await anyio.sleep_until(end / RATE)
        if end == outage and world.gone_at(anyio.current_time()):
            raise DeviceLost("the device is gone")
        self._at = end
        if world.minutes[minute] == "idle":
            return Reading(b"", anyio.current_time())
        lost = (end - at) // 2 if at // RATE in world.drops else 0
        return Reading(world.sound(at + lost, end).tobytes(), anyio.current_time(), lost)

    async def close(self) -> None:
        await anyio.lowlevel.checkpoint()


class Client(ScriptedEngine):
    """Stands where the client of the engine's process does."""

    pid = None

    def rss(self) -> int:
        return 0

    def peak_rss(self) -> int:
        return 0

    async def decode(self, request, *, urgency: int = 0):  # noqa: ANN001, ANN201 - the port's
        answer = await super().decode(request, urgency=urgency)
        self.requests.clear()
        return answer


class Idle:
    """Stands where the engine's process is supervised."""

    async def run(self) -> None:
        await anyio.sleep_forever()


@dataclass
class Course:
    """What was measured on the way, once an hour of the simulation."""

    hours: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    async def run(self) -> None:
        process, began = psutil.Process(), time.monotonic()
        while True:
            await anyio.sleep(HOUR)
            self.hours.append(Clock.now / HOUR)
            self.wall.append(time.monotonic() - began)
            self.memory.append(process.memory_info().rss / 1e6)
            if len(self.hours) % 12 == 0:
                print(f"{Clock.now / DAY:.1f} days, {self.wall[-1]:.0f} s, {self.memory[-1]:.1f} MB", file=sys.stderr)

    def slope(self, times: Sequence[float]) -> float:
        """Return by how many MB the memory grew for each unit of `times`, from the second of ten parts on."""
        first = len(times) // 10
        if len(times) - first < 3:
            return float("nan")
        return statistics.linear_regression(times[first:], self.memory[first:]).slope


async def simulate(settings: Settings, world: World, course: Course) -> tuple[Path, Transcriber]:
    transcriber = Transcriber(settings, duration=float(world.end))
    async with anyio.create_task_group() as tasks:
        async with transcriber:
            tasks.start_soon(course.run)
            await transcriber.wait()
        tasks.cancel_scope.cancel()
    return transcriber.folder, transcriber


def compare_samples(session: SessionFolder, world: World) -> dict[str, object]:
    """Compare every file with what was played."""
    extent = read_extent(session.journal(TRACK))
    wrong, offsets, files, bad_files = 0, Counter[int](), 0, 0
    for start in range(0, extent.durable, wav.FILE_SAMPLES):
        end = Position(min(start + wav.FILE_SAMPLES, extent.durable))
        path = session.audio(TRACK) / wav.file_name(start // wav.FILE_SAMPLES)
        pieces = read_pieces(session.audio(TRACK), extent.gaps, Position(start), end)
        blocks = [piece for piece in pieces if isinstance(piece, Block)]
        if path.exists():
            files += 1
            size = wav.HEADER_BYTES + 2 * (max(block.end for block in blocks) - start) if blocks else 0
            bad_files += path.stat().st_size != size
        for block in blocks:
            heard = np.frombuffer(block.pcm, "<i2")
            offset, differ = alignment(heard, block.start, world)
            offsets[offset] += 1
            wrong += differ
    return {
        "samples": f"{extent.durable} of {world.end * RATE}",
        "WAV files": files,
        "files of another length than they should have": bad_files,
        "off by so many samples": dict(sorted(offsets.items())),
        "wrong samples": wrong,
        "gaps": f"{len(extent.gaps)}, {sum(gap.end - gap.start for gap in extent.gaps) / RATE:.1f} s",
        "journal, MB": round(session.journal(TRACK).stat().st_size / 1e6, 1),
    }


def alignment(heard: Samples, start: int, world: World) -> tuple[int, int]:
    """Return by how many samples a block is off, at most a few, and how many samples differ even so."""
    found = {}
    for offset in (0, -1, 1, -2, 2):
        begin = max(0, start + offset)
        played = world.sound(begin, begin + len(heard))
        found[offset] = int(np.count_nonzero(heard != played))
        if not found[offset]:
            break
    best = min(found, key=lambda offset: found[offset])
    return best, found[best]


def compare_words(session: SessionFolder, world: World) -> dict[str, object]:
    """Compare the words of every minute that was heard as a whole with those that were said in it."""
    gaps = read_extent(session.journal(TRACK)).gaps
    broken = {minute for gap in gaps for minute in range(gap.start // (MINUTE * RATE), gap.end // (MINUTE * RATE) + 1)}
    with closing(sqlite3.connect(session.database)) as database:
        rows = database.execute("SELECT start, text FROM words ORDER BY start")
        heard = {minute: [text.strip() for _, text in words] for minute, words in groupby(rows, minute_of)}
        counts = {
            name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608 - constants
            for name in ("segments", "words", "events")
        }
    whole = [minute for minute in range(world.end // MINUTE) if minute not in broken]
    wrong = sum(heard.get(minute, []) != said(world, minute) for minute in whole)
    return {
        "minutes without a gap, of which not every word is there once": f"{len(whole)}, {wrong}",
        "words that were said in them": sum(len(said(world, minute)) for minute in whole),
        **counts,
        "database, MB": round(session.database.stat().st_size / 1e6, 1),
    }


def minute_of(row: tuple[int, str]) -> int:
    return row[0] // (MINUTE * RATE)


def said(world: World, minute: int) -> list[str]:
    return world.speech[world.patterns[minute]].words if world.minutes[minute] == "speech" else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, help="on the disk that is to be used; it must have room for 2.8 GB a day"
    )
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--policy", choices=("utterance", "agreement"), default="utterance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--profile", type=Path, help="write a profile of the simulation into this file")
    given = parser.parse_args()
    needed = given.days * DAY * RATE * 2 * 1.1
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    if shutil.disk_usage(folder).free < needed:
        sys.exit(f"{folder}: {needed / 1e9:.0f} GB are needed")
    world, course = World(given.days, given.seed), Course()
    in_a_thread = anyio.to_thread.run_sync
    anyio.to_thread.run_sync = lambda *given, **options: Clock.wait(in_a_thread(*given, **options))
    child = ChildSpec(name="engine", start=Idle, restart=Restart.PERMANENT, essential=False)
    EngineSupply.child = lambda _self: child
    opening.make_client = lambda _settings: Client()
    opening.make_source = lambda _spec, _options: Device(world)
    services.Disk = CountedDisk
    settings = Settings(
        session=Session(folder=str(folder)),
        tracks=(Track(name=TRACK, source="loopback"),),
        storage=Storage(emergency_size=10_000_000),
        monitoring=Monitoring(interval=60.0),
        transcription=Transcription(policy=given.policy),
    )
    profile = cProfile.Profile()
    began = time.monotonic()
    if given.profile:
        profile.enable()
    path, transcriber = anyio.run(simulate, settings, world, course, backend_options={"loop_factory": JumpingLoop})
    profile.disable()
    if given.profile:
        profile.dump_stats(given.profile)
    took = time.monotonic() - began
    summary, session = transcriber.summary, SessionFolder.view(path)
    figures: dict[str, object] = {
        "simulated": f"{given.days:g} days",
        "took": f"{took:.0f} s, {world.end / took:.0f} times as fast as it sounds",
        "memory after an hour, at the end, at most, MB": [
            round(value, 1) for value in (course.memory[0], course.memory[-1], max(course.memory))
        ],
        "memory grew, MB a day of the simulation": round(24 * course.slope(course.hours), 3),
        "memory grew, MB an hour of the clock": round(course.slope(course.wall) * HOUR, 2),
        "device lost, frames dropped": f"{len(world.outages)} times, {len(world.drops)} times",
        "complete, restarts": f"{summary.complete}, {summary.restarts}",
        **compare_samples(session, world),
        **compare_words(session, world),
        "verify": list(verify(session).findings) or "ok",
    }
    print(table(figures.items()))
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
