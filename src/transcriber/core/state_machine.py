"""A state machine: a table says which state may follow which, and every attempt is remembered.

Nothing here knows a clock: whoever moves it says when. Times are seconds on any clock that only grows.

>>> from enum import StrEnum
>>> class Door(StrEnum):
...     OPEN = "open"
...     CLOSED = "closed"
...     LOCKED = "locked"
>>> table = {
...     Door.OPEN: frozenset({Door.CLOSED}),
...     Door.CLOSED: frozenset({Door.OPEN, Door.LOCKED}),
...     Door.LOCKED: frozenset({Door.CLOSED}),
... }
>>> door = StateMachine(table, Door.OPEN, at=0.0)
>>> door.move(Door.LOCKED, at=1.0)
Traceback (most recent call last):
transcriber.core.state_machine.IllegalTransition: open to locked
>>> door.move(Door.CLOSED, at=2.0, reason="it is cold")
>>> with door.moving(Door.LOCKED, lambda: 3.0):
...     raise OSError("the key does not fit")
Traceback (most recent call last):
OSError: the key does not fit
>>> door.state.value, door.since
('closed', 2.0)
>>> [(step.after.value, step.accepted, step.reason) for step in door.history[2:]]
[('locked', True, ''), ('closed', True, 'OSError')]
"""

from collections import deque
from collections.abc import Callable, Generator, Hashable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

HISTORY = 32
"""Attempts that are remembered: a full budget of restarts with its fallback, several times over."""

type Table[S: Hashable] = Mapping[S, frozenset[S]]
"""For each state, those that may follow it. A state that none may follow has an empty row."""


@dataclass(frozen=True, slots=True)
class Transition[S: Hashable]:
    """An attempt to go from one state to another; `accepted` says whether it was made."""

    at: float
    before: S
    after: S
    accepted: bool
    reason: str = ""


class IllegalTransition(Exception):  # noqa: N818 - says what was attempted, as `SupervisionFailed` says what happened
    """The table does not allow it. The state is what it was."""


class StateMachine[S: Hashable]:
    """Is in one state of its table at any time. The newest `history` attempts are kept, those refused as well."""

    def __init__(self, table: Table[S], state: S, at: float, *, history: int = HISTORY) -> None:
        self.state = state
        self.since = at
        self._table = table
        self._came_from = (state, at)
        self._history: deque[Transition[S]] = deque(maxlen=history)

    @property
    def history(self) -> tuple[Transition[S], ...]:
        """The latest attempts, oldest first."""
        return tuple(self._history)

    def allows(self, after: S) -> bool:
        """Whether the table allows to go to this state now."""
        return after in self._table[self.state]

    def move(self, after: S, at: float, reason: str = "") -> None:
        """Go to another state.

        Raises:
            IllegalTransition: the table does not allow it; the attempt is in the history, the state is unchanged.

        """
        accepted = self.allows(after)
        self._history.append(Transition(at, self.state, after, accepted, reason))
        if not accepted:
            raise IllegalTransition(f"{self.state} to {after}")
        self._came_from = (self.state, self.since)
        self.state, self.since = after, at

    def roll_back(self, at: float, reason: str = "") -> None:
        """Take back the last move that was made: the state and its `since` are what they were. Twice is as once."""
        before = self.state
        self.state, self.since = self._came_from
        self._history.append(Transition(at, before, self.state, accepted=True, reason=reason))

    @contextmanager
    def moving(self, after: S, now: Callable[[], float], reason: str = "") -> Generator[None]:
        """Go to another state by what the block does: if it raises, all that was moved since is taken back.

        The type of what it raised is the reason of the roll-back in the history.

        Raises:
            IllegalTransition: the table does not allow it; the block does not begin.

        """
        self.move(after, now(), reason)
        came_from = self._came_from
        try:
            yield
        except BaseException as error:
            self._came_from = came_from
            self.roll_back(now(), type(error).__name__)
            raise
