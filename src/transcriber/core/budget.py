"""How often something may fail before it is given up: a sliding window on a clock that the caller reads."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class RestartBudget:
    """Allows `max_restarts` restarts in any `window` seconds, as the restart intensity of Erlang/OTP does.

    The caller gives the time of every failure, from one monotonic clock that never goes back. Forgetting is by time
    alone: a start that succeeds gives nothing back; `healthy_after` seconds of good life do, all at once (by default
    as long as the window, which then only slides).

    >>> budget = RestartBudget(max_restarts=1, window=60.0)
    >>> budget.spend(10.0), budget.spend(70.0), budget.spend(130.1)
    (True, False, True)
    """

    max_restarts: int
    window: float
    healthy_after: float | None = None
    _spent: deque[float] = field(init=False, repr=False, default_factory=deque[float])

    def __post_init__(self) -> None:
        if self.max_restarts < 0:
            raise ValueError(f"max_restarts must be 0 or more, not {self.max_restarts}")
        if not self.window > 0:
            raise ValueError(f"window must be more than 0 s, not {self.window}")
        if self.healthy_after is not None and not self.healthy_after > 0:
            raise ValueError(f"healthy_after must be more than 0 s, not {self.healthy_after}")

    @property
    def spent(self) -> int:
        """Restarts that count against the limit now."""
        return len(self._spent)

    def spend(self, at: float, *, healthy: float = 0.0) -> bool:
        """Ask for a restart after a failure at `at`; False means that the budget is spent, and nothing was taken.

        `healthy` is for how many seconds the life that failed had been ready. A restart exactly `window` ago counts.
        """
        if healthy >= (self.window if self.healthy_after is None else self.healthy_after):
            self._spent.clear()
        if not self.allows(at):
            return False
        self._spent.append(at)
        return True

    def allows(self, at: float) -> bool:
        """Whether a restart is left at `at`."""
        while self._spent and at - self._spent[0] > self.window:
            self._spent.popleft()
        return len(self._spent) < self.max_restarts
