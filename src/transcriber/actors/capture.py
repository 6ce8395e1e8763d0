"""Capture: take audio off a source and place it on the track's clock."""

from collections.abc import Callable
from dataclasses import dataclass

import anyio
from anyio.abc import TaskStatus

from transcriber.actors.holder import Holder
from transcriber.errors import SourceError
from transcriber.link import Link
from transcriber.ports import Source
from transcriber.types import DeviceBlock, Gap


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


@dataclass(slots=True)
class Standby:
    """Stands in for a capture while there is no device: the track's clock goes on, and what is missing is a gap.

    `waiting` is told why there is none.
    """

    holder: Holder
    blocks: Link[DeviceBlock | Gap]
    waiting: Callable[[SourceError], None]

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Wait until the track is to end, then end the link."""
        await self.holder.lose()
        self.waiting(self.holder.missing)
        task_status.started()
        outbox = self.holder.outbox
        await self.blocks.drain(outbox)
        await self.holder.wait()
        await self.blocks.drain(outbox)
        self.blocks.end()
