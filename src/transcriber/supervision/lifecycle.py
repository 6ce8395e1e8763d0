"""The states of a child, and which may follow which: a table, and a record of every attempt to leave one.

A start that fails rolls back to where the child stood; what follows from the failure is decided from there.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a child stands."""

    PENDING = "pending"
    """Declared, and not started yet."""
    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    """In the delay before a restart."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    """By the supervisor."""
    ZOMBIE = "zombie"
    """Told to stop, and still running."""
    FINISHED = "finished"
    FAILED = "failed"


_AFTER_A_FAILED_START: Final = frozenset({State.STARTING, State.WAITING, State.FAILED})
TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    State.PENDING: _AFTER_A_FAILED_START,
    State.STARTING: frozenset({State.RUNNING, State.STOPPING}),
    State.RUNNING: frozenset({State.WAITING, State.STOPPING, State.FINISHED, State.FAILED}),
    State.WAITING: _AFTER_A_FAILED_START | {State.STOPPED},
    State.STOPPING: frozenset({State.STOPPED, State.ZOMBIE, State.FINISHED}),
    State.STOPPED: _AFTER_A_FAILED_START,
    State.ZOMBIE: _AFTER_A_FAILED_START | {State.STOPPED},
    State.FINISHED: frozenset(),
    State.FAILED: frozenset(),
}
HISTORY: Final = 32
"""Transitions that are remembered: a full budget of restarts with its fallback, several times over."""


@dataclass(frozen=True, slots=True)
class Transition:
    """An attempt to go from one state to another at a monotonic time; `accepted` says whether it was made."""

    at: float
    before: State
    after: State
    accepted: bool


class IllegalTransition(Exception):  # noqa: N818 - as `SupervisionFailed`
    """The table does not allow it. The state is what it was."""


class Lifecycle:
    """The state of one child. The caller gives the time."""

    def __init__(self, at: float) -> None:
        self.state = State.PENDING
        self.since = at
        self._came_from = (State.PENDING, at)
        self._history: deque[Transition] = deque(maxlen=HISTORY)

    @property
    def history(self) -> tuple[Transition, ...]:
        """The latest attempts, oldest first; those that were refused too."""
        return tuple(self._history)

    def move(self, after: State, at: float) -> None:
        """Go to another state.

        Raises:
            IllegalTransition: the table does not allow it; the attempt is in the history, the state is unchanged.

        """
        accepted = after in TRANSITIONS[self.state]
        self._history.append(Transition(at, self.state, after, accepted))
        if not accepted:
            raise IllegalTransition(f"{self.state} to {after}")
        self._came_from = (self.state, self.since)
        self.state, self.since = after, at

    def roll_back(self, at: float) -> None:
        """Take back the last move that was made: the state and its `since` are what they were. Twice is as once."""
        before = self.state
        self.state, self.since = self._came_from
        self._history.append(Transition(at, before, self.state, accepted=True))
