"""Frames on their way from a thread to the loop: bounded, and honest about what did not fit."""

import threading
import time
from collections import deque
from collections.abc import Callable

import anyio

from transcriber.adapters.sleep import AwakeClock
from transcriber.errors import SourceError
from transcriber.types import AudioFormat, Reading

POLL = 0.04
"""Seconds between two looks at an empty queue: one block of a device. The thread of a sound system must never wait for
the loop, not even to wake it up."""

PATIENCE = 0.1
"""Seconds after which a reader is told that there is nothing."""

CAPACITY = 5.0
"""Seconds of frames that are held while the loop does something else."""

LONGEST = 0.5
"""Seconds in one reading: after a stall the reader gets the backlog in pieces."""


class FrameQueue:
    """Whole frames with the time of their arrival. `put`, `put_all` and `end` may be called in any thread."""

    def __init__(self, form: AudioFormat) -> None:
        self.form = form
        self._capacity = int(CAPACITY * form.rate) * form.frame_bytes
        self._longest = int(LONGEST * form.rate) * form.frame_bytes
        self._changed = threading.Condition()
        self._readings: deque[Reading] = deque()
        self._size = 0
        self._lost = 0
        self._clock = AwakeClock()
        self._heard = self._clock.now()
        self._ended = False
        self._error: SourceError | None = None

    @property
    def silent(self) -> float:
        """Seconds since frames came, whether there was room for them or not; while this process ran."""
        return self._clock.now() - self._heard

    def put(self, pcm: bytes) -> None:
        """Hold frames; what finds no room is lost and counted."""
        with self._changed:
            if self._ended:
                return
            self._heard = self._clock.now()
            if self._size + len(pcm) > self._capacity:
                self._lost += len(pcm) // self.form.frame_bytes
                return
            self._append(pcm)

    def put_all(self, pcm: bytes, *, unless: Callable[[], bool]) -> bool:
        """Hold frames as soon as there is room; give up, and return False, when `unless` becomes true."""
        with self._changed:
            while self._size and self._size + len(pcm) > self._capacity:
                if unless():
                    return False
                self._changed.wait(PATIENCE)
            self._append(pcm)
        return True

    def end(self, error: SourceError | None = None, *, discard: bool = False) -> None:
        """Let the reader come to its end, or to `error`, after what is held; `discard` what is held."""
        with self._changed:
            if self._ended:
                return
            self._ended, self._error = True, error
            if discard:
                self._readings.clear()

    async def get(self) -> Reading | None:
        """Return the oldest frames, or none after `PATIENCE`; None at the end. It may be cancelled.

        Raises:
            SourceError: what `end` was told.

        """
        deadline = anyio.current_time() + PATIENCE
        while True:
            with self._changed:
                if self._readings:
                    return self._take()
                if self._error is not None:
                    raise self._error
                if self._ended:
                    return None
            if anyio.current_time() >= deadline:
                return Reading(b"", time.monotonic())
            await anyio.sleep(min(POLL, deadline - anyio.current_time()))

    def _append(self, pcm: bytes) -> None:
        self._readings.append(Reading(pcm, time.monotonic(), self._lost))
        self._size += len(pcm)
        self._lost = 0

    def _take(self) -> Reading:
        first = last = self._readings.popleft()
        pieces = [first.pcm]
        size = len(first.pcm)
        while self._readings and not self._readings[0].lost and size + len(self._readings[0].pcm) <= self._longest:
            last = self._readings.popleft()
            pieces.append(last.pcm)
            size += len(last.pcm)
        self._size -= size
        self._changed.notify_all()
        return Reading(b"".join(pieces), last.at, first.lost)
