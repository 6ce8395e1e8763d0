"""A recording that goes on when its disk does not: what the disk cannot take goes to a file that has its space already.

Three states, and the way between them:

    normal ── the disk fails ──▶ emergency ── that fails too ──▶ lost
       ▲                             │                            │
       └──── the disk takes all ─────┴────────────────────────────┘

In `emergency` everything is as durable as ever, in another file. In `lost` nothing is: what comes becomes a gap by
name, and nobody above stops. Each state is left as soon as the disk works again: what the emergency file holds is
written where it belongs, in order, the gap is noted, and the file is emptied.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import anyio

from transcriber.adapters.disk import CallRunner
from transcriber.adapters.emergency_file import EmergencyFile, Place
from transcriber.adapters.recording import TrackRecording
from transcriber.adapters.recording_writer import following
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


class GuardedRecording:
    """The `Recording` port over a track's recording and an emergency file.

    What finds no place is lost, and nobody stops; with `patience` it is a StorageError, and nothing is lost: for a
    source that waits, such as a file. `changed` is told each new state, and why. `disk` runs the calls on the emergency
    file: a thread of its own, for the one of the recording may be stuck. One task appends at a time; any number read.
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
        self.limit = math.inf
        """Seconds that the disk has for a call, before the emergency file gets it: fewer than its own, at the end."""
        self._state = Disk.NORMAL
        self._held: list[tuple[Position, Position, Place]] = []  # what the emergency file holds, in order
        self._lost: Gap | None = None  # what follows it, and is nowhere
        self._missed = 0  # samples that found no place since the disk failed
        self._why = ""  # the disk fails
        self._tries = Backoff(FIRST_TRY, LAST_TRY)

    @property
    def at_home(self) -> bool:
        """Whether all of it is in the recording."""
        return self._state is Disk.NORMAL

    @property
    def durable(self) -> Position:
        """Everything before this position is on disk, or a gap by name."""
        away = (*(end for _, end, _ in self._held[-1:]), *([self._lost.end] if self._lost else []))
        return max(self._recording.durable, *away) if away else self._recording.durable

    async def append(self, pieces: Sequence[Block | Gap]) -> Position:
        """Make pieces durable where that is possible, and return the new durable position.

        Raises:
            ValueError: a hole that no `Gap` names. Nothing was written.
            StorageError: there is no place for it, and there is `patience`.

        """
        due = self._tries.due(anyio.current_time())
        if self._state is Disk.NORMAL:
            try:
                return await self._append(pieces)
            except StorageError as error:
                self._tries.begin()
                self._why = str(error)
                self._change(Disk.EMERGENCY, self._why)
        elif due and await self.come_home(pieces):
            return self.durable
        if due:
            self._tries.failed(anyio.current_time())
        if away := [*following(self.durable, pieces)]:
            await self._hold(away, try_it=due or self._state is Disk.EMERGENCY)
        return self.durable

    async def read(self, start: Position, end: Position) -> Sequence[Block | Gap]:
        """Return the audio and the gaps in `[start, end)`, in order and without holes; `end` is at most `durable`."""
        pieces: list[Block | Gap] = []
        home = self._recording.durable
        if start < home:
            pieces += await self._recording.read(start, min(end, home))
        for first, last, place in tuple(self._held):
            if last > max(start, home) and first < end:
                pieces.append(_part(await self._take(place), max(start, home), end))
        if self._lost is not None and end > max(start, self._lost.start, home):
            pieces.append(Gap(max(start, self._lost.start, home), end, self._lost.reason))
        return pieces

    async def come_home(self, pieces: Sequence[Block | Gap] = ()) -> bool:
        """Bring what is held elsewhere to the recording, then `pieces`; return whether all of it is there now.

        A disk takes a short note that it is full: only what comes next shows whether it works.
        """
        try:
            while away := [place for _, end, place in self._held if end > self._recording.durable][:AT_ONCE]:
                await self._recording.append([await self._take(place) for place in away])
            if self._lost is not None:
                await self._recording.append([self._lost])
            if pieces:
                await self._recording.append(pieces)
            if self._emergency is not None and self._held:
                await self._disk.run(self._emergency.clear)
        except StorageError:
            return False
        reason = "the disk takes everything again"
        if self._missed:
            reason += f"; {seconds(self._missed)} s of sound found no place"
        self._held.clear()
        self._lost, self._missed = None, 0
        self._change(Disk.NORMAL, reason)
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
                await self._disk.run(partial(self._emergency.close, remove=self.at_home))

    async def _append(self, pieces: Sequence[Block | Gap]) -> Position:
        with anyio.move_on_after(self.limit):
            return await self._recording.append(pieces)
        raise StorageError(f"no answer from the disk for {self.limit:g} s")

    async def _hold(self, pieces: Sequence[Block | Gap], *, try_it: bool) -> None:
        """Put pieces into the emergency file, after the gap before them; without a try they become part of it."""
        all_of_it = [*([self._lost] if self._lost is not None else []), *pieces]
        lost = Gap(all_of_it[0].start, all_of_it[-1].end, GapReason.DISK)
        if self._emergency is None or not try_it:
            self._lose(lost, self._why)
            return
        try:
            contents = [piece_codec.encode(piece) for piece in all_of_it]
            places = await self._disk.run(partial(self._emergency.append, contents))
        except StorageError as error:
            self._lose(lost, str(error))
            return
        self._lost = None
        self._held += [(piece.start, piece.end, place) for piece, place in zip(all_of_it, places, strict=True)]
        self._change(Disk.EMERGENCY, "what is recorded goes to the emergency file")

    def _lose(self, gap: Gap, reason: str) -> None:
        if self._patience:
            raise StorageError(reason)
        self._missed += gap.end - max(gap.start, self._lost.end if self._lost else gap.start)
        self._lost = gap
        self._change(Disk.LOST, reason)

    async def _take(self, place: Place) -> Block | Gap:
        if self._emergency is None:
            raise StorageError("there is no emergency file")
        return piece_codec.decode(await self._disk.run(partial(self._emergency.read, place)))

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
