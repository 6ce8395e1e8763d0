"""Views: what a run looks like to whoever started it. Each consumes the event stream; none knows the program behind.

async with open_view("text", status) as view:
    async for envelope in subscription:
        await view.show(envelope)
"""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Literal, Protocol

from transcriber.cli.view.jsonl import JsonlView
from transcriber.cli.view.output import Output, OutputClosed
from transcriber.cli.view.plain import PlainView
from transcriber.cli.view.status import TrackStatus, ViewStatus
from transcriber.events import Envelope

__all__ = ["OutputClosed", "TrackStatus", "View", "ViewStatus", "open_view"]


class View(Protocol):
    """Shows events to somebody."""

    async def show(self, envelope: Envelope) -> None:
        """Show the event. It may wait for a slow reader.

        Raises:
            OutputClosed: nobody looks any more; the run should end as if it had been asked to.

        """
        ...


def open_view(style: Literal["text", "jsonl"], status: Callable[[], ViewStatus]) -> AbstractAsyncContextManager[View]:
    """Open the view of that style on stdout: for people, `text` is live at a terminal and plain lines elsewhere."""
    if style == "text" and sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        from transcriber.cli.view.live import open_live  # noqa: PLC0415 - rich is for those who look

        return open_live(status)
    output = Output(sys.stdout.buffer)
    return nullcontext(JsonlView(output) if style == "jsonl" else PlainView(output, Output(sys.stderr.buffer)))
