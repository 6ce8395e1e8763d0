import math

import anyio
import pytest

from transcriber.actors.monitoring import Gauges, Monitoring, MonitoringRules, TrackReading
from transcriber.events import StateChanged
from transcriber.types import RATE, TrackName

pytestmark = pytest.mark.anyio

THEM, ME = TrackName("them"), TrackName("me")
MB = 1 << 20
RULES = MonitoringRules(memory=100 * MB, cpu=80.0, buffer=0.8, lag=30.0, space=2.0, sustain=10.0)
QUIET = TrackReading(captured=RATE, cursor=RATE, buffer=0.1)


class World:
    """Counters that a test turns, and what was told."""

    def __init__(self):
        self.readings = {THEM: QUIET, ME: QUIET}
        self.resident = {"core": 50 * MB, "engine": 300 * MB}
        self.busy = 10.0
        self.free: int | None = 10**12
        self.recording = 0.0
        self.told: list[tuple[float, StateChanged]] = []
        self.gauges = Gauges()

    def memory(self):
        return self.resident

    def cpu(self):
        return self.busy

    def tracks(self):
        """Return the readings; while it records, both tracks grow by a second each second."""
        recorded = round(anyio.current_time() * self.recording * RATE)
        return {
            track: TrackReading(reading.captured + recorded, reading.cursor + recorded, reading.buffer)
            for track, reading in self.readings.items()
        }

    def tell(self, event):
        self.told.append((anyio.current_time(), event))

    def actor(self) -> Monitoring:
        return Monitoring(
            tracks=self.tracks,
            processes=self,
            free=lambda: self.free,
            tell=self.tell,
            gauges=self.gauges,
            rules=RULES,
            interval=1.0,
        )

    async def run(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self.actor().run()


def behind(seconds: float) -> TrackReading:
    return TrackReading(captured=round(seconds * RATE) + RATE, cursor=RATE, buffer=0.1)


async def test_in_bounds_nothing_is_told():
    world = World()
    await world.run(100)
    assert world.told == []
    assert world.gauges.raised == []


@pytest.mark.parametrize(
    ("turn", "name", "track", "reason"),
    [
        (lambda world: world.resident.update(core=101 * MB), "memory", None, "core uses 101 MB"),
        (lambda world: setattr(world, "busy", 91.0), "cpu", None, "91 % of all cores are busy"),
        (lambda world: world.readings.update(me=TrackReading(0, 0, 0.9)), "buffer", ME, "90% of the buffer is in use"),
        (lambda world: world.readings.update(me=behind(40)), "lag", ME, "40 s behind"),
    ],
)
async def test_what_is_out_of_bounds_for_long_enough_is_told_once_and_so_is_its_end(turn, name, track, reason):
    world = World()
    turn(world)
    await world.run(30.5)
    [(at, event)] = world.told
    assert at == pytest.approx(10)
    assert (event.component, event.before, event.after, event.track) == (name, "normal", "alert", track)
    assert event.reason.startswith(reason)
    assert world.gauges.raised == [name]
    world.readings, world.resident, world.busy = {THEM: QUIET, ME: QUIET}, {"core": 50 * MB}, 10.0
    await world.run(5)
    [(_, event)] = world.told[1:]
    assert (event.component, event.before, event.after, event.track) == (name, "alert", "normal", track)
    assert world.gauges.raised == []


async def test_the_memory_of_other_processes_raises_no_alert():
    world = World()
    world.resident["engine"] = 9000 * MB
    await world.run(60)
    assert world.told == []


async def test_the_peak_of_each_process_is_kept_also_of_one_that_is_gone():
    world = World()
    await world.run(2.5)
    world.resident = {"core": 60 * MB}
    await world.run(2.5)
    world.resident = {"core": 55 * MB, "engine": 200 * MB}
    await world.run(2.5)
    assert world.gauges.peak_memory == {"core": 60 * MB, "engine": 300 * MB}


async def test_an_alert_outlives_the_actor_and_is_not_told_again():
    world = World()
    world.busy = 99.0
    await world.run(15)
    await world.run(15)
    assert len(world.told) == 1


async def test_a_life_that_begins_in_the_same_moment_measures_again():
    world = World()
    world.readings = {THEM: behind(50)}
    await world.run(0)
    await world.run(0)
    assert world.gauges.estimate() is None


async def test_the_estimate_is_that_of_the_slowest_track():
    world = World()
    assert world.gauges.estimate() is None
    for second in range(10):
        world.readings = {THEM: behind(100 - 2 * second), ME: behind(10 - second / 2)}
        await world.run(1)
    assert world.gauges.estimate() == pytest.approx(41, rel=0.05)


async def test_a_lag_that_grows_is_said_to_grow():
    world = World()

    for second in range(20):
        world.readings = {THEM: behind(40 + second)}
        await world.run(1)
    assert world.gauges.estimate() == math.inf
    [(_, event)] = world.told
    assert event.reason.endswith("an unknown time: the lag grows")


HOUR_OF_BOTH = 3600 * 2 * RATE * 2
"""Bytes that two tracks record in an hour."""


def recording(free: float) -> World:
    """Return a world that records two tracks at real pace, with space for so many hours."""
    world = World()
    world.recording = 1.0
    world.free = round(free * HOUR_OF_BOTH)
    return world


async def test_space_that_will_soon_be_used_up_is_told_with_what_to_do():
    world = recording(1.5)
    await world.run(30.5)
    [(_, event)] = world.told
    assert (event.component, event.before, event.after, event.track) == ("space", "normal", "alert", None)
    assert event.reason == (
        "345.6 MB are free on the disk, enough for about 1.5 h at this pace: "
        "free some space or name another --sessions folder"
    )


async def test_the_alert_of_space_is_over_once_there_is_clearly_enough():
    world = recording(1.9)
    await world.run(30)
    world.free = round(2.4 * HOUR_OF_BOTH)
    await world.run(30)
    assert [event.after for _, event in world.told] == ["alert"]
    world.free = round(2.6 * HOUR_OF_BOTH)
    await world.run(30)
    assert [event.after for _, event in world.told] == ["alert", "normal"]
    assert world.told[-1][1].reason == "599.0 MB are free on the disk, enough for about 2.6 h at this pace"


@pytest.mark.parametrize("free", [2.1, 100.0])
async def test_space_for_long_enough_is_no_news(free):
    world = recording(free)
    await world.run(60)
    assert world.told == []


async def test_a_full_disk_lasts_no_time():
    world = recording(0.0)
    await world.run(30)
    [(_, event)] = world.told
    assert event.reason.startswith("0.0 MB are free on the disk, enough for about 0 min")


async def test_where_nothing_is_recorded_little_space_is_enough():
    world = recording(0.001)
    world.recording = 0.0
    await world.run(60)
    assert world.told == []


async def test_a_disk_that_does_not_answer_changes_no_alert_and_hides_no_other():
    world = recording(1.0)
    await world.run(30)
    world.free, world.busy = None, 99.0
    await world.run(30)
    assert [event.component for _, event in world.told] == ["space", "cpu"]
    assert world.gauges.raised == ["cpu", "space"]
