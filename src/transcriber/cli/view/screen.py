"""The bottom rows of a terminal, redrawn in place under text that scrolls away as usual.

Nothing above the rows is ever rewritten, and the terminal is never cleared: what was settled is in the user's own
scrollback. A redraw is one write that touches only the rows that changed, so there is nothing to flicker.
"""

from collections.abc import Sequence

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

_ERASE_ROW = Control((ControlType.ERASE_IN_LINE, 2))
_START_OF_ROW = Control(ControlType.CARRIAGE_RETURN)


class Screen:
    """Draws on a console that nobody else writes to. Blocking, and for one thread."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._drawn: list[Text] = []

    def draw(self, above: Sequence[Text], rows: Sequence[Text]) -> None:
        """Let `above` scroll away, and show `rows` under it in the place of the rows before.

        `rows` must be narrower than the terminal and fewer than its height; `above` is wrapped to fit. The last row
        keeps its place: where fewer rows are given than before, blank ones stand in until text from above fills them.
        """
        settled = self._wrapped(above)
        occupied = self._occupied()
        padded = [*[Text()] * (occupied - len(settled) - len(rows)), *rows]
        if not settled and padded == self._drawn:
            return
        stale = bool(settled) or len(padded) != len(self._drawn) or occupied != len(self._drawn)
        with self._console:
            self._console.show_cursor(show=False)
            self._rewind(occupied)
            for line in settled:
                self._row(line)
                self._console.line()
            for index, row in enumerate(padded):
                if index:
                    self._console.line()
                if stale or row != self._drawn[index]:
                    self._row(row)
        self._drawn = padded

    def close(self, above: Sequence[Text]) -> None:
        """Let `above` scroll away, take the rows off, and give the terminal back."""
        settled = self._wrapped(above)
        occupied = self._occupied()
        with self._console:
            self._rewind(occupied)
            for line in settled:
                self._row(line)
                self._console.line()
            self._erase(occupied - len(settled))
            self._console.show_cursor(show=True)
        self._drawn = []

    def _wrapped(self, texts: Sequence[Text]) -> list[Text]:
        # One column stays free: a full row leaves the cursor where terminals do not agree what comes next.
        width = max(self._console.width - 1, 1)
        return [line for text in texts for line in text.wrap(self._console, width)]

    def _occupied(self) -> int:
        """Rows on the terminal that the drawn ones take: one that became narrower has folded them by now."""
        size = self._console.size
        return min(sum(max(1, -(-row.cell_len // max(size.width, 1))) for row in self._drawn), size.height)

    def _rewind(self, occupied: int) -> None:
        self._console.control(_START_OF_ROW)
        self._up(occupied - 1)

    def _erase(self, count: int) -> None:
        for row in range(count):
            if row:
                self._console.line()
            self._console.control(_ERASE_ROW)
        self._up(count - 1)

    def _up(self, count: int) -> None:
        if count > 0:
            self._console.control(Control((ControlType.CURSOR_UP, count)))

    def _row(self, line: Text) -> None:
        # Erased before and not after: some terminals remember how long a row was, and fold it by that when they narrow.
        self._console.control(_ERASE_ROW)
        self._console.print(line, end="", soft_wrap=True)
