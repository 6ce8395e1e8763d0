"""What can be seen of a supervisor: immutable values, for a status page or a report."""

from dataclasses import dataclass

from transcriber.core.state_machine import Transition
from transcriber.supervision.lifecycle import State


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildStatus:
    """A child as it is now. Times are the loop's own (`anyio.current_time`)."""

    name: str
    state: State
    since: float
    lives: int
    """Starts so far, also of fallbacks and after a sibling's failure."""
    restarts: int
    """Restarts that its own failures led to."""
    fallback: int
    """Which fallback is in use, from 1; 0 is the child as it was meant."""
    zombies: int
    """Former lives that would not die."""
    error: Exception | None
    """The last failure."""
    history: tuple[Transition[State], ...]
    tree: "Tree | None"
    """What is below, if the child is a supervisor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A supervisor and its children, in the order of their declaration."""

    name: str
    children: tuple[ChildStatus, ...]
    listener_error: Exception | None
    """The last error that `on_event` raised; it changed nothing else."""
