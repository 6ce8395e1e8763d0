"""The publisher: every event is numbered, stored, counted and handed on, in this order."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Self
from weakref import WeakSet

import anyio

from transcriber.adapters.guarded_transcript import GuardedTranscript
from transcriber.core import wire
from transcriber.core.tally import Tally
from transcriber.core.transcript_entry import Entry
from transcriber.errors import StorageError
from transcriber.events import Envelope, Event, Partial, track_of
from transcriber.types import Coverage, TrackName

UNREAD = 1_000
"""Events that wait in memory for a subscriber; when it is slower than that, it goes on from the database."""


class Publisher:
    """The `Transcript` port. What is stored first and told second is never told and then lost.

    `now` is the monotonic clock in seconds; `begin` says when a track's position 0 was.
    """

    def __init__(self, transcript: GuardedTranscript, tally: Tally, now: Callable[[], float]) -> None:
        self._transcript = transcript
        self._tally = tally
        self._now = now
        self._origins: dict[TrackName | None, float] = {None: now()}
        self._numbers = iter(range(0))
        self._told = 0  # no event up to this number is still to be told
        self._in_doubt = False  # whether something that was not told may be stored
        self._writing = anyio.Lock()
        self._subscriptions: WeakSet[Subscription] = WeakSet()
        self._closed = False

    def begin(self, track: TrackName | None, at: float) -> None:
        """Set the time of a track's position 0, or of the session's beginning: its events are `emitted` since then."""
        self._origins[track] = at

    async def publish(
        self, event: Event | None, *, coverage: Coverage | None = None, track: TrackName | None = None
    ) -> None:
        """Store an event and the coverage that it brings in one transaction, then tell the subscribers.

        A cancellation that comes in the middle waits for both, as long as the disk's deadline at most.

        Raises:
            StorageError: it was told to nobody. It is not stored, unless the disk comes to it later: then it is told
                before the next event. What is read from the database after this error does not change behind it.

        """
        async with self._writing:
            with anyio.CancelScope(shield=True):
                await self._publish(event, coverage, track)

    async def _publish(self, event: Event | None, coverage: Coverage | None, track: TrackName | None) -> None:
        if event is None:
            await self._advance(track, coverage)
            return
        await self._tell_what_came_late()
        envelope = Envelope(await self._number(), self._emitted(event), event)
        news = isinstance(event, Partial) or await self._store(envelope, coverage, track)
        if coverage is not None and track is not None:
            self._tally.cover(track, coverage)
        if news:
            self._tell(envelope)

    async def _tell_what_came_late(self) -> None:
        """Tell what a call that was given up stored after all, before anything that follows from it."""
        if self._in_doubt:
            late = await self._stored(self._told)
            self._in_doubt = False
            for envelope in late:
                self._tell(envelope)

    def _tell(self, envelope: Envelope) -> None:
        self._told = envelope.seq
        self._tally.take(envelope)
        for subscription in self._subscriptions:
            subscription.give(envelope)

    def subscribe(self, after: int | None = None) -> "Subscription":
        """Return the events from now on, or all after the number `after`: first those stored, then the live ones."""
        subscription = Subscription(self._stored, self._subscriptions.discard, after, ended=self._closed)
        self._subscriptions.add(subscription)
        return subscription

    def close(self) -> None:
        """Say that nothing more will be published: subscriptions end after what they have not read yet. Idempotent."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.end()

    async def _number(self) -> int:
        number = next(self._numbers, None)
        if number is None:
            numbers = await self._transcript.reserve()
            self._numbers, self._told = iter(numbers), numbers.start - 1
            number = next(self._numbers)
        return number

    def _emitted(self, event: Event) -> float:
        return self._now() - self._origins.get(track_of(event), self._origins[None])

    async def _store(self, envelope: Envelope, coverage: Coverage | None, track: TrackName | None) -> bool:
        line = wire.encode(envelope)
        try:
            return await self._transcript.store(Entry(envelope, line, coverage, track))
        except StorageError:
            self._in_doubt = True
            raise

    async def _advance(self, track: TrackName | None, coverage: Coverage | None) -> None:
        if track is not None and coverage is not None:
            await self._transcript.store(Entry(None, "", coverage, track))
            self._tally.cover(track, coverage)

    async def _stored(self, after: int) -> Sequence[Envelope]:
        return [wire.decode(line) for _, line in await self._transcript.events(after)]


class Subscription:
    """The events of a session for one reader: in order, each once, however slow the reader is.

    An async iterator that is also a context manager; leave the context to stop. It is no generator, so one that is
    abandoned in the middle keeps nothing open.
    """

    def __init__(
        self,
        stored: Callable[[int], Awaitable[Sequence[Envelope]]],
        leave: Callable[["Subscription"], None],
        after: int | None,
        *,
        ended: bool,
    ) -> None:
        self._stored = stored
        self._leave = leave
        self._last = after  # no event up to this number is to come (again); None while nothing has come
        self._behind = after is not None  # events that are not in `_waiting` are in the database
        self._waiting = deque[Envelope]()
        self._dropped = 0
        self._replay = deque[Envelope]()
        self._ended = ended
        self._news = anyio.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave(self)
        self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Envelope:
        while True:
            while self._behind and not self._replay:
                dropped = self._dropped
                self._replay.extend(await self._stored(self._last or 0))
                self._behind = bool(self._replay) or self._dropped > dropped
            queue = self._replay or self._waiting
            if queue:
                envelope = queue.popleft()
                if envelope.seq > (self._last or 0):
                    self._last = envelope.seq
                    return envelope
            elif self._ended:
                raise StopAsyncIteration
            else:
                await self._news.wait()
                self._news = anyio.Event()

    def give(self, envelope: Envelope) -> None:
        """Take an event that was published. Never waits: what finds no room is read from the database later."""
        if self._last is None:
            self._last = envelope.seq - 1
        if len(self._waiting) >= UNREAD:
            self._dropped += len(self._waiting)
            self._waiting.clear()
            self._behind = True
        self._waiting.append(envelope)
        self._news.set()

    def end(self) -> None:
        """Take note that nothing more will come."""
        self._ended = True
        self._news.set()
