"""A transcript that goes on when its disk does not: as `GuardedRecording`, for events and what they change.

While the database fails, what belongs in it waits in memory, in order, and durably in an emergency file. It is written
where it belongs as soon as that works, and then the file is emptied; after a crash recovery does it. Whoever reads gets
both: what is stored, and what waits.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import anyio

from transcriber.adapters.disk import CallRunner
from transcriber.adapters.emergency_file import EmergencyFile
from transcriber.adapters.guarded_recording import FIRST_TRY, LAST_TRY
from transcriber.adapters.transcript_db import RESERVED, TranscriptDatabase
from transcriber.core.backoff import Backoff
from transcriber.core.component_states import Disk
from transcriber.core.past import Past
from transcriber.core.tally import Counts
from transcriber.core.transcript_entry import Entry
from transcriber.errors import StorageError
from transcriber.events import track_of
from transcriber.types import TrackName

MOST_WAITING = 20_000
"""Entries that may wait: hours of speech, in a few megabytes."""


@dataclass(slots=True)
class _Waiting:
    """An entry that the database has not taken yet, and the same as bytes; `held` once the emergency file has it."""

    entry: Entry
    content: bytes
    held: bool = False


class GuardedTranscript:
    """The transcript's database and an emergency file, for the tasks of one loop, one that writes at a time.

    `changed` is told each new state, and why. `emergency_disk` runs the calls on the emergency file. `newest` is the
    number of the last event in the database. At most so many entries may wait as `most_waiting` says; with 0 there is
    no way but the database.
    """

    def __init__(
        self,
        database: TranscriptDatabase,
        disk: CallRunner,
        emergency: EmergencyFile | None,
        emergency_disk: CallRunner,
        changed: Callable[[Disk, str], None],
        *,
        newest: int = 0,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._database = database
        self._disk = disk
        self._emergency = emergency
        self._emergency_disk = emergency_disk
        self._changed = changed
        self._most_waiting = most_waiting
        self.busy = False
        """Whether something is being stored. The disks have deadlines: whoever waits for them does not hang."""
        self._state = Disk.NORMAL
        self._waiting: list[_Waiting] = []
        self._reserved = 0
        self._ahead = False  # whether numbers were given that the database does not know of
        self._newest = newest  # number of the event that was stored last, or waits
        self._tries = Backoff(FIRST_TRY, LAST_TRY)

    @property
    def at_home(self) -> bool:
        """Whether all of it is in the database."""
        return not self._waiting

    async def store(self, entry: Entry) -> bool:
        """Make an entry durable where that is possible; return whether it was not stored before.

        Raises:
            ValueError: the event contradicts what is stored. Nothing was changed.
            StorageError: it is not stored, unless the disk comes to it later: there is no room for more that waits.

        """
        self.busy = True
        try:
            return await self._store(entry)
        finally:
            self.busy = False

    async def _store(self, entry: Entry) -> bool:
        if self.at_home or (self._tries.due(anyio.current_time()) and await self.come_home()):
            try:
                await self._keep_numbers()
                news = await self._run(partial(self._database.store, entry))
            except StorageError as error:
                if not self._most_waiting:
                    raise
                self._tries.begin()
                self._change(Disk.EMERGENCY, str(error))
            else:
                if news and entry.envelope is not None:
                    self._newest = entry.envelope.seq
                return news
        if self._tries.due(now := anyio.current_time()):
            self._tries.failed(now)
        if len(self._waiting) >= self._most_waiting:
            raise StorageError(
                "the transcript cannot be stored, and no more of it finds room in memory; check the disk"
            )
        self._waiting.append(_Waiting(entry, entry.held(self._newest)))
        await self._hold()
        if entry.envelope is not None:
            self._newest = entry.envelope.seq
        return True

    async def reserve(self) -> range:
        """Return event numbers that were never given before; while the database fails, those that follow."""
        if self.at_home:
            try:
                await self._keep_numbers()
                numbers = await self._run(self._database.reserve)
            except StorageError:
                if not self._reserved:
                    raise
            else:
                self._reserved = numbers.stop - 1
                return numbers
        first = self._reserved + 1
        self._reserved += RESERVED
        self._ahead = True
        return range(first, self._reserved + 1)

    async def events(self, after: int) -> Sequence[tuple[int, str]]:
        """Return numbers and JSON lines of some events after number `after`, in order; none if there are none."""
        stored = await self._run(partial(self._database.events, after))
        waiting = ((one.entry.envelope, one.entry.line) for one in self._waiting)
        return stored or [(event.seq, line) for event, line in waiting if event is not None and event.seq > after]

    async def past(self, track: TrackName, context: int) -> Past:
        """Return what there is of a track, with the segments of the last `context` samples before its cursor."""
        past = await self._run(partial(self._database.past, track, context))
        for entry in (one.entry for one in self._waiting):
            event = entry.envelope and entry.envelope.event
            about = entry.track if event is None else track_of(event)
            if track == about:
                past = past.then(event, entry.coverage)
        return past

    async def told(self, track: TrackName) -> Counts:
        """Return how much was told of a track."""
        counts = await self._run(partial(self._database.told, track))
        for envelope in (one.entry.envelope for one in self._waiting):
            if envelope is not None and track_of(envelope.event) == track:
                counts = counts.then(envelope.event)
        return counts

    async def come_home(self) -> bool:
        """Store what waits where it belongs; return whether all of it is there now."""
        try:
            await self._keep_numbers()
            while self._waiting:
                await self._run(partial(self._database.store, self._waiting[0].entry))
                del self._waiting[0]
        except StorageError:
            return False
        if self._state is not Disk.NORMAL and self._emergency is not None:
            # All that is in it is stored: what is still there after an error counts for nothing.
            with suppress(StorageError):
                await self._emergency_disk.run(self._emergency.clear)
        self._change(Disk.NORMAL, "the disk takes the transcript again")
        return True

    async def close(self) -> None:
        """Close the database and the emergency file, which stays if there is still something in it. Idempotent."""
        try:
            await self.come_home()
            await self._run(self._database.close)
        finally:
            if self._emergency is not None:
                with suppress(StorageError):
                    await self._emergency_disk.run(partial(self._emergency.close, remove=self.at_home))

    async def _keep_numbers(self) -> None:
        """Have the database take note of the numbers that were given while it failed: nobody may give them again."""
        if self._ahead:
            await self._run(partial(self._database.reserve_up_to, self._reserved))
            self._ahead = False

    async def _hold(self) -> None:
        """Put what waits into the emergency file, as far as it is not there; without one, memory is all there is."""
        if self._emergency is None:
            self._change(Disk.LOST, "there is no emergency file")
            return
        fresh = [one for one in self._waiting if not one.held]
        try:
            await self._emergency_disk.run(partial(self._emergency.append, [one.content for one in fresh]))
        except StorageError as error:
            self._change(Disk.LOST, str(error))
        else:
            for one in fresh:
                one.held = True
            self._change(Disk.EMERGENCY, "the transcript goes to the emergency file")

    async def _run[T](self, call: Callable[[], T]) -> T:
        try:
            return await self._disk.run(call)
        except StorageError:
            # The call may be stuck in a thread that was given up: its connection must not be used again.
            self._database.disconnect()
            raise

    def _change(self, state: Disk, reason: str) -> None:
        if state is not self._state:
            self._state = state
            self._changed(state, reason)
