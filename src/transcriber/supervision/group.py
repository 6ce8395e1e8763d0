"""Children that are restarted together: the one place where the order of stops and starts is decided."""

from collections.abc import Callable, Sequence

import anyio
from anyio.abc import TaskGroup

from transcriber.supervision.child import Child
from transcriber.supervision.lifecycle import State
from transcriber.supervision.spec import Strategy


class RestartGroup:
    """Starts its children in order, and answers the end of each, one after the other.

    Under `ONE_FOR_ONE` every child is a group of its own, so that no restart waits for another.
    """

    def __init__(self, strategy: Strategy, on_over: Callable[[], None]) -> None:
        self.children: Sequence[Child] = ()
        self._strategy = strategy
        self._on_over = on_over
        self._failed: Child | None = None
        self._wake = anyio.Event()

    def wake(self) -> None:
        """Say that a life ended."""
        self._wake.set()

    async def start(self, lives: TaskGroup) -> None:
        """Start the children in order, as far as they do start; `keep` does the rest.

        Raises:
            SupervisionFailed: an essential child without a fallback could not be started.

        """
        for child in self.children:
            if not await child.start(lives) and self._conclude(child, at_first_start=True):
                self._failed = child
                return

    async def keep(self, lives: TaskGroup) -> None:
        """Restart what is to be restarted, until every child is over.

        Raises:
            SupervisionFailed: one should be restarted, and may not.

        """
        failed = self._failed
        while True:
            while failed is not None:
                failed = await self._replace(failed, lives)
            down = next((child for child in self.children if child.down), None)
            if down is not None:
                failed = down if self._conclude(down) else None
            elif any(child.state is State.RUNNING for child in self.children):
                self._wake = anyio.Event()
                await self._wake.wait()
            else:
                return

    async def _replace(self, failed: Child, lives: TaskGroup) -> Child | None:
        """Restart a child and all that go with it; return the one whose start failed and must be tried again."""
        affected = self._affected(failed)
        for child in reversed(affected):
            if child is not failed:
                await child.stop()
        await anyio.sleep(failed.pause)
        for child in affected:
            if child.startable and not await child.start(lives) and self._conclude(child):
                return child
        return None

    def _affected(self, failed: Child) -> Sequence[Child]:
        if self._strategy is Strategy.ONE_FOR_ALL:
            return self.children
        return self.children[self.children.index(failed) :]

    def _conclude(self, child: Child, *, at_first_start: bool = False) -> bool:
        if child.conclude(at_first_start=at_first_start):
            return True
        self._on_over()
        return False
