import asyncio

import anyio
import pytest

from transcriber.supervision import (
    ChildFailed,
    ChildFinished,
    ChildInterrupted,
    ChildSpec,
    ChildStopped,
    State,
    SupervisionFailed,
    Supervisor,
)

pytestmark = pytest.mark.anyio


async def test_the_parent_restarts_a_subtree_that_gave_up_with_a_fresh_budget(stage):
    failing = [stage.fails(1)] * 2
    flaky = stage.child("x", *failing, *failing, stage.returns)

    def track():
        return stage.supervisor(flaky, stage.child("y", stage.returns), name="track", max_restarts=1)

    root = stage.supervisor(ChildSpec(name="track", start=track, reports_ready=True), stage.child("z", stage.returns))
    await root.run()
    assert stage.lives == {"x": 5, "y": 3, "z": 1}
    assert [type(event.error) for event in stage.told(ChildFailed, "track")] == [SupervisionFailed] * 2
    assert root.tree().children[0].state is State.FINISHED


async def test_a_root_that_gives_up_raises_one_typed_group_and_the_tasks_of_the_host_go_on(stage):
    done = []

    async def of_the_host():
        await anyio.sleep(100)
        done.append("host")

    async with anyio.create_task_group() as host:
        host.start_soon(of_the_host)
        with pytest.raises(SupervisionFailed) as failure:
            await stage.supervisor(stage.child("a", stage.fails(1))).run()
    assert done == ["host"]
    assert (failure.value.supervisor, failure.value.child) == ("root", "a")
    assert all(error.__traceback__ is not None for error in failure.value.exceptions)


async def test_a_failure_keeps_its_type_and_names_when_it_is_split(stage):
    with pytest.raises(SupervisionFailed) as failure:
        await stage.supervisor(stage.child("a", stage.fails(1), OSError("busy"))).run()
    part, rest = failure.value.split(OSError)
    assert isinstance(part, SupervisionFailed)
    assert isinstance(rest, SupervisionFailed)
    assert (part.child, len(part.exceptions), len(rest.exceptions)) == ("a", 3, 1)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(2), MemoryError(), BaseExceptionGroup("two", [SystemExit(1), OSError()])]
)
@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("after", [0.0, 1.0])
async def test_what_ends_a_program_is_no_reason_to_restart_and_reaches_the_host_after_an_orderly_stop(
    stage, error, ready, after
):
    supervisor = stage.supervisor(
        stage.child("a"), stage.child("b", stage.fails(after, error, ready=ready), reports_ready=True)
    )
    with pytest.raises(type(error)) as raised:
        await supervisor.run()
    assert raised.value is error
    assert stage.lives["b"] == 1
    assert stage.log[-1] == "-a"
    assert [child.state for child in supervisor.tree().children] == [State.STOPPED, State.FAILED]
    assert stage.told(ChildFinished) == stage.told(ChildFailed) == stage.told(ChildStopped, "b") == []


async def test_a_memory_error_inside_a_group_passes_too(stage):
    error = ExceptionGroup("of a task group", [ExceptionGroup("inner", [MemoryError(), ValueError()])])
    with pytest.raises(ExceptionGroup) as raised:
        await stage.supervisor(stage.child("a", stage.fails(error=error))).run()
    assert raised.value is error


async def test_a_listener_that_raises_changes_nothing_and_is_shown_in_the_tree(stage):
    def raises(_):
        raise ZeroDivisionError

    supervisor = Supervisor("root", [stage.child("a", stage.fails(), stage.returns)], on_event=raises)
    await supervisor.run()
    assert stage.lives["a"] == 2
    assert isinstance(supervisor.tree().listener_error, ZeroDivisionError)


async def test_a_supervisor_without_a_listener_supervises(stage):
    await stage.supervisor(stage.child("a", stage.fails(), stage.returns), on_event=None).run()
    assert stage.lives["a"] == 2


async def test_an_exception_group_is_one_failure_and_carries_all_its_errors(stage):
    group = ExceptionGroup("two", [OSError("disk"), ValueError("value")])
    supervisor = stage.supervisor(stage.child("a", stage.fails(error=group), stage.returns), max_restarts=1)
    await supervisor.run()
    assert [event.error for event in stage.told(ChildFailed)] == [group]
    assert supervisor.tree().children[0].error is group


async def test_errors_that_come_along_with_the_cancellation_are_the_clean_up_error(stage):
    async def two_tasks(_):
        async def fails_in_cleanup():
            try:
                await anyio.sleep_forever()
            finally:
                raise OSError("half-written")

        async with anyio.create_task_group() as inner:
            inner.start_soon(fails_in_cleanup)
            await anyio.sleep_forever()

    supervisor = stage.supervisor(stage.child("a", two_tasks))
    async with anyio.create_task_group() as host:
        await host.start(supervisor.run)
        await anyio.wait_all_tasks_blocked()
        supervisor.stop()
    (stopped,) = stage.told(ChildStopped)
    assert isinstance(stopped.error, ExceptionGroup)
    assert [str(error) for error in stopped.error.exceptions] == ["half-written"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancellation_that_nobody_asked_for_is_a_failure_not_a_silent_death(stage):
    async def awaits_a_cancelled_future(_):
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    supervisor = stage.supervisor(stage.child("a", awaits_a_cancelled_future, stage.returns), delay=0.0)
    await supervisor.run()
    (failed,) = stage.told(ChildFailed)
    assert isinstance(failed.error, ChildInterrupted)
    assert isinstance(failed.error.__cause__, asyncio.CancelledError)
    assert stage.lives["a"] == 2


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("times", [1, 2])
async def test_a_native_cancel_of_the_host_stops_every_child(stage, times):
    supervisor = stage.supervisor(stage.child("a"), stage.child("b"))
    task = asyncio.ensure_future(supervisor.run())
    await anyio.wait_all_tasks_blocked()
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stage.log == ["+a", "+b", "-b", "-a"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_native_cancel_of_a_child_that_is_being_stopped_is_no_failure(stage):
    async def act(_):
        try:
            await anyio.sleep_forever()
        finally:
            asyncio.current_task().cancel()

    supervisor = stage.supervisor(stage.child("a", act))
    async with anyio.create_task_group() as host:
        await host.start(supervisor.run)
        supervisor.stop()
    assert stage.told(ChildStopped) == [ChildStopped("root", "a", None)]
