"""What a track captures from, and its clock: they outlive the captures that read them."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import anyio

from transcriber.core.timeline import Timeline
from transcriber.errors import DeviceLost, NoDeviceError, SourceError
from transcriber.ports import Source
from transcriber.types import AudioFormat, DeviceBlock, Gap, Reading

CAUGHT_UP = 0.2
"""Seconds in a reading that is no backlog: a device delivers every 10-100 ms."""

CLOSING = 5.0
"""Seconds for a source that was only tried to close."""


@dataclass(slots=True)
class Holder:
    """Holds a track's source, and its clock, across the lives of the capture that reads it.

    What was read waits in `outbox` until the link has taken it, so a capture that crashes costs no sample.
    """

    source: Source
    timeline: Timeline
    outbox: deque[DeviceBlock | Gap] = field(default_factory=deque["DeviceBlock | Gap"])
    format: AudioFormat | None = None
    """What the source delivers; None while it is closed."""
    readings: int = 0
    """Answers of the source so far. A live one that is asked and does not answer hangs: it always does in time."""
    fault: SourceError | None = None
    """Why the track ends before its source did."""
    on_absent: Callable[[bool], object] = bool
    """Told when nobody feeds a source that works (True), and when somebody does again."""
    slept: Callable[[], float] = float
    """Tells the seconds that the computer slept since the track began, where the loop's clock did not count them."""
    _absent: bool = False
    _missing: SourceError | None = None  # why nothing is open
    _forsaken: bool = False  # the source hung, and is not closed yet
    _reading: anyio.CancelScope | None = None
    _stopped: anyio.Event = field(default_factory=anyio.Event)

    def now(self) -> float:
        """Return the time on the track's clock, which goes on while the computer sleeps."""
        return anyio.current_time() + self.slept()

    async def open(self, source: Source | None = None) -> None:
        """Open the source, or another in its place; nothing happens if it is open already, or `stop` was called.

        One that works goes on until the other delivers, so a switch costs the moment between the two.

        Raises:
            SourceError: it cannot be opened; one that works is still open.

        """
        if self._stopped.is_set():
            return
        if self._forsaken:
            await self.lose()
        wanted = source or self.source
        if self.format is None:
            self._opened(wanted, await self._open(wanted))
        elif wanted is not self.source:
            await self._switch(wanted)

    async def read(self) -> bool:
        """Read once into `outbox`; return False when the source has ended or `stop` was called.

        Raises:
            DeviceLost: the device is gone; the time until it is open again becomes a gap.

        """
        if self._stopped.is_set() or self.format is None or self._over():
            self.outbox.extend(self.timeline.ended(self.now()))
            return False
        return await self._read() is not None

    async def wait(self) -> None:
        """Wait without a source until `stop`, or to the end of the track; then what is missing becomes a gap."""
        with anyio.move_on_after(self.timeline.due(self.now())):
            await self._stopped.wait()
        self.fault = NoDeviceError(f"{self.missing}; check the device, or name a --fallback")
        self.outbox.extend(self.timeline.ended(self.now()))

    def stop(self) -> None:
        """End the capture in order: what was read is delivered, then the track ends."""
        self._stopped.set()
        if self._reading is not None:
            self._reading.cancel()

    @property
    def missing(self) -> SourceError:
        """Why nothing is open, or was not a moment ago."""
        return self._missing or DeviceLost(f"{self.source.label} is closed")

    @property
    def asking(self) -> bool:
        """Whether a live source was asked and has not answered yet."""
        return self._reading is not None and self.source.live

    def forsake(self) -> None:
        """Take the source for lost, before the capture that hangs in it is cancelled: the next life opens it anew."""
        self._forsaken = True
        self._reading = None
        self._lost(DeviceLost(f"{self.source.label} does not answer"))

    async def lose(self) -> None:
        """Close the source; from here on the track has a gap, until something is opened."""
        if self.format is not None or self._forsaken:
            self._lost()
            self._forsaken = False
            await self.source.close()

    async def close(self) -> None:
        """Close the source for good. Idempotent."""
        self.format = None
        with anyio.CancelScope(shield=True):
            await self.source.close()

    async def _open(self, source: Source) -> AudioFormat:
        try:
            return await source.open()
        except SourceError as error:
            self._missing = error
            raise

    async def _switch(self, source: Source) -> None:
        form = await self._open(source)
        try:
            if source.live:
                # What it heard so far, the one that works has as well.
                await source.read()
            while await self._read_backlog():
                pass
        except BaseException:
            await _close(source)
            raise
        before = self.source
        self.timeline.interrupted(self.now())
        self._opened(source, form)
        await before.close()

    def _opened(self, source: Source, form: AudioFormat) -> None:
        self.source, self.format, self._missing, self._absent = source, form, None, False
        self.outbox.extend(self.timeline.opened(form, self.now()))

    def _lost(self, error: DeviceLost | None = None) -> None:
        self._missing = error or self._missing
        self.format = None
        self.timeline.interrupted(self.now())

    def _over(self) -> bool:
        """Whether the track is at its end, by its frames or, while there are none, by the clock."""
        return self.timeline.wanted == 0 or (self._absent and self.timeline.due(self.now()) <= 0)

    async def _read(self) -> Reading | None:
        """Read once into `outbox`; return what it was, None at the end of the source or after `stop`."""
        form = self.format
        reading = fault = None
        scope = self._reading = anyio.CancelScope()
        try:
            with scope:
                reading = await self.source.read()
        except SourceError as error:
            fault = error
        finally:
            forsaken = self._reading is not scope
            if not forsaken:
                self._reading = None
        if forsaken or form is None:
            raise DeviceLost(f"{self.source.label} answered after it was given up")
        if isinstance(fault, DeviceLost):
            await self.lose()
            self._missing = fault
            raise fault
        # A file that breaks off will not be better at the next try: it ends here, and the run says so.
        self.fault = fault
        self.readings += 1
        if reading is not None:
            reading = replace(reading, at=reading.at + self.slept())
            self.outbox.extend(self.timeline.feed(reading))
            self._tell_absent(reading)
        return reading

    def _tell_absent(self, reading: Reading) -> None:
        """Tell a change; somebody who is there again, and has not given anything yet, is none."""
        absent = reading.absent or (self._absent and not reading.pcm)
        if absent != self._absent:
            self._absent = absent
            self.on_absent(absent)

    async def _read_backlog(self) -> bool:
        """Read what a source that works held while another was opened; return whether there may be more."""
        if self.format is None or self.timeline.wanted == 0:
            return False
        form = self.format
        try:
            reading = await self._read()
        except DeviceLost:
            return False
        return reading is not None and len(reading.pcm) > CAUGHT_UP * form.rate * form.frame_bytes


async def delivers(source: Source) -> bool:
    """Whether a source that is not in use can be opened and read now. It is closed again."""
    try:
        await source.open()
        return await source.read() is not None
    except SourceError:
        return False
    finally:
        await _close(source)


async def _close(source: Source) -> None:
    """Close a source that was only tried, also while cancelled."""
    with anyio.move_on_after(CLOSING, shield=True):
        await source.close()
