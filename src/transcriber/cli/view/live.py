"""The transcript for a person at a terminal: text flows into the scrollback, what may change stays at the bottom."""

import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from anyio import create_task_group, move_on_after, sleep
from rich.console import Console
from rich.text import Text

from transcriber.cli.view import wording
from transcriber.cli.view.layout import Layout
from transcriber.cli.view.output import OutputClosed
from transcriber.cli.view.screen import Screen
from transcriber.cli.view.status import ViewStatus
from transcriber.cli.view.tails import Tails
from transcriber.cli.view.writer import WriterThread
from transcriber.core.stamps import gap_note
from transcriber.events import (
    Committed,
    Envelope,
    GapFound,
    Partial,
    SegmentClosed,
    SessionStarted,
    StateChanged,
    Summary,
)

FRAME = 1 / 8
"""Seconds between redraws: meters look alive, and nothing dances."""

LAST_FRAME = 1.0
"""Seconds that a terminal gets to take the last redraw; one that is paused must not keep the program from ending."""


class LiveView:
    """Takes events in at once, and draws them at its own pace: a slow terminal slows nothing but itself."""

    def __init__(self, console: Console, status: Callable[[], ViewStatus], writer: WriterThread) -> None:
        self._layout = Layout(console)
        self._screen = Screen(console)
        self._status = status
        self._writer = writer
        self._tails = Tails()
        self._settled = deque[Text]()
        self._closed = False

    async def show(self, envelope: Envelope) -> None:
        """Have the event appear with the next redraw.

        Raises:
            OutputClosed: the terminal has gone.

        """
        if self._closed:
            raise OutputClosed
        event = envelope.event
        self._tails.follow(event)
        match event:
            case SegmentClosed(segment):
                if segment.text:
                    self._settled.append(self._layout.paragraph(segment.track, segment.start, segment.text))
            case GapFound(track, gap):
                self._settled.append(self._layout.paragraph(track, gap.start, gap_note(gap)))
            case SessionStarted(tracks=tracks):
                self._layout.tracks.extend(track.name for track in tracks if track.name not in self._layout.tracks)
                self._settled.append(self._layout.aside(wording.of_session(event)))
            case StateChanged():
                self._settled.append(self._layout.aside(wording.of_state(event)))
            case Summary():
                self._settled.append(self._layout.aside(wording.of_summary(event)))
            case Partial() | Committed():
                pass

    async def draw_forever(self) -> None:
        """Redraw until cancelled, or until the terminal has gone."""
        while not self._closed:
            await self._draw(last=False)
            await sleep(FRAME)

    async def draw_last(self) -> None:
        """Leave everything that was committed in the scrollback, and give the terminal back."""
        for track, tail in self._tails.open():
            if tail.committed.strip():
                self._settled.append(self._layout.paragraph(track, tail.start, tail.committed.strip()))
        if not self._closed:
            await self._draw(last=True)

    async def _draw(self, *, last: bool) -> None:
        rows = None if last else self._layout.rows(self._tails.open(), self._status())
        try:
            await self._writer.run(lambda: self._paint(rows))
        except OSError:
            self._closed = True

    def _paint(self, rows: list[Text] | None) -> None:
        # A redraw that nobody waits for any more may still come. Text is taken only by who draws it.
        above = [self._settled.popleft() for _ in range(len(self._settled))]
        if rows is None:
            self._screen.close(above)
        else:
            self._screen.draw(above, rows)


def terminal() -> Console:
    """Return stdout as a terminal, through a file of its own: see `WriterThread`."""
    sys.stdout.flush()
    file = open(sys.stdout.fileno(), "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - it lives as long as stdout
    return Console(file=file, highlight=False)


@asynccontextmanager
async def open_live(
    status: Callable[[], ViewStatus], console: Console, writer: WriterThread
) -> AsyncGenerator[LiveView]:
    """Open a live view on the terminal. While it is open, nothing else may write there."""
    view = LiveView(console, status, writer)
    failure: Exception | None = None
    try:
        async with create_task_group() as tasks:
            tasks.start_soon(view.draw_forever)
            try:
                yield view
            except Exception as error:  # noqa: BLE001 - raised below, outside the group, which would wrap it
                failure = error
            tasks.cancel_scope.cancel()
    finally:
        with move_on_after(LAST_FRAME, shield=True):
            await view.draw_last()
    if failure is not None:
        raise failure
