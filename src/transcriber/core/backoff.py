"""When to try again what fails: ever less often, on a clock that the caller reads."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Waits `first` seconds after a failure, twice as long after each further one, `last` at most.

    >>> backoff = Backoff(1.0, 3.0)
    >>> backoff.failed(10.0), backoff.due(10.9), backoff.due(11.0)
    (None, False, True)
    """

    first: float
    last: float
    _pause: float = field(init=False)
    _next: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._pause = self.first

    def due(self, now: float) -> bool:
        """Whether it is time to try."""
        return now >= self._next

    def failed(self, now: float) -> None:
        """Take note that a try failed."""
        self._next = now + self._pause
        self._pause = min(2 * self._pause, self.last)

    def begin(self) -> None:
        """Take note of a failure of its own kind, after all was well: the pauses are short again."""
        self._pause = self.first
