"""A child over all its lives: start, watch, stop, and what follows when a life ends."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress

import anyio
from anyio.abc import TaskGroup

from transcriber.supervision import events
from transcriber.supervision.errors import ChildHung, ChildReturned, StartTimedOut, SupervisionFailed
from transcriber.supervision.life import Life
from transcriber.supervision.lifecycle import Lifecycle, State
from transcriber.supervision.spec import ChildSpec, Policy, Recall, Restart, Watch

_LOOKS = 10
"""Looks in one `Watch.timeout`: a hang is seen after 1.0 to 1.1 of it."""


class Child:
    """Carries out what its group decides, and tells `report` what happened."""

    def __init__(
        self,
        spec: ChildSpec,
        policy: Policy,
        *,
        supervisor: str,
        report: Callable[[events.SupervisionEvent], None],
        on_end: Callable[[Life], None],
    ) -> None:
        self.spec = spec
        self.life: Life | None = None
        self.lifecycle = Lifecycle(anyio.current_time())
        self.lives = self.restarts = self.zombies = 0
        self.fallback = spec.initial
        self.error: Exception | None = None
        self.pause = 0.0
        """Seconds to wait before the next life."""
        self._names = (supervisor, spec.name)
        self._policy = policy
        self._starts = (spec.start, *spec.fallbacks)
        self._budget = policy.budget()
        self._recalls = policy.recalls()
        self._failures: deque[Exception] = deque(maxlen=policy.max_restarts + 1)
        self._report = report
        self._on_end = on_end

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.lifecycle.state

    @property
    def over(self) -> bool:
        """Whether it ended for good by itself."""
        return self.state in {State.FINISHED, State.FAILED}

    @property
    def startable(self) -> bool:
        """Whether the next round of starts is to start it."""
        match self.state:
            case State.PENDING | State.WAITING:
                return True
            case State.STOPPED | State.ZOMBIE:
                return self.spec.restart is not Restart.TEMPORARY
            case _:
                return False

    @property
    def down(self) -> bool:
        """Whether a life has come to an end, or will never, that `conclude` has not seen."""
        return self.state is State.RUNNING and self.life is not None and (self.life.ended or self.life.abandoned)

    async def start(self, lives: TaskGroup) -> bool:
        """Begin a life and wait until it is ready. False if that failed: `conclude` says what follows."""
        self._move(State.STARTING)
        self.lives += 1
        start = self._starts[self.fallback]
        life = self.life = Life(self.spec.name, start, reports=self.spec.reports_ready, on_end=self._ended)
        self._report(events.ChildStarted(*self._names, self.lives, self.fallback))
        lives.start_soon(life.run, name="/".join(self._names))
        with anyio.move_on_after(self.spec.start_timeout):
            await life.wait_settled()
        if life.ready_at is None and not life.ended:
            limit = self.spec.start_timeout
            await self._condemn(life, StartTimedOut(f"{self.spec.name} was not ready within {limit:g} s"))
        if life.error is not None and (life.ready_at is None or life.condemned):
            self.lifecycle.roll_back(anyio.current_time())
            return False
        self._move(State.RUNNING)
        if life.ready_at is not None:
            self._report(events.ChildReady(*self._names))
        if self.spec.watch is not None:
            lives.start_soon(self._watch, life, self.spec.watch, name="/".join((*self._names, "watch")))
        if self.spec.recall is not None and self.fallback:
            lives.start_soon(self._recall, life, self.spec.recall, name="/".join((*self._names, "recall")))
        return True

    async def stop(self) -> None:
        """End the life, if there is one, within `stop_timeout`."""
        if self.state is State.WAITING:
            self._move(State.STOPPED)
        life = self.life
        if life is None or self.state not in {State.STARTING, State.RUNNING, State.STOPPING}:
            return
        if self.down and life.fatal is not None:
            self._move(State.FAILED)
            return
        if self.state is not State.STOPPING:
            self._move(State.STOPPING)
        if life.returned and self.spec.restart is not Restart.PERMANENT:
            self._finish()
        elif await self._end(life):
            self._move(State.STOPPED)
            self._report(events.ChildStopped(*self._names, life.error))
        else:
            self._move(State.ZOMBIE)

    def conclude(self, *, at_first_start: bool) -> bool:
        """Say whether a life that ended is to be followed by another.

        Raises:
            SupervisionFailed: it should be, and may not.

        """
        life = self.life
        if life is None or life.fatal is not None:
            self._move(State.FAILED)
            return False
        if life.successor is not None:
            self._hand_over(life.successor, life.error)
            return True
        if life.error is None and self.spec.restart is not Restart.PERMANENT:
            self._finish()
            return False
        now = anyio.current_time()
        error = life.error or ChildReturned(f"{self.spec.name} returned, and is permanent")
        self.error = error
        self._failures.append(error)
        self._report(events.ChildFailed(*self._names, error))
        hopeless = at_first_start and self.spec.essential and not self.spec.fallbacks
        if not hopeless and self.spec.restart is not Restart.TEMPORARY:
            if self._budget.spend(now, healthy=0.0 if life.ready_at is None else now - life.ready_at):
                self._wait()
                attempt, limit = self._budget.spent, self._policy.max_restarts
                self._report(events.ChildRestarting(*self._names, attempt, limit, self._policy.delay))
                return True
            if self.fallback < len(self.spec.fallbacks):
                self._wait()
                self.fallback += 1
                self._budget = self._policy.budget()
                self._report(events.ChildFellBack(*self._names, self.fallback, self._policy.delay))
                return True
        self._move(State.FAILED)
        if self.spec.essential and (hopeless or self.spec.restart is not Restart.TEMPORARY):
            raise self._failure(hopeless=hopeless)
        self._report(events.ChildGivenUp(*self._names, error))
        return False

    def _failure(self, *, hopeless: bool) -> SupervisionFailed:
        supervisor, name = self._names
        how = "could not be started" if hopeless else f"has no restart left; failures: {len(self._failures)}"
        return SupervisionFailed.of(supervisor, name, how, tuple(self._failures))

    def _wait(self) -> None:
        self.restarts += 1
        self.pause = self._policy.delay
        self._move(State.WAITING)

    def _hand_over(self, successor: int, error: Exception | None) -> None:
        """Have something better than the fallback in use started next; nothing failed, so nothing has to settle."""
        self._report(events.ChildStopped(*self._names, error))
        self.fallback = successor
        self._budget = self._policy.budget()
        self.pause = 0.0
        self._move(State.WAITING)
        self._report(events.ChildRecalled(*self._names, successor))

    def _finish(self) -> None:
        self._move(State.FINISHED)
        self._report(events.ChildFinished(*self._names))

    def _move(self, state: State) -> None:
        self.lifecycle.move(state, anyio.current_time())

    async def _condemn(self, life: Life, error: Exception) -> None:
        life.condemned = error
        if not await self._end(life):
            self._on_end(life)

    async def _end(self, life: Life) -> bool:
        if await life.end(self.spec.stop_timeout):
            return True
        if not life.abandoned:
            life.abandoned = True
            self.zombies += 1
            self._report(events.ChildBecameZombie(*self._names))
        return False

    def _ended(self, life: Life) -> None:
        if life.abandoned:
            self.zombies -= 1
            self._report(events.ZombieEnded(*self._names, life.error))
            if self.life is life and self.state is State.ZOMBIE:
                self._move(State.STOPPED)
        self._on_end(life)

    async def _watch(self, life: Life, watch: Watch) -> None:
        try:
            hung = await _is_hung(life, watch)
            if hung and watch.on_hung is not None:
                watch.on_hung()
        except Exception as error:  # noqa: BLE001 - a watch that fails tells nothing: the child is replaced
            await self._condemn(life, error)
            return
        if hung:
            await self._condemn(life, ChildHung(f"{self.spec.name} made no progress for {watch.timeout:g} s"))

    async def _recall(self, life: Life, recall: Recall) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._look_for_better, life, recall)
            await life.wait_ended()
            tasks.cancel_scope.cancel()

    async def _look_for_better(self, life: Life, recall: Recall) -> None:
        better = None
        while better is None:
            await anyio.sleep(recall.interval)
            better = await self._better(recall)
        if not life.ending:
            life.successor = better
            if not await self._end(life):
                self._on_end(life)

    async def _better(self, recall: Recall) -> int | None:
        unlimited = recall.stopgap and self.fallback == len(self.spec.fallbacks)
        if not unlimited and not self._recalls.allows(anyio.current_time()):
            return None
        for option in range(self.fallback):
            with suppress(Exception):
                if await recall.probe(option):
                    return option if unlimited or self._recalls.spend(anyio.current_time()) else None
        return None


async def _is_hung(life: Life, watch: Watch) -> bool:
    progress, still = watch.progress(), 0
    while still < _LOOKS:
        with anyio.move_on_after(watch.timeout / _LOOKS):
            await life.wait_ended()
        if life.ending or life.ended:
            return False
        before, progress = progress, watch.progress()
        still = still + 1 if watch.pending() and progress == before else 0
    return True
