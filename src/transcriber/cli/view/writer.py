"""A thread for writes to whoever reads us, who may pause for as long as they like."""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue

import anyio
import anyio.from_thread
import anyio.lowlevel


@dataclass(slots=True, eq=False)
class _Call:
    write: Callable[[], None]
    token: anyio.lowlevel.EventLoopToken
    done: anyio.Event = field(default_factory=anyio.Event)
    error: BaseException | None = None


class WriterThread:
    """Makes blocking calls one after the other, in the order in which they were given.

    It is a daemon, unlike the threads of the pool: one that is stuck in a write does not keep the program from ending.
    So it must not be stuck with the lock of a stream that the interpreter flushes at its end: see `unlocked`.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        threading.Thread(target=self._work, name="view", daemon=True).start()

    async def run(self, write: Callable[[], None]) -> None:
        """Make the call, and raise what it raises. A caller that is cancelled does not wait for it."""
        call = _Call(write, anyio.lowlevel.current_token())
        self._calls.put(call)
        await call.done.wait()
        if call.error is not None:
            raise call.error

    def close(self) -> None:
        """Let the thread end after the calls that were given."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call.write()
            except BaseException as error:  # noqa: BLE001 - it is raised where the call was awaited
                call.error = error
            # The loop of whoever waited may be closed by now.
            with contextlib.suppress(RuntimeError):
                anyio.from_thread.run_sync(call.done.set, token=call.token)
