"""Coming back from a fallback to what was meant."""

import anyio
import pytest

from transcriber.supervision import (
    ChildBecameZombie,
    ChildFailed,
    ChildFellBack,
    ChildRecalled,
    ChildSpec,
    ChildStarted,
    ChildStopped,
    Recall,
    State,
)

pytestmark = pytest.mark.anyio

INTERVAL = 5.0
FELL_BACK = 4 * 0.5
"""Seconds after which a child that fails at once has spent its restarts, and its fallback runs."""


class Device:
    """An actor that runs only while it is `there`, and says so when it is asked."""

    def __init__(self, stage, name, *, there=True):
        self.stage, self.name, self.there = stage, name, there

    def start(self):
        return self.stage.enter(self.name, (self.act,))

    async def act(self, task_status):
        task_status.started()
        while self.there:  # noqa: ASYNC110 - the tests are about when it is noticed
            await anyio.sleep(0.1)
        raise OSError(f"{self.name} is gone")


class Devices:
    """A child with a device and its fallbacks, under a supervisor."""

    def __init__(self, stage, *devices, recall=None, **options):
        self.devices = devices
        self.asked = []
        self.recall = recall or Recall(probe=self.probe, interval=INTERVAL, stopgap=options.pop("stopgap", False))
        first, *others = (device.start for device in devices)
        spec = ChildSpec(
            name="capture",
            start=first,
            fallbacks=tuple(others),
            initial=options.pop("initial", 0),
            recall=self.recall,
            stop_timeout=1.0,
        )
        self.supervisor = stage.supervisor(spec, **options)
        self.began = anyio.current_time()

    async def probe(self, option):
        self.asked.append((round(anyio.current_time() - self.began), option))
        return self.devices[option].there

    @property
    def status(self):
        return self.supervisor.tree().children[0]


async def test_what_works_again_is_taken_back_at_once_and_in_order(stage):
    headset, speakers = Device(stage, "headset", there=False), Device(stage, "speakers")
    world = Devices(stage, headset, speakers)
    async with anyio.create_task_group() as host:
        host.start_soon(world.supervisor.run)
        await anyio.sleep(FELL_BACK + INTERVAL + 1)
        assert world.status.fallback == 1
        headset.there = True
        await anyio.sleep(INTERVAL)
        assert (world.status.state, world.status.fallback, world.status.restarts) == (State.RUNNING, 0, 4)
        assert world.status.since - world.began == pytest.approx(FELL_BACK + 2 * INTERVAL)
        world.supervisor.stop()
    assert stage.log[-4:] == ["+speakers", "-speakers", "+headset", "-headset"]
    assert stage.told(ChildRecalled) == [ChildRecalled("root", "capture", 0)]


async def test_only_what_is_better_is_asked_for_and_the_best_first(stage):
    gone = [Device(stage, name, there=False) for name in ("a", "b")]
    world = Devices(stage, *gone, Device(stage, "c"), Device(stage, "d"), max_restarts=0)
    await stage.run_for(12, world.supervisor)
    assert world.asked == [(6, 0), (6, 1), (11, 0), (11, 1)]


async def test_a_better_fallback_is_taken_while_the_best_is_still_gone(stage):
    best, better = (Device(stage, name, there=False) for name in ("best", "better"))
    world = Devices(stage, best, better, Device(stage, "poor"), max_restarts=1)
    async with anyio.create_task_group() as host:
        host.start_soon(world.supervisor.run)
        await anyio.sleep(4)
        assert world.status.fallback == 2
        better.there = True
        await anyio.sleep(INTERVAL)
        assert world.status.fallback == 1
        best.there = True
        await anyio.sleep(100)
        assert world.status.fallback == 0
        world.supervisor.stop()


async def test_a_device_that_was_taken_back_has_a_fresh_budget_and_may_fall_back_again(stage):
    headset = Device(stage, "headset", there=False)
    world = Devices(stage, headset, Device(stage, "speakers"))
    async with anyio.create_task_group() as host:
        host.start_soon(world.supervisor.run)
        for _ in range(2):
            await anyio.sleep(FELL_BACK + 1)
            assert world.status.fallback == 1
            headset.there = True
            await anyio.sleep(INTERVAL)
            assert world.status.fallback == 0
            headset.there = False
        world.supervisor.stop()
    assert [event.fallback for event in stage.events if isinstance(event, ChildFellBack | ChildRecalled)] == [1, 0] * 2


async def test_what_the_fallback_spent_is_not_counted_against_what_is_taken_back(stage):
    headset, speakers = Device(stage, "headset", there=False), Device(stage, "speakers")
    world = Devices(stage, headset, speakers, max_restarts=1)
    async with anyio.create_task_group() as host:
        host.start_soon(world.supervisor.run)
        await anyio.sleep(2)
        for device, other in (speakers, headset), (headset, speakers):
            device.there = False
            await anyio.sleep(0.3)
            device.there = other.there = True
            await anyio.sleep(INTERVAL + 1)
        world.supervisor.stop()
    assert [event.fallback for event in stage.events if isinstance(event, ChildStarted)] == [0, 0, 1, 1, 0, 0]


@pytest.mark.parametrize("options", [{}, {"stopgap": True}], ids=["limited", "stopgap"])
async def test_a_device_that_only_seems_to_work_does_not_drag_a_child_back_and_forth(stage, options):
    async def says_yes(_option):
        return True

    recall = Recall(probe=says_yes, interval=INTERVAL, **options)
    broken = Device(stage, "broken", there=False)
    world = Devices(stage, broken, Device(stage, "speakers"), recall=recall)
    await stage.run_for(600, world.supervisor)
    often = 600 / (FELL_BACK + INTERVAL)
    limited = 3 * 600 / 60
    assert len(stage.told(ChildRecalled)) == pytest.approx(often if options else limited, rel=0.1)


async def test_nothing_is_asked_for_while_a_child_may_not_be_recalled(stage):
    headset = Device(stage, "headset")
    world = Devices(stage, headset, Device(stage, "speakers"), initial=1, max_restarts=0)
    async with anyio.create_task_group() as host:
        host.start_soon(world.supervisor.run)
        await anyio.sleep(INTERVAL + 1)
        headset.there = False
        await anyio.sleep(100)
        world.supervisor.stop()
    assert [at for at, _ in world.asked] == [5, *range(67, 106, 5)]  # again more than a window after the one recall


async def test_a_stopgap_is_left_even_where_other_recalls_are_used_up(stage):
    best, better = Device(stage, "best"), Device(stage, "better")
    world = Devices(stage, best, better, Device(stage, "stopgap"), initial=1, max_restarts=0, stopgap=True)
    async with anyio.create_task_group() as host:
        host.start_soon(world.supervisor.run)
        await anyio.sleep(INTERVAL + 1)
        assert world.status.fallback == 0
        best.there = better.there = False
        await anyio.sleep(2)
        assert world.status.fallback == 2
        best.there = True
        await anyio.sleep(INTERVAL)
        assert world.status.fallback == 0
        world.supervisor.stop()


async def test_a_probe_that_raises_says_no(stage):
    async def raises(_option):
        raise OSError("the server is gone")

    recall = Recall(probe=raises, interval=INTERVAL)
    world = Devices(stage, Device(stage, "a", there=False), Device(stage, "b"), recall=recall)
    await stage.run_for(100, world.supervisor)
    assert stage.log[-2:] == ["+b", "-b"]
    assert len(stage.told(ChildFailed)) == 4


async def test_an_error_in_the_clean_up_of_a_fallback_is_told_and_changes_nothing(stage):
    error = RuntimeError("in clean-up")
    headset, fallback = Device(stage, "headset", there=False), Device(stage, "fallback")
    fallback.act = stage.fails_in_cleanup(error)
    world = Devices(stage, headset, fallback)
    async with anyio.create_task_group() as host:
        host.start_soon(world.supervisor.run)
        await anyio.sleep(FELL_BACK + 1)
        headset.there = True
        await anyio.sleep(INTERVAL)
        assert (world.status.state, world.status.fallback) == (State.RUNNING, 0)
        world.supervisor.stop()
    assert ChildStopped("root", "capture", error) in stage.events


async def test_a_fallback_that_ignores_its_cancellation_is_left_behind(stage):
    over = anyio.Event()
    headset, fallback = Device(stage, "headset", there=False), Device(stage, "fallback")
    fallback.act = stage.ignores_cancellation(over)
    world = Devices(stage, headset, fallback)
    async with anyio.create_task_group() as host:
        host.start_soon(world.supervisor.run)
        await anyio.sleep(FELL_BACK + 1)
        headset.there = True
        await anyio.sleep(INTERVAL + 1)
        assert (world.status.fallback, world.status.zombies, stage.log[-1]) == (0, 1, "+headset")
        assert len(stage.told(ChildBecameZombie)) == 1
        over.set()
        world.supervisor.stop()


@pytest.mark.parametrize("end", ["stop", "cancel", "failure"])
async def test_a_probe_that_hangs_holds_up_nothing(stage, end):
    cancelled = []

    async def hangs(_option):
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(anyio.current_time())

    speakers = Device(stage, "speakers")
    recall = Recall(probe=hangs, interval=INTERVAL)
    world = Devices(stage, Device(stage, "headset", there=False), speakers, recall=recall)
    async with anyio.create_task_group() as host:
        host.start_soon(world.supervisor.run)
        await anyio.sleep(20)
        if end == "stop":
            world.supervisor.stop()
        elif end == "cancel":
            host.cancel_scope.cancel()
        else:
            speakers.there = False
            await anyio.sleep(0.3)
            speakers.there = True
            await anyio.sleep(1)
            assert stage.lives["speakers"] == 2
            world.supervisor.stop()
    assert len(cancelled) == 1
    assert anyio.current_time() - world.began == pytest.approx(20, abs=1.5)


async def test_a_fallback_that_is_being_stopped_is_not_replaced(stage):
    over = anyio.Event()
    fallback = Device(stage, "fallback")
    fallback.act = stage.ignores_cancellation(over)
    headset = Device(stage, "headset", there=False)
    world = Devices(stage, headset, fallback)
    async with anyio.create_task_group() as host:
        host.start_soon(world.supervisor.run)
        await anyio.sleep(FELL_BACK + 1)
        headset.there = True
        world.supervisor.stop()
        await anyio.sleep(3 * INTERVAL)
        over.set()
    assert not stage.told(ChildRecalled)


async def test_a_child_may_begin_with_a_fallback_and_is_recalled_from_it(stage):
    headset, speakers = Device(stage, "headset", there=False), Device(stage, "speakers")
    world = Devices(stage, headset, speakers, initial=1)
    async with anyio.create_task_group() as host:
        await host.start(world.supervisor.run)
        assert stage.log == ["+speakers"]
        headset.there = True
        await anyio.sleep(INTERVAL + 1)
        assert (world.status.fallback, world.status.restarts) == (0, 0)
        world.supervisor.stop()
