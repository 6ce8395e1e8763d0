"""A recording that goes on when its disk does not: what the disk cannot take goes to a file that has its space already.

Three states, and the way between them:

    normal ── the disk fails ──▶ emergency ── that fails too, and memory fills ──▶ lost
       ▲                             │                                              │
       └──── the disk takes all ─────┴──────────────────────────────────────────────┘

In `emergency` everything is as durable as ever, in another file, or waits in memory for a place. In `lost` nothing is:
what comes becomes a gap by name, and nobody above stops. Each state is left as soon as the disk works again: what the
emergency file holds is written where it belongs, in order, the gap is noted, and the file is emptied.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import anyio

from transcriber.adapters.disk import CallRunner
from transcriber.adapters.emergency_file import EmergencyFile, Place
from transcriber.adapters.recording import TrackRecording
from transcriber.adapters.recording_writer import FilesRemovedError, following
from transcriber.core import piece_codec
from transcriber.core.backoff import Backoff
from transcriber.core.component_states import Disk
from transcriber.errors import StorageError
from transcriber.types import Block, Gap, GapReason, Position, seconds

FIRST_TRY, LAST_TRY = 1.0, 30.0
"""Seconds between two tries of a disk that fails: twice as long after each, so that one that hangs for its whole
deadline at each try does not hold up the rest."""

AT_ONCE = 64
"""Pieces that are brought home in one call: half a minute of sound, if each is half a second."""

WAITING, LONGEST_WAIT = 0.1, 15.0
"""Seconds between two looks at whether there is a place by now, and in all: of a source that has ended memory does not
fill."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A piece that the emergency file holds."""

    start: Position
    end: Position
    place: Place


class GuardedRecording:
    """The `Recording` port over a track's recording and an emergency file.

    What finds no place waits in memory for as long as `room` says that there is some; then it is lost, and nobody
    stops. With `patience` it is a StorageError, and nothing is lost: for a source that waits, such as a file. `changed`
    is told each new state, and why. `disk` runs the calls on the emergency file: in a thread of its own, as the one of
    the recording may be stuck. One task appends at a time; any number read.
    """

    def __init__(
        self,
        recording: TrackRecording,
        emergency: EmergencyFile | None,
        disk: CallRunner,
        changed: Callable[[Disk, str], None],
        *,
        patience: bool = False,
    ) -> None:
        self._recording = recording
        self._emergency = emergency
        self._disk = disk
        self._changed = changed
        self._patience = patience
        self.room: Callable[[], bool] = lambda: False
        self.limit = math.inf
        """Seconds that the disk has for a call, before the emergency file gets it: fewer than its own, at the end."""
        self.busy = False
        """Whether something is being appended. The disks have deadlines: whoever waits for them does not hang."""
        self._state = Disk.NORMAL
        self._held: list[_Held] = []  # in order
        self._lost: Gap | None = None  # what follows it, and is nowhere
        self._lost_before = 0  # samples that had found no place when the disk failed
        self._why = ""  # the disk fails
        self._tries = Backoff(FIRST_TRY, LAST_TRY)

    @property
    def at_home(self) -> bool:
        """Whether all of it is in the recording."""
        return self._state is Disk.NORMAL

    @property
    def durable(self) -> Position:
        """Everything before this position is on disk, or a gap by name."""
        away = (*(held.end for held in self._held[-1:]), *([self._lost.end] if self._lost else []))
        return max(self._recording.durable, *away) if away else self._recording.durable

    async def append(self, pieces: Sequence[Block | Gap]) -> Position:
        """Make pieces durable where that is possible, and return the new durable position.

        Raises:
            ValueError: a hole that no `Gap` names. Nothing was written.
            StorageError: there is no place for it, and there is `patience`.

        """
        self.busy = True
        try:
            if self._state is not Disk.NORMAL or not await self._is_written(pieces):
                await self._find_place(pieces)
        finally:
            self.busy = False
        return self.durable

    async def read(self, start: Position, end: Position) -> Sequence[Block | Gap]:
        """Return the audio and the gaps in `[start, end)`, in order and without holes; `end` is at most `durable`."""
        pieces: list[Block | Gap] = []
        home = self._recording.durable
        if start < home:
            pieces += await self._recording.read(start, min(end, home))
        for held in tuple(self._held):
            if held.end > max(start, home) and held.start < end:
                pieces.append(_part(await self._take(held), max(start, home), end))
        if self._lost is not None and end > max(start, self._lost.start, home):
            pieces.append(Gap(max(start, self._lost.start, home), end, self._lost.reason))
        return pieces

    async def come_home(self, pieces: Sequence[Block | Gap] = ()) -> bool:
        """Bring what is held elsewhere to the recording, then `pieces`; return whether all of it is there now.

        A disk takes a short note that it is full: only what comes next shows whether it works.
        """
        try:
            while away := [held for held in self._held if held.end > self._recording.durable][:AT_ONCE]:
                await self._recording.append([await self._take(held) for held in away])
            if self._lost is not None:
                await self._recording.append([self._lost])
            if pieces:
                await self._recording.append(pieces)
        except StorageError:
            return False
        if self._emergency is not None:
            # All that is in it is home: what is still there after an error counts for nothing.
            with suppress(StorageError):
                await self._disk.run(self._emergency.clear)
        self._held.clear()
        self._lost = None
        lost = self._lost_at_home() - self._lost_before
        more = f"; {seconds(lost)} s of sound could not be kept" if lost else ""
        self._change(Disk.NORMAL, f"the disk takes everything again{more}")
        return True

    async def close(self) -> None:
        """Close the recording and the emergency file, which stays if there is still something in it. Idempotent.

        Raises:
            StorageError: the end could not be noted; nothing that was acknowledged is lost.

        """
        try:
            if self.at_home or await self.come_home():
                await self._recording.close()
        finally:
            if self._emergency is not None:
                with suppress(StorageError):
                    await self._disk.run(partial(self._emergency.close, remove=self.at_home))

    async def _is_written(self, pieces: Sequence[Block | Gap]) -> bool:
        """Write to a disk that works, as far as is known; return whether it still does."""
        try:
            await self._write(pieces)
        except StorageError as error:
            self._lost_before = self._lost_at_home()
            self._tries.begin()
            self._tries.failed(anyio.current_time())
            self._why = str(error)
            self._change(Disk.EMERGENCY, self._why)
            # What was removed is made anew at the next try, on a disk that works: there is nothing to wait for.
            return isinstance(error, FilesRemovedError) and await self.come_home(pieces)
        return True

    async def _write(self, pieces: Sequence[Block | Gap]) -> None:
        with anyio.move_on_after(self.limit):
            await self._recording.append(pieces)
            return
        raise StorageError(f"no answer from the disk for {self.limit:g} s")

    async def _find_place(self, pieces: Sequence[Block | Gap]) -> None:
        """Bring pieces home if the disk works again, or to the emergency file, or lose them."""
        try_it = self._state is Disk.EMERGENCY
        until = anyio.current_time() + LONGEST_WAIT
        while True:
            if self.limit == math.inf and self._tries.due(anyio.current_time()):
                if await self.come_home(pieces):
                    return
                self._tries.failed(anyio.current_time())
                try_it = True
            away = [*following(self.durable, pieces)]
            if not away:
                return
            why = await self._hold(away) if try_it else self._why
            if why is None:
                return
            try_it = False
            if self._patience:
                raise StorageError(why)
            if self._state is Disk.LOST or not self.room() or anyio.current_time() >= until:
                self._lost = Gap(self._lost.start if self._lost else away[0].start, away[-1].end, GapReason.DISK)
                self._change(Disk.LOST, why)
                return
            await anyio.sleep(WAITING)

    async def _hold(self, pieces: Sequence[Block | Gap]) -> str | None:
        """Put pieces into the emergency file, after the gap before them; return why it does not take them, if so."""
        if self._emergency is None:
            return self._why
        all_of_it = [*([self._lost] if self._lost is not None else []), *pieces]
        contents = [piece_codec.encode(piece) for piece in all_of_it]
        try:
            places = await self._disk.run(partial(self._emergency.append, contents))
        except StorageError as error:
            return str(error)
        self._lost = None
        self._held += [_Held(piece.start, piece.end, place) for piece, place in zip(all_of_it, places, strict=True)]
        self._change(Disk.EMERGENCY, "what is recorded goes to the emergency file")
        return None

    async def _take(self, held: _Held) -> Block | Gap:
        """Return a piece that is held; a gap, if the emergency file has lost it."""
        if self._emergency is None:
            raise StorageError("there is no emergency file")
        content = await self._disk.run(partial(self._emergency.read, held.place))
        return Gap(held.start, held.end, GapReason.DISK) if content is None else piece_codec.decode(content)

    def _lost_at_home(self) -> int:
        """Return the samples of the recording that found no place."""
        return sum(gap.end - gap.start for gap in self._recording.gaps if gap.reason is GapReason.DISK)

    def _change(self, state: Disk, reason: str) -> None:
        if state is not self._state:
            self._state = state
            self._changed(state, reason)


def _part(piece: Block | Gap, start: Position, end: Position) -> Block | Gap:
    """Return what of a piece lies in `[start, end)`."""
    if isinstance(piece, Gap):
        return Gap(max(start, piece.start), min(end, piece.end), piece.reason)
    part = piece.after(start)
    return Block(part.start, part.pcm[: 2 * (end - part.start)])
