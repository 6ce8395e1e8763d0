import anyio
import pytest

from transcriber.supervision import (
    ChildFailed,
    ChildFellBack,
    ChildFinished,
    ChildGivenUp,
    ChildRestarting,
    ChildReturned,
    ChildSpec,
    ChildStarted,
    ChildStopped,
    Restart,
    State,
    Strategy,
    SupervisionFailed,
    SupervisorEscalated,
)

pytestmark = pytest.mark.anyio


def states(supervisor):
    return {child.name: child.state for child in supervisor.tree().children}


async def test_a_permanent_child_that_returns_is_restarted(stage):
    supervisor = stage.supervisor(stage.child("a", stage.returns, stage.lasts, restart=Restart.PERMANENT))
    await stage.run_for(10, supervisor)
    assert stage.lives["a"] == 2
    assert [type(event.error) for event in stage.told(ChildFailed)] == [ChildReturned]


async def test_a_permanent_child_that_returns_again_and_again_escalates(stage):
    supervisor = stage.supervisor(stage.child("a", stage.returns, restart=Restart.PERMANENT))
    with pytest.raises(SupervisionFailed) as failure:
        await supervisor.run()
    assert [type(error) for error in failure.value.exceptions] == [ChildReturned] * 4


async def test_a_transient_child_is_restarted_after_an_error_only(stage):
    supervisor = stage.supervisor(stage.child("a", stage.fails(), stage.returns))
    await supervisor.run()
    assert stage.lives["a"] == 2
    assert states(supervisor) == {"a": State.FINISHED}


async def test_a_temporary_child_is_never_restarted_and_its_failure_is_told(stage):
    supervisor = stage.supervisor(
        stage.child("failing", stage.fails(), restart=Restart.TEMPORARY),
        stage.child("returning", stage.returns, restart=Restart.TEMPORARY),
    )
    await supervisor.run()
    assert stage.lives == {"failing": 1, "returning": 1}
    assert states(supervisor) == {"failing": State.FAILED, "returning": State.FINISHED}
    assert [event.child for event in stage.told(ChildGivenUp)] == ["failing"]


async def test_a_temporary_child_is_not_restarted_as_a_bystander(stage):
    supervisor = stage.supervisor(
        stage.child("a", stage.fails(1), stage.returns_after(9)),
        stage.child("b", restart=Restart.TEMPORARY),
        strategy=Strategy.ONE_FOR_ALL,
    )
    await supervisor.run()
    assert stage.lives == {"a": 2, "b": 1}
    assert states(supervisor) == {"a": State.FINISHED, "b": State.STOPPED}


async def test_a_child_that_finished_is_not_restarted_as_a_bystander(stage):
    supervisor = stage.supervisor(
        stage.child("a", stage.returns), stage.child("b", stage.fails(1), stage.returns), strategy=Strategy.ONE_FOR_ALL
    )
    await supervisor.run()
    assert stage.lives == {"a": 1, "b": 2}
    assert states(supervisor) == {"a": State.FINISHED, "b": State.FINISHED}


async def test_one_for_one_leaves_the_siblings_alone(stage):
    supervisor = stage.supervisor(
        stage.child("a"), stage.child("b", stage.fails(1), stage.lasts), stage.child("c"), max_restarts=1
    )
    await stage.run_for(10, supervisor)
    assert stage.log == ["+a", "+b", "+c", "-b", "+b", "-c", "-b", "-a"]


async def test_one_for_one_restarts_do_not_wait_for_each_other(stage):
    supervisor = stage.supervisor(
        stage.child("engine", stage.fails(1), stage.never_ready, reports_ready=True),
        stage.child("capture", stage.fails(2), stage.lasts),
    )
    await stage.run_for(3, supervisor)
    assert stage.log[:6] == ["+engine", "+capture", "-engine", "+engine", "-capture", "+capture"]


async def test_one_for_all_replaces_every_child_in_order(stage):
    supervisor = stage.supervisor(
        stage.child("a"),
        stage.child("b", stage.fails(1), stage.lasts),
        stage.child("c"),
        strategy=Strategy.ONE_FOR_ALL,
    )
    await stage.run_for(10, supervisor)
    assert stage.log == ["+a", "+b", "+c", "-b", "-c", "-a", "+a", "+b", "+c", "-c", "-b", "-a"]
    assert [(child.lives, child.restarts) for child in supervisor.tree().children] == [(2, 0), (2, 1), (2, 0)]


async def test_rest_for_one_replaces_the_later_children_in_order(stage):
    supervisor = stage.supervisor(
        stage.child("a"),
        stage.child("b", stage.fails(1), stage.lasts),
        stage.child("c"),
        stage.child("d"),
        strategy=Strategy.REST_FOR_ONE,
    )
    await stage.run_for(10, supervisor)
    assert stage.log == ["+a", "+b", "+c", "+d", "-b", "-d", "-c", "+b", "+c", "+d", "-d", "-c", "-b", "-a"]


async def test_a_second_failure_during_a_one_for_all_restart_stops_what_was_restarted_and_tries_again(stage):
    supervisor = stage.supervisor(
        stage.child("a"),
        stage.child("b", stage.lasts, RuntimeError("not yet"), stage.lasts),
        stage.child("c", stage.fails(1), stage.lasts),
        strategy=Strategy.ONE_FOR_ALL,
    )
    await stage.run_for(10, supervisor)
    assert stage.log == ["+a", "+b", "+c", "-c", "-b", "-a", "+a", "-a", "+a", "+b", "+c", "-c", "-b", "-a"]
    assert [event.child for event in stage.told(ChildFailed)] == ["c", "b"]


async def test_a_first_start_that_fails_in_a_group_replaces_the_group(stage):
    supervisor = stage.supervisor(
        stage.child("a"),
        stage.child("b", RuntimeError("not yet"), stage.lasts, essential=False),
        stage.child("c"),
        strategy=Strategy.ONE_FOR_ALL,
    )
    await stage.run_for(10, supervisor)
    assert stage.log == ["+a", "-a", "+a", "+b", "+c", "-c", "-b", "-a"]


async def test_children_that_fail_together_in_a_group_count_as_one_restart(stage):
    supervisor = stage.supervisor(
        stage.child("a", stage.fails(1), stage.lasts),
        stage.child("b", stage.fails(1), stage.lasts),
        strategy=Strategy.ONE_FOR_ALL,
    )
    await stage.run_for(10, supervisor)
    assert stage.lives == {"a": 2, "b": 2}
    assert len(stage.told(ChildRestarting)) == 1


async def test_a_child_that_starts_failing_for_good_does_not_hold_the_group(stage):
    supervisor = stage.supervisor(
        stage.child("a", stage.fails(1), stage.lasts),
        stage.child("b", stage.lasts, RuntimeError("gone"), essential=False),
        stage.child("c"),
        strategy=Strategy.ONE_FOR_ALL,
        max_restarts=1,
    )
    await stage.run_for(20, supervisor)
    assert states(supervisor) == {"a": State.STOPPED, "b": State.FAILED, "c": State.STOPPED}
    assert stage.log == ["+a", "+b", "+c", "-a", "-c", "-b", "+a", "-a", "+a", "+c", "-c", "-a"]


async def test_the_fourth_failure_in_the_window_escalates(stage):
    supervisor = stage.supervisor(stage.child("bystander"), stage.child("a", stage.fails(1)))
    began = anyio.current_time()
    with pytest.raises(SupervisionFailed, match="root: a has no restart left; failures: 4") as failure:
        await supervisor.run()
    assert anyio.current_time() - began == pytest.approx(4 * 1 + 3 * 0.5)
    assert len(failure.value.exceptions) == 4
    assert [(event.attempt, event.limit, event.delay) for event in stage.told(ChildRestarting)] == [
        (1, 3, 0.5),
        (2, 3, 0.5),
        (3, 3, 0.5),
    ]
    assert stage.log[-1] == "-bystander"
    assert [event.failure for event in stage.told(SupervisorEscalated)] == [failure.value]


async def test_failures_farther_apart_than_the_window_never_escalate(stage):
    supervisor = stage.supervisor(stage.child("a", stage.fails(21)), window=60.0)
    await stage.run_for(3600, supervisor)
    assert stage.lives["a"] == 168


async def test_a_start_that_fails_spends_the_budget(stage):
    supervisor = stage.supervisor(stage.child("a", stage.fails(1), OSError("busy")))
    with pytest.raises(SupervisionFailed) as failure:
        await supervisor.run()
    assert [type(error) for error in failure.value.exceptions] == [RuntimeError, OSError, OSError, OSError]


async def test_failures_that_take_as_long_as_a_start_may_still_escalate(stage):
    supervisor = stage.supervisor(stage.child("a", stage.fails(1), stage.never_ready, reports_ready=True))
    began = anyio.current_time()
    with pytest.raises(SupervisionFailed):
        await supervisor.run()
    assert anyio.current_time() - began == pytest.approx(1 + 3 * 5.5)


async def test_every_child_has_a_budget_of_its_own(stage):
    acts = [stage.fails(1)] * 3 + [stage.lasts]
    supervisor = stage.supervisor(*(stage.child(name, *acts) for name in "abc"))
    await stage.run_for(30, supervisor)
    assert stage.lives == {"a": 4, "b": 4, "c": 4}


async def test_time_is_the_loops_own_and_the_wall_clock_means_nothing(stage, monkeypatch):
    monkeypatch.setattr("time.time", iter(range(0, -(10**9), -86_400)).__next__)
    supervisor = stage.supervisor(stage.child("a", stage.fails(1), stage.lasts))
    await stage.run_for(1.4, supervisor)
    assert stage.lives["a"] == 1
    stage.lives.clear()
    await stage.run_for(1.6, stage.supervisor(stage.child("a", stage.fails(1), stage.lasts)))
    assert stage.lives["a"] == 2


async def test_no_restarts_allowed_escalates_at_once(stage):
    supervisor = stage.supervisor(stage.child("a", stage.fails()), max_restarts=0)
    with pytest.raises(SupervisionFailed, match="failures: 1"):
        await supervisor.run()
    assert stage.lives["a"] == 1


async def test_stop_during_the_delay_returns_at_once(stage):
    supervisor = stage.supervisor(stage.child("a", stage.fails()), delay=50.0, window=1000.0)
    async with anyio.create_task_group() as host:
        host.start_soon(supervisor.run)
        await anyio.sleep(1)
        assert states(supervisor) == {"a": State.WAITING}
        began = anyio.current_time()
        supervisor.stop()
    assert anyio.current_time() == began
    assert states(supervisor) == {"a": State.STOPPED}


async def test_stop_in_a_restart_loop_returns_at_once(stage):
    def stop_at_the_tenth(_):
        if stage.lives["a"] == 10:
            supervisor.stop()

    supervisor = stage.supervisor(
        stage.child("a", stage.fails()), delay=0.0, max_restarts=10**6, on_event=stop_at_the_tenth
    )
    await supervisor.run()
    assert stage.lives["a"] == 10


async def test_a_healthy_spell_clears_the_budget_and_a_mere_start_does_not(stage):
    acts = [stage.fails(1)] * 3 + [stage.fails(11)] + [stage.fails(1)] * 2 + [stage.returns]
    await stage.supervisor(stage.child("a", *acts), window=1000.0, healthy_after=10.0).run()
    assert stage.lives["a"] == 7
    with pytest.raises(SupervisionFailed):
        await stage.supervisor(stage.child("b", *acts), window=1000.0, healthy_after=12.0).run()


async def test_a_start_that_fails_is_no_healthy_spell_however_long_it_took(stage):
    supervisor = stage.supervisor(
        stage.child("a", stage.fails(1), stage.fails(4, ready=False), reports_ready=True), healthy_after=0.5
    )
    with pytest.raises(SupervisionFailed, match="failures: 4"):
        await supervisor.run()


async def test_fallbacks_are_tried_in_order_each_with_a_fresh_budget_then_it_escalates(stage):
    supervisor = stage.supervisor(
        ChildSpec(
            name="capture",
            start=lambda: stage.enter("device", (stage.fails(1),)),
            fallbacks=(
                lambda: stage.enter("fallback", (stage.fails(1),)),
                lambda: stage.enter("silence", (stage.fails(1),)),
            ),
        ),
        max_restarts=1,
    )
    with pytest.raises(SupervisionFailed):
        await supervisor.run()
    assert stage.lives == {"device": 2, "fallback": 2, "silence": 2}
    assert stage.told(ChildFellBack) == [
        ChildFellBack("root", "capture", 1, 0.5),
        ChildFellBack("root", "capture", 2, 0.5),
    ]
    assert supervisor.tree().children[0].fallback == 2
    assert [(started.life, started.fallback) for started in stage.told(ChildStarted)] == [
        *((1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (6, 2)),
    ]


async def test_a_first_start_that_fails_may_use_the_fallback(stage):
    supervisor = stage.supervisor(
        ChildSpec(
            name="capture",
            start=lambda: stage.enter("device", (OSError("unplugged"),)),
            fallbacks=(lambda: stage.enter("fallback", (stage.returns,)),),
        )
    )
    await supervisor.run()
    assert stage.lives == {"device": 4, "fallback": 1}


async def test_a_child_that_is_not_essential_fails_alone(stage):
    supervisor = stage.supervisor(stage.child("monitoring", stage.fails(), essential=False), stage.child("capture"))
    await stage.run_for(100, supervisor)
    assert states(supervisor) == {"monitoring": State.FAILED, "capture": State.STOPPED}
    assert [event.child for event in stage.told(ChildGivenUp)] == ["monitoring"]
    assert stage.lives["capture"] == 1


async def test_every_life_is_a_fresh_object(stage):
    seen = []
    supervisor = stage.supervisor(
        ChildSpec(name="a", start=lambda: seen.append(stage.enter("a", (stage.fails(), stage.returns))) or seen[-1])
    )
    await supervisor.run()
    assert seen[0] is not seen[1]
    assert [event.child for event in stage.told(ChildFinished)] == ["a"]


async def test_a_bystander_that_fails_while_it_is_stopped_is_reported_and_restarted(stage):
    error = OSError("half-written")
    supervisor = stage.supervisor(
        stage.child("a", stage.fails(1), stage.lasts),
        stage.child("b", stage.fails_in_cleanup(error), stage.lasts),
        strategy=Strategy.ONE_FOR_ALL,
    )
    await stage.run_for(10, supervisor)
    assert stage.told(ChildStopped, "b")[0].error is error
    assert stage.lives == {"a": 2, "b": 2}


async def test_a_bystander_that_finishes_as_the_group_is_replaced_stays_finished(stage):
    supervisor = stage.supervisor(
        stage.child("a", stage.fails(1), stage.returns),
        stage.child("b", stage.returns_after(1)),
        strategy=Strategy.ONE_FOR_ALL,
    )
    await supervisor.run()
    assert stage.lives == {"a": 2, "b": 1}
    assert states(supervisor) == {"a": State.FINISHED, "b": State.FINISHED}


async def test_the_host_may_cancel_while_a_group_is_being_replaced(stage):
    over = anyio.Event()
    supervisor = stage.supervisor(
        stage.child("a"),
        stage.child("b", stage.ignores_cancellation(over)),
        stage.child("c", stage.fails(1), stage.lasts),
        strategy=Strategy.ONE_FOR_ALL,
    )
    async with anyio.create_task_group() as host:
        host.start_soon(stage.run_for, 2, supervisor)
        await anyio.sleep(3)
        assert stage.log == ["+a", "+b", "+c", "-c"]
        over.set()
    assert stage.log == ["+a", "+b", "+c", "-c", "-b", "-a"]
    assert stage.lives == {"a": 1, "b": 1, "c": 1}
