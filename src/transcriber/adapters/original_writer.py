"""What a source delivered, in its own format, on its way to disk: beside the recording, and behind it in rank.

It never fails, and nobody waits for it: what cannot be written is left out and told. The recording has precedence, so
nothing is written either while less is free than a recording needs to begin.
"""

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby
from pathlib import Path

import anyio

from transcriber.adapters import disk_files
from transcriber.adapters.disk import CallRunner
from transcriber.adapters.free_space import free_space
from transcriber.core.backoff import Backoff
from transcriber.core.component_states import Actor
from transcriber.core.original import Layout, Part, file_name
from transcriber.core.original_wav import Header
from transcriber.core.space import REMEDY, size_in_words
from transcriber.errors import StorageError
from transcriber.types import DeviceBlock, Gap, seconds

FIRST_TRY, LAST_TRY = 1.0, 30.0
"""Seconds between two tries of a disk that fails, as for the recording."""

MOST_HELD = 1 << 20
"""Bytes that wait for the next write; what comes faster than it sounds does not wait for long."""


class OriginalWriter:
    """The `OriginalRecording` port: WAV files in `folder`, written and synced in a thread of the disk.

    `changed` is told when it is suspended, and when it goes on. No file stays open between two writes: a call that
    hangs holds nothing that another would need.
    """

    def __init__(self, folder: Path, disk: CallRunner, least_free: int, changed: Callable[[Actor, str], None]) -> None:
        self._folder = folder
        self._disk = disk
        self._least_free = least_free
        self._changed = changed
        self._layout = Layout()
        self._parts: list[Part] = []
        self._held = 0
        self._suspended = False
        self._tries = Backoff(FIRST_TRY, LAST_TRY)

    def take(self, piece: DeviceBlock | Gap) -> bool:
        """Hold a piece, which may be given twice, for the next `flush`; return whether that is due by what is held."""
        for part in self._layout.take(piece):
            self._parts.append(part)
            self._held += len(part.pcm)
        return self._held >= MOST_HELD

    async def flush(self) -> None:
        """Make durable what was taken, or leave it out."""
        parts, self._parts, self._held = self._parts, [], 0
        now = anyio.current_time()
        if self._layout.missed:
            self._suspend("it could not be written in time")
        if not parts:
            return
        if self._suspended and not self._tries.due(now):
            self._layout.leave_out(parts)
            return
        try:
            await self._disk.run(partial(write, self._folder, parts, self._least_free))
        except StorageError as error:
            self._layout.leave_out(parts)
            self._suspend(str(error))
            self._tries.failed(anyio.current_time())
        except BaseException:
            self._layout.break_off()  # nobody learns any more what became of the call
            raise
        else:
            self._resume()

    def _suspend(self, reason: str) -> None:
        if not self._suspended:
            self._suspended = True
            self._tries.begin()
            self._changed(Actor.SUSPENDED, reason)

    def _resume(self) -> None:
        if self._suspended:
            self._suspended = False
            missed, self._layout.missed = self._layout.missed, 0
            self._changed(Actor.RUNNING, f"the disk takes it again; {seconds(missed)} s of it are left out")


def write(folder: Path, parts: Sequence[Part], least_free: int = 0) -> None:
    """Append parts to their files, each of which plays whenever this is cut off. Blocking.

    Raises:
        StorageError: less than `least_free` bytes are free, or the disk failed; what was written before is still there.

    """
    free = free_space(folder)
    if free is not None and free < least_free:
        raise StorageError(
            f"{size_in_words(free)} are free on the disk, and the recording comes first "
            f"(storage.least_free is {size_in_words(least_free)}): {REMEDY}"
        )
    try:
        for place in (folder.parent, folder):
            if not place.exists():
                disk_files.make_folder(place)
        for start, several in groupby(parts, lambda part: part.start):
            first, *others = several
            pcm = b"".join((first.pcm, *(part.pcm for part in others)))
            _append(folder / file_name(start), Part(start, first.before, first.form, pcm))
    except OSError as error:
        raise disk_files.explain(error, folder) from error


def _append(path: Path, part: Part) -> None:
    before, after = Header(part.form, part.before), Header(part.form, part.before + part.frames)
    if part.before and not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    descriptor = disk_files.open_private(path, new=not part.before)
    try:
        try:
            if not part.before:  # from here on a reader knows the format, whatever happens
                disk_files.write_at(descriptor, 0, before.encode())
            disk_files.write_at(descriptor, before.end, part.pcm)
            disk_files.write_at(descriptor, 0, after.encode())
            disk_files.sync(descriptor)
        except OSError:
            _take_back(descriptor, path, before)
            raise
    finally:
        os.close(descriptor)
    if not part.before:
        disk_files.sync_folder(path.parent)


def _take_back(descriptor: int, path: Path, before: Header) -> None:
    """Leave a file as it was, as far as the disk lets us: recovery does so otherwise."""
    with suppress(OSError):
        if before.frames:
            disk_files.write_at(descriptor, 0, before.encode())
            os.ftruncate(descriptor, before.end)
        else:
            path.unlink()
