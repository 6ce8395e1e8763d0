import anyio
import pytest

from transcriber.supervision import (
    AutoShutdown,
    ChildBecameZombie,
    ChildFinished,
    ChildSpec,
    ChildStopped,
    Restart,
    StartTimedOut,
    State,
    Strategy,
    SupervisionFailed,
    Supervisor,
    ZombieEnded,
)

pytestmark = pytest.mark.anyio


async def test_children_start_in_declared_order_and_stop_in_reverse(stage):
    supervisor = stage.supervisor(*(stage.child(name) for name in "abc"))
    async with anyio.create_task_group() as host:
        await host.start(supervisor.run)
        assert stage.log == ["+a", "+b", "+c"]
        supervisor.stop()
    assert stage.log == ["+a", "+b", "+c", "-c", "-b", "-a"]


async def test_a_child_is_started_only_when_the_one_before_it_is_ready(stage):
    async def slow(task_status):
        await anyio.sleep(2)
        stage.log.append("a is ready")
        task_status.started()
        await anyio.sleep_forever()

    supervisor = stage.supervisor(stage.child("a", slow, reports_ready=True), stage.child("b"))
    async with anyio.create_task_group() as host:
        await host.start(supervisor.run)
        assert stage.log == ["+a", "a is ready", "+b"]
        supervisor.stop()


@pytest.mark.parametrize("reports_ready", [True, False])
async def test_a_first_start_that_fails_stops_the_children_before_it_and_names_the_child(stage, reports_ready):
    start = stage.fails(ready=False) if reports_ready else RuntimeError("scripted")
    supervisor = stage.supervisor(
        stage.child("a"), stage.child("b", start, reports_ready=reports_ready), stage.child("c")
    )
    with pytest.raises(SupervisionFailed, match="root: b could not be started") as failure:
        await supervisor.run()
    assert (failure.value.supervisor, failure.value.child) == ("root", "b")
    assert [str(error) for error in failure.value.exceptions] == ["scripted"]
    assert stage.lives == {"a": 1, "b": 1}
    assert stage.log[-1] == "-a"
    assert [child.state for child in supervisor.tree().children] == [State.STOPPED, State.FAILED, State.PENDING]


async def test_a_first_start_that_fails_is_tried_again_where_the_rest_can_go_on_without_it(stage):
    supervisor = stage.supervisor(
        stage.child("model", RuntimeError("no network"), stage.lasts, essential=False), stage.child("capture")
    )
    async with anyio.create_task_group() as host:
        await host.start(supervisor.run)
        assert stage.log == ["+capture"]
        await anyio.sleep(0.6)
        assert stage.log == ["+capture", "+model"]
        supervisor.stop()


async def test_a_child_that_never_gets_ready_fails_at_its_start_timeout(stage):
    supervisor = stage.supervisor(stage.child("a", stage.never_ready, reports_ready=True))
    began = anyio.current_time()
    with pytest.raises(SupervisionFailed) as failure:
        await supervisor.run()
    assert anyio.current_time() - began == pytest.approx(5.0)
    assert [type(error) for error in failure.value.exceptions] == [StartTimedOut]
    assert stage.log == ["+a", "-a"]


async def test_to_say_twice_that_one_is_ready_is_the_same_as_once(stage):
    async def talkative(task_status):
        task_status.started()
        await anyio.sleep(1)
        task_status.started()

    supervisor = stage.supervisor(stage.child("a", talkative, reports_ready=True))
    await supervisor.run()
    assert [child.state for child in supervisor.tree().children] == [State.FINISHED]


async def test_a_start_that_the_host_cancels_half_way_leaves_no_orphan(stage):
    supervisor = stage.supervisor(stage.child("a"), stage.child("b", stage.never_ready, reports_ready=True))
    with anyio.move_on_after(1) as scope:
        await supervisor.run()
    assert scope.cancelled_caught
    assert stage.log == ["+a", "+b", "-b", "-a"]


async def test_the_cancellation_of_the_host_stops_the_children_in_reverse_and_goes_on_to_the_host(stage):
    supervisor = stage.supervisor(*(stage.child(name) for name in "abc"))
    with anyio.move_on_after(1) as scope:
        await supervisor.run()
    assert scope.cancelled_caught
    assert stage.log[3:] == ["-c", "-b", "-a"]


async def test_a_child_may_clean_up_after_the_host_was_cancelled(stage):
    async def tidy(_):
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(3)
                stage.log.append("tidied")

    with anyio.move_on_after(1):
        await stage.supervisor(stage.child("a"), stage.child("b", tidy)).run()
    assert stage.log == ["+a", "+b", "tidied", "-b", "-a"]


async def test_stop_is_idempotent_and_may_be_called_by_several_at_once(stage):
    supervisor = stage.supervisor(stage.child("a"), stage.child("b"))
    async with anyio.create_task_group() as host:
        await host.start(supervisor.run)

        async def stop():
            supervisor.stop()
            supervisor.stop()

        for _ in range(3):
            host.start_soon(stop)
    supervisor.stop()
    assert stage.log == ["+a", "+b", "-b", "-a"]


async def test_stop_during_the_start_ends_what_was_started_and_nothing_else_starts(stage):
    supervisor = stage.supervisor(
        stage.child("a"), stage.child("b", stage.never_ready, reports_ready=True), stage.child("c")
    )
    async with anyio.create_task_group() as host:
        host.start_soon(supervisor.run)
        await anyio.sleep(1)
        began = anyio.current_time()
        supervisor.stop()
    assert stage.log == ["+a", "+b", "-b", "-a"]
    assert anyio.current_time() == pytest.approx(began)


async def test_stop_from_a_listener_during_the_start_ends_it_before_the_next_child(stage):
    supervisor = Supervisor("root", [stage.child("a"), stage.child("b")], on_event=lambda _: supervisor.stop())
    await supervisor.run()
    assert stage.lives == {"a": 1}


async def test_stop_before_run_makes_run_return_at_once(stage):
    supervisor = stage.supervisor(stage.child("a"))
    supervisor.stop()
    await supervisor.run()
    assert not stage.lives


async def test_a_supervisor_runs_once(stage):
    supervisor = stage.supervisor(stage.child("a", stage.returns))
    await supervisor.run()
    with pytest.raises(RuntimeError, match="ran already"):
        await supervisor.run()


async def test_a_supervisor_without_children_has_nothing_to_do(stage):
    await stage.supervisor().run()
    assert not stage.events


async def test_a_supervisor_ends_when_every_child_ended(stage):
    supervisor = stage.supervisor(stage.child("a", stage.returns_after(1)), stage.child("b", stage.returns_after(9)))
    await supervisor.run()
    assert anyio.current_time() >= 9
    assert [event.child for event in stage.told(ChildFinished)] == ["a", "b"]


@pytest.mark.parametrize(
    ("mode", "seconds"), [(AutoShutdown.ALL_SIGNIFICANT, 5.0), (AutoShutdown.ANY_SIGNIFICANT, 2.0)]
)
async def test_a_supervisor_ends_when_its_significant_children_did(stage, mode, seconds):
    supervisor = stage.supervisor(
        stage.child("monitoring", restart=Restart.PERMANENT),
        stage.child("them", stage.returns_after(2), significant=True),
        stage.child("me", stage.returns_after(5), significant=True),
        auto_shutdown=mode,
    )
    began = anyio.current_time()
    await supervisor.run()
    assert anyio.current_time() - began == pytest.approx(seconds)
    assert stage.log[-1] == "-monitoring"


async def test_a_significant_child_that_failed_for_good_does_not_keep_the_rest_alive(stage):
    supervisor = stage.supervisor(
        stage.child("monitoring"),
        stage.child("me", stage.fails(), significant=True, essential=False),
        max_restarts=0,
    )
    await supervisor.run()
    assert [child.state for child in supervisor.tree().children] == [State.STOPPED, State.FAILED]


async def test_a_child_that_ignores_cancellation_is_reported_and_the_others_are_closed_in_time(stage):
    over = anyio.Event()
    supervisor = stage.supervisor(
        stage.child("a"), stage.child("b", stage.ignores_cancellation(over), stop_timeout=2.0), stage.child("c")
    )
    async with anyio.create_task_group() as host:
        await host.start(supervisor.run)
        began = anyio.current_time()
        supervisor.stop()
        await anyio.sleep(2.1)
        assert stage.log == ["+a", "+b", "+c", "-c", "-a"]
        assert anyio.current_time() - began == pytest.approx(2.1)
        assert [event.child for event in stage.told(ChildBecameZombie)] == ["b"]
        status = supervisor.tree().children[1]
        assert (status.state, status.zombies) == (State.ZOMBIE, 1)
        over.set()
    status = supervisor.tree().children[1]
    assert (status.state, status.zombies) == (State.STOPPED, 0)
    assert stage.told(ZombieEnded) == [ZombieEnded("root", "b", None)]


async def test_an_error_in_clean_up_is_reported_and_the_rest_is_stopped(stage):
    error = OSError("disk")
    supervisor = stage.supervisor(stage.child("a"), stage.child("b", stage.fails_in_cleanup(error)))
    async with anyio.create_task_group() as host:
        await host.start(supervisor.run)
        supervisor.stop()
    assert stage.log == ["+a", "+b", "-b", "-a"]
    assert stage.told(ChildStopped) == [ChildStopped("root", "b", error), ChildStopped("root", "a", None)]


async def test_a_child_that_stops_its_supervisor_and_returns_is_finished(stage):
    async def act(_):
        supervisor.stop()

    supervisor = stage.supervisor(stage.child("a", act), stage.child("b"))
    await supervisor.run()
    assert supervisor.tree().children[0].state is State.FINISHED


async def test_the_tree_shows_what_is_below_and_never_changes(stage):
    inner = stage.supervisor(stage.child("capture"), name="track")
    outer = stage.supervisor(ChildSpec(name="them", start=lambda: inner, reports_ready=True), stage.child("engine"))
    assert outer.tree().children == ()
    async with anyio.create_task_group() as host:
        await host.start(outer.run)
        before = outer.tree()
        await anyio.sleep(7)
        outer.stop()
    them, engine = before.children
    assert them.tree is not None
    assert [(child.name, child.state) for child in them.tree.children] == [("capture", State.RUNNING)]
    assert (engine.name, engine.state, engine.tree, engine.lives, engine.restarts) == (
        "engine",
        State.RUNNING,
        None,
        1,
        0,
    )
    assert outer.tree().children[1].since == pytest.approx(before.children[1].since + 7)


async def test_a_nested_supervisor_that_is_stopped_during_its_start_is_finished(stage):
    inner = stage.supervisor(stage.child("x", stage.never_ready, reports_ready=True), name="inner")
    outer = stage.supervisor(ChildSpec(name="inner", start=lambda: inner, reports_ready=True))
    async with anyio.create_task_group() as host:
        host.start_soon(outer.run)
        await anyio.sleep(1)
        inner.stop()
    assert outer.tree().children[0].state is State.FINISHED


@pytest.mark.parametrize("strategy", Strategy)
async def test_every_strategy_starts_and_stops_in_order(stage, strategy):
    supervisor = stage.supervisor(*(stage.child(name) for name in "abc"), strategy=strategy)
    async with anyio.create_task_group() as host:
        await host.start(supervisor.run)
        supervisor.stop()
    assert stage.log == ["+a", "+b", "+c", "-c", "-b", "-a"]
