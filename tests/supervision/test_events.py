"""What is told, in full and in order, and what else people see of a supervisor."""

import anyio
import pytest

from transcriber.supervision import (
    ChildBecameZombie,
    ChildFailed,
    ChildFellBack,
    ChildFinished,
    ChildGivenUp,
    ChildReady,
    ChildRecalled,
    ChildRestarting,
    ChildSpec,
    ChildStarted,
    ChildStopped,
    Recall,
    Restart,
    State,
    Strategy,
    SupervisionFailed,
    SupervisorEscalated,
    Watch,
    ZombieEnded,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("reports_ready", [True, False])
async def test_a_restart_is_told_from_the_failure_to_the_end(stage, reports_ready):
    error = OSError("unplugged")
    acts = stage.fails(1, error), stage.returns_after(1)
    await stage.supervisor(stage.child("a", *acts, reports_ready=reports_ready)).run()
    assert stage.events == [
        ChildStarted("root", "a", 1),
        ChildReady("root", "a"),
        ChildFailed("root", "a", error),
        ChildRestarting("root", "a", 1, 3, 0.5),
        ChildStarted("root", "a", 2, 0),
        ChildReady("root", "a"),
        ChildFinished("root", "a"),
    ]


async def test_a_start_that_fails_is_told_and_is_never_called_ready(stage):
    error = OSError("busy")
    acts = stage.fails(1, error, ready=False), stage.lasts
    await stage.run_for(3, stage.supervisor(stage.child("a", *acts, reports_ready=True, essential=False)))
    assert stage.events == [
        ChildStarted("root", "a", 1),
        ChildFailed("root", "a", error),
        ChildRestarting("root", "a", 1, 3, 0.5),
        ChildStarted("root", "a", 2, 0),
        ChildReady("root", "a"),
        ChildStopped("root", "a", None),
    ]


async def test_a_child_that_returns_before_it_is_ready_is_finished_and_is_never_called_ready(stage):
    async def returns_silently(_):
        pass

    supervisor = stage.supervisor(stage.child("a", returns_silently, reports_ready=True))
    await supervisor.run()
    assert stage.events == [ChildStarted("root", "a", 1), ChildFinished("root", "a")]
    assert supervisor.tree().children[0].state is State.FINISHED


async def test_escalation_is_told_after_the_failure_and_before_the_others_are_stopped(stage):
    error = OSError("gone")
    supervisor = stage.supervisor(stage.child("a"), stage.child("b", stage.fails(1, error)), max_restarts=0)
    with pytest.raises(SupervisionFailed) as failure:
        await supervisor.run()
    assert stage.events[4:] == [
        ChildFailed("root", "b", error),
        SupervisorEscalated("root", failure.value),
        ChildStopped("root", "a", None),
    ]


@pytest.mark.parametrize("spec", [{"essential": False}, {"restart": Restart.TEMPORARY}])
async def test_a_child_that_is_given_up_is_told_by_the_error_that_it_failed_by(stage, spec):
    error = OSError("gone")
    supervisor = stage.supervisor(stage.child("a", stage.fails(1, error), **spec), max_restarts=0)
    await supervisor.run()
    assert stage.events[2:] == [ChildFailed("root", "a", error), ChildGivenUp("root", "a", error)]
    status = supervisor.tree().children[0]
    assert (status.state, status.error, status.lives, status.restarts) == (State.FAILED, error, 1, 0)


async def test_a_fallback_and_the_way_back_are_told_in_full(stage):
    gone = OSError("unplugged")

    async def is_there(_option):
        return True

    spec = ChildSpec(
        name="capture",
        start=lambda: stage.enter("headset", (gone, stage.lasts)),
        fallbacks=(lambda: stage.enter("speakers", (stage.lasts,)),),
        recall=Recall(probe=is_there),
    )
    await stage.run_for(10, stage.supervisor(spec, max_restarts=0, delay=0.25))
    assert stage.events == [
        ChildStarted("root", "capture", 1, 0),
        ChildFailed("root", "capture", gone),
        ChildFellBack("root", "capture", 1, 0.25),
        ChildStarted("root", "capture", 2, 1),
        ChildReady("root", "capture"),
        ChildStopped("root", "capture", None),
        ChildRecalled("root", "capture", 0),
        ChildStarted("root", "capture", 3, 0),
        ChildReady("root", "capture"),
        ChildStopped("root", "capture", None),
    ]


async def test_a_zombie_is_told_when_it_becomes_one_and_when_it_ends_with_the_error_that_it_ended_by(stage):
    over, error = anyio.Event(), OSError("late")

    async def stuck(_):
        with anyio.CancelScope(shield=True):
            await over.wait()
        raise error

    supervisor = stage.supervisor(stage.child("a", stuck, stop_timeout=1.0))
    async with anyio.create_task_group() as host:
        await host.start(supervisor.run)
        supervisor.stop()
        await anyio.sleep(2)
        over.set()
    assert stage.events[2:] == [ChildBecameZombie("root", "a"), ZombieEnded("root", "a", error)]


async def test_the_siblings_that_are_replaced_are_told_to_have_stopped_and_started(stage):
    error = OSError("gone")
    supervisor = stage.supervisor(
        stage.child("a"), stage.child("b", stage.fails(1, error), stage.lasts), strategy=Strategy.ONE_FOR_ALL
    )
    await stage.run_for(3, supervisor)
    assert stage.events[4:-2] == [
        ChildFailed("root", "b", error),
        ChildRestarting("root", "b", 1, 3, 0.5),
        ChildStopped("root", "a", None),
        ChildStarted("root", "a", 2, 0),
        ChildReady("root", "a"),
        ChildStarted("root", "b", 2, 0),
        ChildReady("root", "b"),
    ]


async def test_tasks_are_named_by_supervisor_and_child(stage):
    async def is_gone(_option):
        return False

    watch = Watch(pending=lambda: False, progress=lambda: 0, timeout=1.0)
    fallback = stage.child("speakers").start
    capture = stage.child("capture", fallbacks=(fallback,), initial=1, watch=watch, recall=Recall(probe=is_gone))
    supervisor = stage.supervisor(capture, stage.child("storage"), name="them")
    async with anyio.create_task_group() as host:
        await host.start(supervisor.run)
        names = {task.name for task in anyio.get_running_tasks()}
        supervisor.stop()
    assert {"them/capture", "them/capture/watch", "them/capture/recall", "them/storage"} <= names
