"""Capture: take audio off a source and place it on the track's clock."""

from collections import deque
from dataclasses import dataclass, field, replace

import anyio
from anyio.abc import TaskStatus

from transcriber.core.timeline import Timeline
from transcriber.errors import DeviceLost, SourceError
from transcriber.link import Link
from transcriber.ports import Source
from transcriber.types import AudioFormat, DeviceBlock, Gap, Position


@dataclass(slots=True)
class Holder:
    """Holds a track's source, and its clock, across the lives of the capture that reads it.

    What was read waits in `outbox` until the link has taken it, so a capture that crashes costs no sample.
    """

    source: Source
    timeline: Timeline
    until: Position | None = None
    """Where the capture ends by itself, to the frame."""
    outbox: deque[DeviceBlock | Gap] = field(default_factory=deque["DeviceBlock | Gap"])
    format: AudioFormat | None = None
    """What the source delivers; None while it is closed."""
    fault: SourceError | None = None
    """Why a source that is not live ended before its end."""
    _stopping: bool = False
    _reading: anyio.CancelScope | None = None

    async def open(self, source: Source | None = None) -> None:
        """Open the source, or another in its place; nothing happens if it is open already, or `stop` was called.

        Raises:
            SourceError: it cannot be opened.

        """
        if self._stopping:
            return
        if source is not None and source is not self.source:
            await self.lose()
            self.source = source
        if self.format is None:
            self.format = await self.source.open()
            self.outbox.extend(self.timeline.opened(self.format, anyio.current_time()))

    async def read(self) -> bool:
        """Read once into `outbox`; return False when the source has ended or `stop` was called.

        Raises:
            DeviceLost: the device is gone; the time until it is open again becomes a gap.

        """
        wanted = None if self.until is None else self.timeline.frames_before(self.until)
        if self._stopping or self.format is None or wanted == 0:
            self.outbox.extend(self.timeline.ended(anyio.current_time()))
            return False
        reading = None
        with anyio.CancelScope() as self._reading:
            try:
                reading = await self.source.read()
            except DeviceLost:
                await self.lose()
                raise
            except SourceError as error:
                # A file that breaks off will not be better at the next try: it ends here, and the run says so.
                self.fault = error
        if reading is None:
            return False
        if wanted is not None:
            reading = replace(reading, pcm=reading.pcm[: wanted * self.format.frame_bytes])
        self.outbox.extend(self.timeline.feed(reading))
        return True

    def stop(self) -> None:
        """End the capture in order: what was read is delivered, then the track ends."""
        self._stopping = True
        if self._reading is not None:
            self._reading.cancel()

    async def lose(self) -> None:
        """Close the source; from here on the track has a gap, until something is opened."""
        if self.format is not None:
            self.format = None
            self.timeline.interrupted(anyio.current_time())
            await self.source.close()

    async def close(self) -> None:
        """Close the source for good. Idempotent."""
        self.format = None
        with anyio.CancelScope(shield=True):
            await self.source.close()


@dataclass(slots=True)
class Capture:
    """Reads `source` through the holder. Ready when the source is open; fails when it is lost."""

    holder: Holder
    source: Source
    blocks: Link[DeviceBlock | Gap]

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Deliver until the source ends, then end the link."""
        await self.holder.open(self.source)
        task_status.started()
        outbox = self.holder.outbox
        await self.blocks.drain(outbox)
        while await self.holder.read():
            await self.blocks.drain(outbox)
        await self.blocks.drain(outbox)
        self.blocks.end()
