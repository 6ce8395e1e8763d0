"""Bounded links between actors. They outlive their readers, and so do the messages.

A link belongs to whoever wires the actors. Each life of a reader gets its own clone of the receiving end; the link
keeps one too, so that a reader's crash never breaks a producer: producers wait, and the next life goes on where the
last one stopped. Delivery is at least once and in order: what was in hand at a crash is delivered again, first.

anyio's stream hands a message to a task that waits for one, and takes one from a task that waits for room; a cancel in
that tick loses the message (a native asyncio cancel of a receiver does, 200 times of 200), or leaves the sender
believing that it still has it. So nobody waits inside the stream here: a task waits to be told, then gives or takes
at once. No cancel, anyio's or native, can come between.
"""

import time
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

import anyio
from anyio.lowlevel import checkpoint
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatistics:
    """What went through a link so far.

    Always `received == handled + set_aside + depth`: `depth` counts the message in hand, and those that wait.
    """

    capacity: int
    depth: int
    peak_depth: int
    received: int
    handled: int
    redelivered: int
    refused: int
    """Messages that `offer` found no room for."""
    set_aside: int
    age: float
    """Seconds that the oldest of `depth` has been there; 0 where there is none."""
    ended: bool


class Link[T]:
    """A bounded queue of messages from producers to one reader at a time.

    `on_poison` is told every message that is set aside, after `attempts` lives crashed on it; if it raises, the
    message stays and is delivered again. `now` is a clock in seconds that only grows.
    """

    def __init__(
        self,
        name: str,
        capacity: int,
        *,
        on_poison: Callable[[T], None] | None = None,
        attempts: int = 3,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if capacity < 1 or attempts < 1:
            raise ValueError(f"link {name}: capacity and attempts must be 1 or more, not {capacity} and {attempts}")
        self.name = name
        self._capacity = capacity
        self._send, self._receive = anyio.create_memory_object_stream[T](capacity)
        self._desk = _Desk[T](attempts, on_poison)
        self._now = now
        self._refused = self._peak = 0
        self._ended = False
        # To drop a link is no leak, so anyio need not warn. (`__del__` may come after that of the streams.)
        weakref.finalize(self, _close, self._send, self._receive)

    async def put(self, message: T) -> None:
        """Give a message to the reader; wait while the link is full, also while its reader is being restarted.

        The link has the message if and only if this returns.

        Raises:
            anyio.ClosedResourceError: the link has ended, before or while waiting.

        """
        await checkpoint()
        while not self._give(message):
            await self._desk.wait_for_room()

    def offer(self, message: T) -> bool:
        """Give a message to the reader if there is room now. False is counted as refused.

        Raises:
            anyio.ClosedResourceError: the link has ended.

        """
        given = self._give(message)
        self._refused += not given
        return given

    async def drain(self, outbox: deque[T]) -> None:
        """Give what waits in `outbox` to the reader, in order; a message leaves the outbox once the link has it.

        An outbox that outlives its actor makes the sending side safe as well: a life that ends in the middle leaves
        the rest to the next.
        """
        while outbox:
            await self.put(outbox[0])
            outbox.popleft()

    def end(self) -> None:
        """Say that nothing more will come: readers get what is there, then their loop ends. Idempotent."""
        self._ended = True
        self._send.close()
        self._desk.tell_of_news()
        while self.congested():
            self._desk.tell_of_room()

    @contextmanager
    def inbox(self) -> Generator[AsyncIterator[T]]:
        """Return the receiving end for one life of the reader, to be entered once.

        A message counts as handled when the next one is asked for, or when the context is left without an error. If
        it is left with one, the message in hand is the first that the next life gets. An `Exception` counts as a
        crash on that message; cancellation and its like do not (see `blame`).

        A link has one reader: entering a new inbox retires one that is still open (a life that would not die), whose
        next request raises `anyio.ClosedResourceError`, and whose message in hand goes to the new one.
        """
        desk = self._desk
        with self._receive.clone() as stream:
            inbox = _Inbox(stream, desk)
            desk.seat(inbox)
            try:
                yield inbox
            except Exception:
                if not inbox.retired:
                    desk.blame()
                raise
            else:
                if not inbox.retired:
                    desk.settle()
            finally:
                desk.leave(inbox)

    def pending(self) -> bool:
        """Whether there is a message to handle, or in hand."""
        return self._depth() > 0

    def congested(self) -> bool:
        """Whether a producer waits for room: it is not to blame for its own lack of progress."""
        return bool(self._desk.producers)

    def progress(self) -> int:
        """Return a counter that moves when a message is handled or set aside."""
        return self._desk.handled + self._desk.set_aside

    def blame(self) -> None:
        """Take back the message in hand as crashed on, before its reader is cancelled for hanging (`Watch.on_hung`)."""
        self._desk.blame()

    def statistics(self) -> LinkStatistics:
        """Return the counters as they are now."""
        depth = self._depth()
        return LinkStatistics(
            capacity=self._capacity,
            depth=depth,
            peak_depth=self._peak,
            received=depth + self.progress(),
            handled=self._desk.handled,
            redelivered=self._desk.redelivered,
            refused=self._refused,
            set_aside=self._desk.set_aside,
            age=self._now() - self._desk.arrivals[0] if depth else 0.0,
            ended=self._ended,
        )

    def _give(self, message: T) -> bool:
        try:
            self._send.send_nowait(message)
        except anyio.WouldBlock:
            return False
        self._desk.arrivals.append(self._now())
        self._desk.tell_of_news()
        self._peak = max(self._peak, self._depth())
        return True

    def _depth(self) -> int:
        return self._receive.statistics().current_buffer_used + len(self._desk.unsettled)


def _close[T](send: MemoryObjectSendStream[T], receive: MemoryObjectReceiveStream[T]) -> None:
    send.close()
    receive.close()


@dataclass(slots=True)
class _Desk[T]:
    """What the lives of a reader hand on to each other."""

    attempts: int
    on_poison: Callable[[T], None] | None
    unsettled: list[T] = field(default_factory=list[T])
    """The one message in hand, or to be delivered again; or none."""
    arrivals: deque[float] = field(default_factory=deque[float])
    """When each of those that are not handled yet was given, the one that is in hand first."""
    in_hand: bool = False
    """Whether the life that is seated has it."""
    crashes: int = 0
    handled: int = 0
    redelivered: int = 0
    set_aside: int = 0
    inbox: "_Inbox[T] | None" = None
    producers: deque[anyio.Event] = field(default_factory=deque[anyio.Event])
    """Those that wait for room, the first that came first."""

    async def wait_for_room(self) -> None:
        room = anyio.Event()
        self.producers.append(room)
        try:
            await room.wait()
        except BaseException:
            if room.is_set():
                self.tell_of_room()
            else:
                self.producers.remove(room)
            raise

    def tell_of_room(self) -> None:
        if self.producers:
            self.producers.popleft().set()

    def tell_of_news(self) -> None:
        if self.inbox is not None:
            self.inbox.tell_of_news()

    def seat(self, inbox: "_Inbox[T]") -> None:
        if self.inbox is not None:
            self.inbox.retire()
        self.inbox = inbox
        self.in_hand = False

    def leave(self, inbox: "_Inbox[T]") -> None:
        if self.inbox is inbox:
            self.inbox = None
            self.in_hand = False
        inbox.retire()

    def hand_over(self, message: T) -> T:
        self.unsettled.append(message)
        self.in_hand = True
        return message

    def hand_over_again(self) -> T:
        self.redelivered += 1
        self.in_hand = True
        return self.unsettled[0]

    def settle(self) -> None:
        if self.in_hand:
            self.in_hand = False
            self._part()
            self.handled += 1

    def blame(self) -> None:
        if not self.in_hand:
            return
        self.in_hand = False
        self.crashes += 1
        if self.crashes >= self.attempts:
            if self.on_poison is not None:
                self.on_poison(self.unsettled[0])
            self._part()
            self.set_aside += 1

    def _part(self) -> None:
        self.unsettled.clear()
        self.arrivals.popleft()
        self.crashes = 0


class _Inbox[T]:
    """The receiving end of one life. Not a generator, so that a cancelled request leaves it usable."""

    def __init__(self, stream: MemoryObjectReceiveStream[T], desk: _Desk[T]) -> None:
        self._stream = stream
        self._desk = desk
        self._news = anyio.Event()
        self.retired = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        desk = self._desk
        if not self.retired:
            desk.settle()
        await checkpoint()
        while not self.retired and not desk.unsettled:
            try:
                message = self._stream.receive_nowait()
            except anyio.EndOfStream:
                raise StopAsyncIteration from None
            except anyio.WouldBlock:
                self._news = anyio.Event()
                await self._news.wait()
            else:
                desk.tell_of_room()
                return desk.hand_over(message)
        if self.retired:
            raise anyio.ClosedResourceError
        return desk.hand_over_again()

    def tell_of_news(self) -> None:
        self._news.set()

    def retire(self) -> None:
        self.retired = True
        self.tell_of_news()
