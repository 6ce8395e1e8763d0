"""A watchdog thread on the loop's heartbeat, which names the line that blocks the loop."""

import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import anyio

DEPTH = 12
"""Calls that are named: from what blocks, which may lie deep in a library, out to the task that called it."""


@dataclass(frozen=True, slots=True)
class LoopBlocked:
    """The loop has not run for `seconds`; `stack` is what its thread was doing, the blocking call last."""

    seconds: float
    stack: traceback.StackSummary

    @property
    def line(self) -> str:
        """Where it blocks: `FILE:LINE in FUNCTION`."""
        frame = self.stack[-1]
        return f"{frame.filename}:{frame.lineno} in {frame.name}"

    @property
    def calls(self) -> str:
        """What its thread was doing, innermost call first: `FILE:LINE FUNCTION < FILE:LINE FUNCTION …`."""
        return " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(self.stack[-DEPTH:]))


class Heartbeat:
    """An actor that beats every `interval` seconds, and tells `on_blocked` when no beat came for `threshold`.

    `on_blocked` is called in the watchdog's thread, once for every time that the loop blocks, while it is blocked.
    The thread lives as long as `run`. `on_beat` is told, in the loop, how many seconds late each beat came. Time is the
    monotonic clock, whatever clock the loop runs on.
    """

    def __init__(
        self,
        on_blocked: Callable[[LoopBlocked], None],
        *,
        on_beat: Callable[[float], None] = lambda _: None,
        interval: float = 0.1,
        threshold: float = 0.5,
    ) -> None:
        if not 0 < interval < threshold:
            raise ValueError(f"the threshold must exceed the interval, not {threshold} and {interval}")
        self._on_blocked = on_blocked
        self._on_beat = on_beat
        self._interval = interval
        self._threshold = threshold
        self._beat = 0.0
        self.listener_error: Exception | None = None
        """The last error that `on_blocked` raised; it changed nothing else."""

    async def run(self) -> None:
        """Beat until cancelled."""
        stop = threading.Event()
        self._beat = time.monotonic()
        threading.Thread(
            target=self._watch, args=(threading.get_ident(), stop), name="heartbeat watchdog", daemon=True
        ).start()
        try:
            while True:
                await anyio.sleep(self._interval)
                before, self._beat = self._beat, time.monotonic()
                self._on_beat(max(0.0, self._beat - before - self._interval))
        finally:
            stop.set()

    def _watch(self, loop: int, stop: threading.Event) -> None:
        reported = None
        while not stop.wait(self._interval):
            beat = self._beat
            late = time.monotonic() - beat
            if late < self._threshold or beat == reported:
                continue
            reported = beat
            # Documented, in spite of its name, and the only way to see what another thread does.
            frame = sys._current_frames().get(loop)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            if frame is not None:
                self._tell(LoopBlocked(late, traceback.extract_stack(frame)))

    def _tell(self, blocked: LoopBlocked) -> None:
        try:
            self._on_blocked(blocked)
        except Exception as error:  # noqa: BLE001 - a listener's fault is no reason to stop watching
            self.listener_error = error
