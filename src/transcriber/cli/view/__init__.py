"""Views: what a run looks like to whoever started it. Each consumes the event stream; none knows the program behind.

async with open_view("text", status) as view:
    async for envelope in subscription:
        await view.show(envelope)
"""

import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from typing import Literal, Protocol

from transcriber.cli.view.jsonl import JsonlView
from transcriber.cli.view.output import Output, OutputClosed, unlocked
from transcriber.cli.view.plain import PlainView
from transcriber.cli.view.status import TrackStatus, ViewStatus
from transcriber.cli.view.writer import WriterThread
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


@asynccontextmanager
async def open_view(style: Literal["text", "jsonl"], status: Callable[[], ViewStatus]) -> AsyncGenerator[View]:
    """Open the view of that style on stdout: for people, `text` is live at a terminal and plain lines elsewhere."""
    with closing(WriterThread()) as writer:
        if style == "text" and sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            from transcriber.cli.view.live import open_live, terminal  # noqa: PLC0415 - rich is for those who look

            async with open_live(status, terminal(), writer) as live:
                yield live
        elif style == "text":
            yield PlainView(Output(unlocked(sys.stdout), writer), Output(unlocked(sys.stderr), writer))
        else:
            yield JsonlView(Output(unlocked(sys.stdout), writer))
