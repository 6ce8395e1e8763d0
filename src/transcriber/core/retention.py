"""Which sessions have been kept for long enough."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSession:
    """A session as retention looks at it. `ended` is when its newest audio was captured, `size` is in bytes."""

    id: str
    ended: datetime
    size: int
    running: bool
    """A process writes it."""
    complete: bool
    """It was brought to an orderly end, and nothing in it is left to transcribe."""


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """How long sessions are kept: `days` after their end, and `size` bytes of them in all; None for no limit.

    What still has to be transcribed is out of this, unless `unfinished`; what is being written always is.
    """

    days: float | None
    size: int | None
    unfinished: bool = False

    @property
    def limited(self) -> bool:
        """Whether anything is ever to go."""
        return self.days is not None or self.size is not None


def to_remove(sessions: Iterable[StoredSession], rules: RetentionRules, now: datetime) -> list[StoredSession]:
    """Return what is to go, the oldest first, and no more than needed.

    These are the sessions that ended more than `rules.days` ago, and as many of the oldest of the others as it takes
    to bring the rest to `rules.size`. The size of those that may not go does not count: nothing goes in their stead.
    """
    candidates = sorted(
        (one for one in sessions if not one.running and (one.complete or rules.unfinished)),
        key=lambda one: (one.ended, one.id),
    )
    left = sum(one.size for one in candidates)
    most = math.inf if rules.size is None else rules.size
    gone: list[StoredSession] = []
    for one in candidates:
        aged = rules.days is not None and now - one.ended > timedelta(days=rules.days)
        if not aged and left <= most:
            break
        gone.append(one)
        left -= one.size
    return gone
