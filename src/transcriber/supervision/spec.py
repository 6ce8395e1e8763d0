"""What a supervisor is told: its children, and what to do when one of them ends."""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from anyio.abc import TaskStatus

from transcriber.core.budget import RestartBudget


class Actor(Protocol):
    """Anything that runs. To return means "my work is done"; to raise means "restart me"."""

    async def run(self) -> None:
        """Do the work. Cancellation ends it early; clean-up may wait, for `stop_timeout` in all."""
        ...


class ReportingActor(Protocol):
    """An actor that says when it is ready, in anyio's own idiom. A `Supervisor` is one."""

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Do the work; call `task_status.started()` once what others may need from it is there."""
        ...


class Restart(Enum):
    """Which end of a child is to be followed by a new life."""

    PERMANENT = auto()
    """Every one."""
    TRANSIENT = auto()
    """A failure. To return is to be finished."""
    TEMPORARY = auto()
    """None, not even when its siblings are restarted."""


class Strategy(Enum):
    """Which children are replaced when one of them is restarted."""

    ONE_FOR_ONE = auto()
    """That one alone. Several can be in their delay at the same time."""
    REST_FOR_ONE = auto()
    """That one and those declared after it."""
    ONE_FOR_ALL = auto()
    """All of them."""


class AutoShutdown(Enum):
    """Which significant children must have ended, by themselves and for good, to end the supervisor."""

    ANY_SIGNIFICANT = auto()
    ALL_SIGNIFICANT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How to see from outside that a child is hung: it has work, and a counter stands still for `timeout` seconds.

    The time is counted in the looks of a running loop, ten in a timeout, so a loop that another task blocks, or a
    computer that sleeps, makes no child look hung. A `Link` gives all three: `pending`, `progress`, and `blame` for
    `on_hung`, which is called just before the child is cancelled. A child that waits for room further down is not
    hung either: `pending=lambda: blocks.pending() and not samples.congested()`.
    """

    pending: Callable[[], bool]
    progress: Callable[[], int]
    timeout: float
    on_hung: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """How a child comes back from a fallback to what was meant.

    While fallback number n is running, `probe` is asked every `interval` seconds whether something better would work
    now: 0 is the child as it was meant, then the fallbacks before the n-th. For the first that it says yes to, the
    life is ended in order, and the better one starts at once, with a fresh budget. A probe that raises says no.

    A child is recalled at most `max_restarts` times in any `window` (once, if that is 0), so that a device which comes
    and goes does not drag it back and forth. Where the last fallback is a `stopgap`, one that does no work, the child
    is recalled from there always.
    """

    probe: Callable[[int], Awaitable[bool]]
    interval: float = 5.0
    stopgap: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """One child: how to start it, and what its end means.

    `start` makes a fresh object for every life; it may raise, which is a failed start. Each of `fallbacks` replaces it
    when the budget is spent, with a budget of its own; `recall` says how the child comes back from them. Without any
    left, an essential child fails its supervisor; another is `FAILED`, and the rest goes on.

    A child that `reports_ready` gets `task_status` and must call `started()` within `start_timeout` seconds; until
    then no child after it is started. A child that is told to stop has `stop_timeout` seconds to clean up before the
    others go on without it: give a nested supervisor the sum of its children's, or `math.inf`.
    """

    name: str
    start: Callable[[], Actor | ReportingActor]
    fallbacks: tuple[Callable[[], Actor | ReportingActor], ...] = ()
    initial: int = 0
    """Which to begin with: 0 is `start`, then the fallbacks, if it is known that those before would not start."""
    recall: Recall | None = None
    restart: Restart = Restart.TRANSIENT
    reports_ready: bool = False
    start_timeout: float = 5.0
    stop_timeout: float = 5.0
    significant: bool = False
    essential: bool = True
    watch: Watch | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a supervisor does about failures; see `Supervisor`."""

    max_restarts: int
    window: float
    delay: float
    healthy_after: float | None

    def budget(self) -> RestartBudget:
        """Return a fresh budget."""
        return RestartBudget(max_restarts=self.max_restarts, window=self.window, healthy_after=self.healthy_after)

    def recalls(self) -> RestartBudget:
        """Return how often a child may be recalled from its fallbacks."""
        return RestartBudget(max_restarts=max(1, self.max_restarts), window=self.window)


def check(specs: Sequence[ChildSpec], policy: Policy) -> None:
    """Refuse what could never work.

    Raises:
        ValueError: a name is empty or used twice; a time is negative or not a number; a child begins with a fallback
            that it has not; a permanent child is significant; or the window is so short that a child which fails by
            time-out would be restarted for ever.

    """
    policy.budget()
    if not 0 <= policy.delay < math.inf:
        raise ValueError(f"delay must be 0 s or more, not {policy.delay}")
    names = [spec.name for spec in specs]
    for spec in specs:
        if not spec.name or names.count(spec.name) > 1:
            raise ValueError(f"the name {spec.name!r} is empty or used twice")
        _check_child(spec, policy)


def _check_child(spec: ChildSpec, policy: Policy) -> None:
    positive = [spec.start_timeout]
    if spec.watch is not None:
        positive.append(spec.watch.timeout)
    if spec.recall is not None:
        positive.append(spec.recall.interval)
    if not all(time > 0 for time in positive) or not spec.stop_timeout >= 0:
        raise ValueError(f"{spec.name}: a time must be more than 0 s")
    if not 0 <= spec.initial <= len(spec.fallbacks):
        raise ValueError(f"{spec.name}: there is no fallback number {spec.initial} to begin with")
    if spec.significant and spec.restart is Restart.PERMANENT:
        raise ValueError(f"{spec.name}: a permanent child never ends by itself, so it cannot be significant")
    slowest = (spec.start_timeout if spec.reports_ready else 0.0) + (spec.watch.timeout if spec.watch else 0.0)
    shortest = policy.max_restarts * (policy.delay + slowest)
    if slowest and policy.window <= shortest:
        raise ValueError(
            f"{spec.name}: the window must exceed max_restarts x (delay + time-outs) = {shortest:g} s, not "
            f"{policy.window:g} s, or a child that fails by time-out is restarted for ever"
        )
