"""Listening to devices: their levels, drawn in place on a terminal until Ctrl-C, or for a while."""

import math
from collections.abc import Sequence

import anyio
from rich.console import Console
from rich.text import Text

from transcriber.adapters.pcm import SILENCE_DBFS
from transcriber.app.metering import Meter, listen
from transcriber.cli.signals import interruptions
from transcriber.cli.view.layout import bar
from transcriber.cli.view.screen import Screen
from transcriber.types import Device

LISTEN = 3.0
"""Seconds to listen where nobody watches."""

REFRESH = 0.1
"""Seconds between two looks at the levels: a reading of a device is as long, at most."""

CELLS = 20


def listen_to(devices: Sequence[Device], duration: float | None, *, shown: bool) -> list[Meter]:
    """Listen, and return what was heard. `shown`: draw it meanwhile, and go on to Ctrl-C if no duration is given."""
    meters = [Meter(device) for device in devices]

    async def until_interrupted() -> None:
        with interruptions() as signals:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen, meters)
                if shown:
                    tasks.start_soon(_show, meters)
                with anyio.move_on_after(duration or (math.inf if shown else LISTEN)):
                    await anext(signals)
                tasks.cancel_scope.cancel()

    anyio.run(until_interrupted)
    return meters


def decibels(level: float) -> str:
    """Return a level for people.

    >>> decibels(-12.34), decibels(SILENCE_DBFS)
    ('-12 dBFS', 'silent')
    """
    return "silent" if level <= SILENCE_DBFS else f"{level:.0f} dBFS"


async def _show(meters: Sequence[Meter]) -> None:
    console = Console(highlight=False)
    screen = Screen(console)
    try:
        while True:
            screen.draw((), [_row(meter, console) for meter in meters[: console.height - 1]])
            await anyio.sleep(REFRESH)
    finally:
        screen.close(())


def _row(meter: Meter, console: Console) -> Text:
    lit, rest = bar(meter.level, CELLS, ascii_only=console.options.ascii_only)
    what = f"{meter.device.kind}:{meter.device.name}" + (f": {meter.error}" if meter.error else "")
    row = Text.assemble((lit, "green"), (rest, "dim"), f" {decibels(meter.level):>8}  {what}")
    row.truncate(max(console.width - 1, 1), overflow="crop")
    return row
