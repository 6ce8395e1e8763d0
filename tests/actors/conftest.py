"""Virtual time, and blows that fall on an actor at any await of its choice."""

from collections.abc import Awaitable, Callable, Generator

import anyio
import pytest
from trio.testing import MockClock


@pytest.fixture
def anyio_backend():
    return "trio", {"clock": MockClock(autojump_threshold=0)}


class BlowError(Exception):
    pass


class _Struck:
    """Awaits a coroutine; at its await number `at` the blow falls."""

    def __init__(self, run: Awaitable[None], at: int, cancel: Callable[[], None] | None) -> None:
        self.run = run
        self.at = at
        self.cancel = cancel
        self.fell = False

    def __await__(self) -> Generator[object, object]:
        steps, count, answer = self.run.__await__(), 0, None
        while True:
            try:
                asked = steps.send(answer) if count == 0 or not self._crash_now(count) else steps.throw(BlowError())
            except StopIteration:
                return
            if count == self.at and self.cancel is not None:
                self.fell = True
                self.cancel()
            answer = yield asked
            count += 1

    def _crash_now(self, count: int) -> bool:
        crash = self.cancel is None and count == self.at + 1
        self.fell |= crash
        return crash


@pytest.fixture(params=["crash", "cancel"])
def strike(request):
    """Run a life of an actor that is struck at its await number `at`, then lives that are not, until one ends.

    A crash comes out of the await when that is over, so that what it did was done; a cancel comes in its place.
    Returns whether the blow fell, so that a test can go through all awaits that there are.
    """

    async def run(make: Callable[[], object], at: int) -> bool:
        with anyio.CancelScope() as scope:
            struck = _Struck(make().run(), at, scope.cancel if request.param == "cancel" else None)
            try:
                await struck
            except BlowError:
                pass
            else:
                if not scope.cancel_called:
                    return struck.fell
        await make().run()
        return struck.fell

    return run


@pytest.fixture
def at_every_await(strike):
    """Play a scenario once for each await that the actor in it makes; it is given `strike` for that await."""

    async def play(scenario: Callable[[Callable[[Callable[[], object]], Awaitable[bool]]], Awaitable[bool]]) -> int:
        at = 0
        while True:
            fell = False

            async def run(make, at=at):
                nonlocal fell
                fell = await strike(make, at)

            await scenario(run)
            if not fell:
                return at
            at += 1

    return play
