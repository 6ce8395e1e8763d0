import math

import anyio
import pytest
from msgspec.structs import replace
from snapshots import CORE, ENGINE, MB, QUIET, with_track

from transcriber.actors.monitoring import Gauges, Monitoring
from transcriber.core.alert_rules import Limits
from transcriber.events import StateChanged
from transcriber.types import TrackName

pytestmark = pytest.mark.anyio

ME = TrackName("me")
LIMITS = Limits(
    memory=100 * MB,
    engine_memory=1000 * MB,
    cpu=80.0,
    temperature=85.0,
    buffer=0.8,
    lag=30.0,
    write=0.5,
    space=2.0,
    lost=1.0,
    restarts=3,
    sustain=10.0,
)


class World:
    """What is measured, which a test turns, and what was told."""

    def __init__(self):
        self.now = QUIET
        self.told: list[tuple[float, StateChanged]] = []
        self.gauges = Gauges()

    def tell(self, event):
        self.told.append((anyio.current_time(), event))

    async def run(self, seconds: float) -> None:
        actor = Monitoring(measure=lambda: self.now, tell=self.tell, gauges=self.gauges, limits=LIMITS, interval=1.0)
        with anyio.move_on_after(seconds):
            await actor.run()


async def test_in_bounds_nothing_is_told():
    world = World()
    await world.run(100)
    assert world.told == []
    assert world.gauges.raised == []


async def test_what_is_out_of_bounds_for_long_enough_is_told_once_with_its_remedy_and_so_is_its_end():
    world = World()
    world.now = with_track(lag=40.0)
    await world.run(30.5)
    [(at, event)] = world.told
    assert at == pytest.approx(10)
    assert (event.component, event.before, event.after, event.track) == ("lag", "normal", "alert", ME)
    assert event.reason.startswith("40 s behind, caught up in about 2 s: nothing is lost")
    assert world.gauges.raised == ["lag"]
    world.now = QUIET
    await world.run(5)
    [(_, event)] = world.told[1:]
    assert (event.component, event.before, event.after, event.track) == ("lag", "alert", "normal", ME)
    assert event.reason == "1 s behind, caught up in about 2 s"
    assert world.gauges.raised == []


async def test_how_a_catch_up_gets_on_is_told_every_minute_until_it_is_over():
    world = World()
    world.now = with_track(lag=400.0, catch_up=math.inf)
    await world.run(100.5)
    world.now = with_track(lag=300.0, catch_up=90.0)
    await world.run(60)
    world.now = QUIET
    await world.run(200)
    assert [(round(at), event.before, event.after) for at, event in world.told] == [
        *((10, "normal", "alert"), (70, "alert", "alert"), (130, "alert", "alert")),
        (160, "alert", "normal"),
    ]
    assert "the lag grows" in world.told[1][1].reason
    assert world.told[2][1].reason.startswith("300 s behind, caught up in about 90 s: nothing is lost")


async def test_an_alert_is_over_only_well_below_its_threshold():
    world = World()
    for lag in (40.0, 25.0, 40.0, 24.0):
        world.now = with_track(lag=lag)
        await world.run(20)
    assert [event.after for _, event in world.told] == ["alert", "normal"]


async def test_what_has_happened_is_told_at_once():
    world = World()
    world.now = with_track(lost=1.5)
    await world.run(0.5)
    [(at, event)] = world.told
    assert (at, event.component) == (pytest.approx(0), "coverage")


async def test_a_track_in_bounds_does_not_end_the_alert_of_another():
    world = World()
    world.now = with_track(buffer=0.9)
    await world.run(60)
    assert [(event.after, event.track) for _, event in world.told] == [("alert", ME)]


async def test_the_peak_of_each_process_is_kept_also_of_one_that_is_gone():
    world = World()
    await world.run(2.5)
    world.now = replace(QUIET, processes=(replace(CORE, memory=60 * MB),))
    await world.run(2.5)
    world.now = replace(QUIET, processes=(CORE, replace(ENGINE, memory=200 * MB)))
    await world.run(2.5)
    assert world.gauges.peak_memory == {"core": 60 * MB, "engine": 300 * MB}


async def test_the_latest_snapshot_and_the_history_outlive_the_actor():
    world = World()
    await world.run(2.5)
    world.now = with_track(lag=7.0)
    await world.run(0.5)
    assert world.gauges.latest is world.now
    assert world.gauges.history.columns()["lag"] == [1.0, 1.0, 1.0, 7.0]


async def test_an_alert_outlives_the_actor_and_is_not_told_again():
    world = World()
    world.now = replace(QUIET, cores=(99.0, 97.0))
    await world.run(15)
    await world.run(15)
    assert [event.reason[:30] for _, event in world.told] == ["98 % of all cores are busy: en"]


async def test_the_estimate_is_that_of_the_slowest_track():
    world = World()
    assert world.gauges.estimate() is None
    world.now = with_track(catch_up=41.0)
    await world.run(0.5)
    assert world.gauges.estimate() == 41.0
    world.now = with_track(catch_up=math.inf)
    await world.run(0.5)
    assert world.gauges.estimate() == math.inf


async def test_a_disk_that_does_not_answer_changes_no_alert_and_hides_no_other():
    world = World()
    world.now = replace(QUIET, disk=replace(QUIET.disk, free=10**8, lasts=60.0))
    await world.run(30)
    world.now = replace(QUIET, disk=replace(QUIET.disk, free=None), cores=(99.0,))
    await world.run(30)
    assert [event.component for _, event in world.told] == ["space", "cpu"]
    assert sorted(world.gauges.raised) == ["cpu", "space"]
