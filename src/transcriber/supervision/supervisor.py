"""The supervisor: an actor that keeps other actors running."""

from collections.abc import Awaitable, Callable, Sequence

import anyio
from anyio.abc import TaskGroup, TaskStatus

from transcriber.supervision import events
from transcriber.supervision.child import Child
from transcriber.supervision.errors import SupervisionFailed
from transcriber.supervision.group import RestartGroup
from transcriber.supervision.life import Life
from transcriber.supervision.spec import AutoShutdown, ChildSpec, Policy, Strategy, check
from transcriber.supervision.tree import ChildStatus, Tree


class Supervisor:
    """Starts children in order, restarts those that fail, stops them in reverse. Trees nest: it is an actor itself.

    A child that fails is started anew after `delay` seconds, at most `max_restarts` times in any `window` seconds; a
    life that had been ready for `healthy_after` seconds clears that count. `on_event` is called in the loop with
    everything that happens; it should return at once.

    It embeds in any program: it needs a running anyio loop and nothing else, logs nothing, touches no signal, and
    ends only what it started. It cannot kill: a child that swallows its cancellation is reported and left behind, but
    `run` returns only when that task has ended.

    Raises:
        ValueError: the children or the limits could never work; see `spec.check`.

    """

    def __init__(
        self,
        name: str,
        children: Sequence[ChildSpec],
        *,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        max_restarts: int = 3,
        window: float = 60.0,
        delay: float = 0.5,
        healthy_after: float | None = None,
        on_event: Callable[[events.SupervisionEvent], None] | None = None,
        auto_shutdown: AutoShutdown = AutoShutdown.ALL_SIGNIFICANT,
    ) -> None:
        self._policy = Policy(max_restarts=max_restarts, window=window, delay=delay, healthy_after=healthy_after)
        check(children, self._policy)
        self.name = name
        self._specs = tuple(children)
        self._strategy = strategy
        self._on_event = on_event
        self._auto_shutdown = auto_shutdown
        self._children: tuple[Child, ...] = ()
        self._scope: anyio.CancelScope | None = None
        self._began = self._stopping = False
        self._failure: SupervisionFailed | None = None
        self._fatal: BaseException | None = None
        self._listener_error: Exception | None = None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the children running until `stop`, or the last of them, or the significant ones, ended.

        However it ends, by cancellation too, the children are stopped first: in reverse order, each within its
        `stop_timeout`. It runs once: a new life is a new supervisor.

        Raises:
            SupervisionFailed: a child failed more often than it may.
            KeyboardInterrupt, SystemExit, MemoryError: from a child, as it is.

        """
        if self._began:
            raise RuntimeError(f"supervisor {self.name} ran already")
        self._began = True
        async with anyio.create_task_group() as lives:
            groups = self._make_groups()
            try:
                # Here the host's cancellation arrives; the lives are shielded, and ended in order below.
                async with anyio.create_task_group() as keepers:
                    self._scope = keepers.cancel_scope
                    for group in groups:
                        if not self._stopping:
                            await self._guard(group.start, lives)
                            keepers.start_soon(self._guard, group.keep, lives)
                    if not self._stopping:
                        task_status.started()
            finally:
                with anyio.CancelScope(shield=True):
                    for child in reversed(self._children):
                        await child.stop()
        if (error := self._fatal or self._failure) is not None:
            raise error

    def stop(self) -> None:
        """End `run`, wherever it is: before or during the start, in a delay, again. From the loop's thread only."""
        self._stopping = True
        if self._scope is not None:
            self._scope.cancel()

    def tree(self) -> Tree:
        """Return what can be seen now; a value that never changes. Before `run` it has no children."""
        return Tree(
            name=self.name,
            children=tuple(_status(child) for child in self._children),
            listener_error=self._listener_error,
        )

    def _make_groups(self) -> Sequence[RestartGroup]:
        together = [self._specs] if self._strategy is not Strategy.ONE_FOR_ONE else [(spec,) for spec in self._specs]
        groups: list[RestartGroup] = []
        for specs in together:
            group = RestartGroup(self._strategy, self._child_is_over)
            group.children = tuple(self._make_child(spec, group) for spec in specs)
            groups.append(group)
        self._children = tuple(child for group in groups for child in group.children)
        return groups

    def _make_child(self, spec: ChildSpec, group: RestartGroup) -> Child:
        def on_end(life: Life) -> None:
            if life.fatal is not None:
                self._fatal = self._fatal or life.fatal
                self.stop()
            group.wake()

        return Child(spec, self._policy, supervisor=self.name, report=self._report, on_end=on_end)

    async def _guard(self, work: Callable[[TaskGroup], Awaitable[None]], lives: TaskGroup) -> None:
        try:
            await work(lives)
        except SupervisionFailed as failure:
            self._failure = self._failure or failure
            self._report(events.SupervisorEscalated(self.name, failure))
            self.stop()

    def _child_is_over(self) -> None:
        over = [child.over for child in self._children if child.spec.significant]
        enough = any if self._auto_shutdown is AutoShutdown.ANY_SIGNIFICANT else all
        if over and enough(over):
            self.stop()

    def _report(self, event: events.SupervisionEvent) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception as error:  # noqa: BLE001 - a listener's fault is no reason to end what it listens to
            self._listener_error = error


def _status(child: Child) -> ChildStatus:
    actor = child.life.actor if child.life is not None else None
    return ChildStatus(
        name=child.spec.name,
        state=child.state,
        since=child.lifecycle.since,
        lives=child.lives,
        restarts=child.restarts,
        fallback=child.fallback,
        zombies=child.zombies,
        error=child.error,
        history=child.lifecycle.history,
        tree=actor.tree() if isinstance(actor, Supervisor) else None,
    )
