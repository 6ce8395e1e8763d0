"""How loud devices are at the moment: each is opened, listened to, and closed again; nothing is kept."""

from collections.abc import Iterable
from dataclasses import dataclass

import anyio

from transcriber.adapters.devices import make_device
from transcriber.adapters.pcm import SILENCE_DBFS, peak_dbfs, to_mono
from transcriber.errors import SourceError
from transcriber.types import Device

LOOKS_AGAIN = 1.0
"""Seconds after which a device that was lost is opened anew."""


@dataclass(slots=True)
class Meter:
    """Listens to a device. `level` is the peak of its newest sound, `peak` of all, both in dBFS.

    `error` says why nothing is heard; it is empty while the device works.
    """

    device: Device
    level: float = SILENCE_DBFS
    peak: float = SILENCE_DBFS
    error: str = ""

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen()
            except SourceError as error:
                self.level, self.error = SILENCE_DBFS, str(error)
            await anyio.sleep(LOOKS_AGAIN)

    async def _listen(self) -> None:
        source = make_device(self.device.kind, self.device.name)
        try:
            form = await source.open()
            self.error = ""
            while (reading := await source.read()) is not None:
                self.level = peak_dbfs(to_mono(reading.pcm, form))
                self.peak = max(self.peak, self.level)
        finally:
            with anyio.CancelScope(shield=True):
                await source.close()


async def listen(meters: Iterable[Meter]) -> None:
    """Listen to all of them until cancelled."""
    async with anyio.create_task_group() as tasks:
        for meter in meters:
            tasks.start_soon(meter.run)
