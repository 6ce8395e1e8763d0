"""How far something has come, for those who wait for it."""

import anyio

from transcriber.types import Position


class Watermark:
    """A position that only grows, and that tasks of one loop can wait for.

    Storage advances it to what is durable; transcription waits for it before it reads back.
    """

    def __init__(self, position: Position = Position(0)) -> None:
        self._position = position
        self._ended = False
        self._moved = anyio.Event()
        self._waiting = 0

    @property
    def position(self) -> Position:
        """Everything before it is there."""
        return self._position

    @property
    def ended(self) -> bool:
        """True once it will not move any more."""
        return self._ended

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for a position: it is not to blame for its own lack of progress."""
        return self._waiting > 0

    def advance(self, position: Position) -> None:
        """Move to a position; one that is not ahead changes nothing."""
        if position > self._position:
            self._position = position
            self._wake()

    def end(self) -> None:
        """Say that it will not move any more: nobody needs to wait. Idempotent."""
        self._ended = True
        self._wake()

    async def reach(self, position: Position) -> bool:
        """Wait until `position` is reached (True) or never will be (False)."""
        self._waiting += 1
        try:
            while self._position < position and not self._ended:
                await self._moved.wait()
        finally:
            self._waiting -= 1
        return self._position >= position

    async def final(self) -> Position:
        """Wait until it has ended, and return where."""
        while not self._ended:
            await self._moved.wait()
        return self._position

    def _wake(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()
