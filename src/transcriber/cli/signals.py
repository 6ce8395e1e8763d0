"""Ctrl-C and its like as messages. Only the command line listens: an embedded transcriber leaves signals alone."""

import signal
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from types import FrameType

import anyio

WAITING = 8
"""Signals that wait to be looked at; more say nothing new."""


@contextmanager
def interruptions() -> Generator[AsyncIterator[signal.Signals]]:
    """Receive SIGINT and SIGTERM (Ctrl-C and Ctrl-Break on Windows) in place of being ended by them."""
    if sys.platform != "win32":
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
            yield received
        return
    send, receive = anyio.create_memory_object_stream[signal.Signals](WAITING)

    def told(number: int, _: FrameType | None) -> None:
        # In the main thread, between two steps of the loop, which the proactor's wake-up descriptor has just woken.
        send.send_nowait(signal.Signals(number))

    numbers = (signal.SIGINT, signal.SIGBREAK)
    before = [signal.signal(number, told) for number in numbers]
    try:
        with send, receive:
            yield receive
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
