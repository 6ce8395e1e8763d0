"""How a live view looks: paragraphs of the transcript, the tails, the status row. All of it fits any width."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from transcriber.cli.view.status import TrackStatus, ViewStatus
from transcriber.cli.view.tails import Tail
from transcriber.core.stamps import clock
from transcriber.types import Position, TrackName, samples

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")
"""Of the tracks, in order: the six that every terminal has and that read on light and on dark."""

FLOOR = -60.0
"""dBFS at the left end of a meter: room noise is about there."""

LAG_SHOWN = 5.0
"""Seconds of lag from which it is worth a warning; below, it is the normal wait for the end of a sentence."""


def bar(level: float, cells: int, *, ascii_only: bool) -> tuple[str, str]:
    """Return the lit part of a meter, and the rest.

    >>> bar(-30, 10, ascii_only=True), bar(3, 2, ascii_only=True)
    (('=====', '-----'), ('==', ''))
    """
    share = (max(level, FLOOR) - FLOOR) / -FLOOR
    lit = min(round(share * cells), cells)
    on, off = ("=", "-") if ascii_only else ("━", "─")
    return on * lit, off * (cells - lit)


@dataclass(slots=True)
class Layout:
    """Builds what a `Screen` draws. Tracks get a label and a colour once there are two."""

    console: Console
    tracks: list[TrackName] = field(default_factory=list[TrackName])

    def paragraph(self, track: TrackName, start: Position, text: str) -> Text:
        """Return settled text, as it stays in the scrollback."""
        line = Text.assemble((clock(start), "dim"), "  ")
        return line.append_text(self._label(track)).append(text)

    def aside(self, line: str) -> Text:
        """Return a line about the run itself."""
        return Text(line, style="dim italic")

    def rows(self, tails: Sequence[tuple[TrackName, Tail]], status: ViewStatus) -> list[Text]:
        """Return the rows at the bottom: the newest end of each tail, and the status under them."""
        size = self.console.size
        width = max(size.width - 1, 1)
        room = max((size.height // 2 - 1) // max(len(tails), 1), 1)
        rows = [row for track, tail in tails for row in self._tail(track, tail, width, room)]
        return [*rows[max(len(rows) - size.height + 2, 0) :], self._status(status, width)]

    def _tail(self, track: TrackName, tail: Tail, width: int, room: int) -> list[Text]:
        text = Text.assemble((clock(tail.start), "dim"), "  ").append_text(self._label(track))
        text.append(tail.committed.lstrip())
        text.append(tail.partial if tail.committed else tail.partial.lstrip(), style="dim")
        rows = list(text.wrap(self.console, width))
        if len(rows) > room:
            rows = rows[-room:]
            rows[0] = Text("… ", style="dim").append_text(rows[0])
            rows[0].truncate(width)
        return rows

    def _label(self, track: TrackName) -> Text:
        if track not in self.tracks:
            self.tracks.append(track)
        if len(self.tracks) == 1:
            return Text()
        return Text(f"{track}  ", style=f"bold {self._colour(track)}")

    def _colour(self, track: TrackName) -> str:
        return COLOURS[self.tracks.index(track) % len(COLOURS)] if track in self.tracks else "default"

    def _status(self, status: ViewStatus, width: int) -> Text:
        """Return the richest status row that fits."""
        for cells, words in ((10, True), (10, False), (5, False), (0, False)):
            row = self._status_row(status, cells, words=words)
            if row.cell_len <= width:
                return row
        row = self._state(status)
        row.truncate(width, overflow="crop")
        return row

    def _state(self, status: ViewStatus) -> Text:
        style = "green" if status.healthy else "bold yellow"
        dot = "*" if self.console.options.ascii_only else "●"
        state = Text.assemble((f"{dot} {status.state}", style))
        return state.append(f"  {clock(samples(status.elapsed))}", style="dim")

    def _status_row(self, status: ViewStatus, cells: int, *, words: bool) -> Text:
        row = self._state(status)
        if cells:
            for track in status.tracks:
                row.append("   ").append_text(self._meter(track, cells, labelled=len(status.tracks) > 1))
        row.append_text(self._lag(status, words=words))
        if words:
            row.append(f"   {status.model}", style="dim")
        return row

    def _meter(self, track: TrackStatus, cells: int, *, labelled: bool) -> Text:
        lit, rest = bar(track.level, cells, ascii_only=self.console.options.ascii_only)
        colour = self._colour(track.name)
        label = Text(f"{track.name} ", style=colour) if labelled else Text()
        return label.append(lit, style=colour).append(rest, style="dim")

    def _lag(self, status: ViewStatus, *, words: bool) -> Text:
        lag = max((track.lag for track in status.tracks), default=0.0)
        late = lag >= LAG_SHOWN
        text = Text(f"   lag {lag:.0f} s", style="yellow" if late else "dim")
        if late and status.catch_up is not None:
            if math.isinf(status.catch_up):
                text.append(", falling behind" if words else " and growing", style="yellow")
            else:
                ahead = f"{math.ceil(status.catch_up)} s"
                text.append(f", caught up in {ahead}" if words else f", {ahead} to go", style="dim")
        return text
