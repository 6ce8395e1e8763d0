"""The states of a child, and which may follow which.

A start that fails rolls back to where the child stood; what follows from the failure is decided from there.
"""

from enum import StrEnum
from typing import Final

from transcriber.core.state_machine import StateMachine, Table


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
TRANSITIONS: Final[Table[State]] = {
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


class Lifecycle(StateMachine[State]):
    """The state of one child. The caller gives the time."""

    def __init__(self, at: float) -> None:
        super().__init__(TRANSITIONS, State.PENDING, at)
