"""A source that does what a script says: the fake that tests of everything above a source are written with."""

import math
from collections.abc import Iterable

import anyio
from anyio.lowlevel import checkpoint

from transcriber.errors import SourceError
from transcriber.types import RATE, AudioFormat, Reading

BLOCK = 0.1
"""Seconds in a block, and the patience of a reader: as devices have it."""

LATE = BLOCK / 2
"""Seconds that a reader may be late for the next block without the script being held up."""

type Step = bytes | float | Reading | SourceError
"""Whole frames · seconds in which nothing comes · a reading as it is, at once · what a read raises."""


class ScriptedSource:
    """A `Source` that plays its script once, step by step, across `close` and `open`; after it comes the end.

    Frames of a live source come in blocks, as they sound; those of another come at once. A block is played when it is
    returned, so a cancelled read loses none. Each `open` raises the next of `refusals`, while there are any.
    Time is that of the event loop, so that it may be virtual.
    """

    def __init__(
        self,
        script: Iterable[Step],
        *,
        form: AudioFormat = AudioFormat(RATE, 1),  # noqa: B008 - a value that cannot change
        live: bool = False,
        refusals: Iterable[SourceError] = (),
        label: str = "scripted",
    ) -> None:
        self.live = live
        self.label = label
        self.opened = 0
        """How often it was opened."""
        self._form = form
        self._steps = list(script)
        self._refusals = list(refusals)
        self._open = False
        self._clock = -math.inf  # when what was delivered so far had been heard

    async def open(self) -> AudioFormat:
        """Start delivering."""
        await checkpoint()
        if self._refusals:
            raise self._refusals.pop(0)
        self.opened += 1
        self._open = True
        return self._form

    async def read(self) -> Reading | None:
        """Play the next block of the script."""
        if not self._open:
            raise SourceError(f"{self.label} is not open")
        await checkpoint()
        if not self._steps:
            return None
        match self._steps[0]:
            case SourceError():
                raise self._steps.pop(0)  # pyright: ignore[reportGeneralTypeIssues] - it is the error just matched
            case Reading() as reading:
                self._steps.pop(0)
                return reading
            case bytes() as pcm:
                return await self._sound(pcm)
            case pause:
                return await self._silence(pause)

    async def close(self) -> None:
        """Stop delivering. Idempotent."""
        await checkpoint()
        self._open = False

    async def _sound(self, pcm: bytes) -> Reading:
        size = int(BLOCK * self._form.rate) * self._form.frame_bytes
        block, rest = pcm[:size], pcm[size:]
        if self.live:
            await self._pass(len(block) / self._form.frame_bytes / self._form.rate)
        self._go_on(rest)
        return Reading(block, anyio.current_time())

    async def _silence(self, pause: float) -> Reading:
        wait = min(BLOCK, pause)
        await self._pass(wait)
        self._go_on(pause - wait)
        return Reading(b"", anyio.current_time())

    async def _pass(self, duration: float) -> None:
        """Let time pass by the clock of the device, which does not slow down because its reader was a little late."""
        now = anyio.current_time()
        over = (self._clock if now - self._clock < LATE else now) + duration
        await anyio.sleep_until(over)
        self._clock = over

    def _go_on(self, rest: bytes | float) -> None:
        if rest:
            self._steps[0] = rest
        else:
            self._steps.pop(0)
