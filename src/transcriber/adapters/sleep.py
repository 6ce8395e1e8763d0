"""Two clocks for a program that does not always run: the computer sleeps, or the process is stopped."""

import sys
import threading
import time

GLANCE = 1.0
"""Seconds that pass at most between two looks of who is awake: a look is taken several times a second."""

SHORTEST = 0.5
"""Seconds that a computer sleeps at least: what two clocks differ by otherwise is the time it takes to read both."""

READINGS = 3


class AwakeClock:
    """Seconds in which this process ran, as far as anybody looked: what passed unseen counts for `GLANCE` at most.

    By it is judged who does not answer: after a sleep of hours nobody has had the time to. Any thread may look.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._awake = 0.0

    def now(self) -> float:
        """Look."""
        with self._lock:
            now = time.monotonic()
            self._awake += min(now - self._looked, GLANCE)
            self._looked = now
            return self._awake


class SleepWatch:
    """Tells for how long the computer slept since this was made, as far as `time.monotonic` did not count it."""

    def __init__(self) -> None:
        self._began = _ahead()
        self._slept = 0.0

    def slept(self) -> float:
        """Return the seconds: the same until there was another sleep."""
        slept = _ahead() - self._began
        if slept >= self._slept + SHORTEST:
            self._slept = slept
        return self._slept


def _ahead() -> float:
    """Return by how much the clock that goes on in sleep is ahead of the one that does not."""
    if sys.platform == "win32":
        return 0.0  # there `time.monotonic` goes on
    # On macOS `time.monotonic` is another clock than this one, and stands still.
    clock = time.CLOCK_BOOTTIME if sys.platform == "linux" else time.CLOCK_MONOTONIC
    # In this order: what comes between the two readings makes the difference larger, and never smaller.
    return min(-time.monotonic() + time.clock_gettime(clock) for _ in range(READINGS))
