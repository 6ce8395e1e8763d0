"""Takes one protective step out of the program: for benchmarks, which put this folder on the PYTHONPATH of a run.

WITHOUT=header: a WAV file's header is not set before each sync, only when the file is new.
WITHOUT=cursor: the cursor moves in a transaction of its own, before that of the words that it covers.
WITHOUT=journal: the journal vouches for samples before they are written.
WITHOUT=monotonic: time is the wall clock's.
WITHOUT=asleep: silence is believed also where nobody looked, and time passes for who could not look.
WITHOUT=slept: nobody asks the clock that goes on while the computer sleeps.
WITHOUT=another-descriptor: a sync that failed is tried again, on the same descriptor.
WITHOUT=sync-before-acknowledging: samples are acknowledged, and only then is their file synced.
WITHOUT=continued-writes: of a write that was short the rest is not written.
WITHOUT=deadline: a disk may take for ever.
WITHOUT=memory: what finds no place is lost at once, though there is room in memory.
WITHOUT=presence: nobody looks whether what was written is still there.
PAUSE: seconds between two steps that belong together, so that a kill at a random moment comes between them.
"""

# ruff: noqa: SLF001 - it replaces what nobody else may touch

import math
import os
import time
import zlib
from collections.abc import Sequence

from transcriber.adapters import disk_files, sleep
from transcriber.adapters.disk import Disk
from transcriber.adapters.recording_writer import TrackWriter, following, joined
from transcriber.adapters.transcript_db import TranscriptDatabase
from transcriber.app.track import Track
from transcriber.core import journal, timeline
from transcriber.events import Envelope
from transcriber.types import Block, Coverage, Gap, TrackName

PAUSE = float(os.environ.get("PAUSE", "0"))


def without_header() -> None:
    def sync_wav(self: TrackWriter) -> None:
        if self._wav is not None and self._wav.unsynced is not None:
            self._check()
            disk_files.sync(self._wav.descriptor)
            self._wav.unsynced = None

    TrackWriter._sync_wav = sync_wav


def without_cursor() -> None:
    together = TranscriptDatabase.apply

    def apply(
        self: TranscriptDatabase,
        envelope: Envelope,
        json_line: str,
        coverage: Coverage | None = None,
        track: TrackName | None = None,
    ) -> bool:
        if coverage is not None and track is not None:
            self.advance(track, coverage)
            time.sleep(PAUSE)
        return together(self, envelope, json_line)

    TranscriptDatabase.apply = apply


def without_journal() -> None:
    together = TrackWriter.append

    def append(self: TrackWriter, pieces: Sequence[Block | Gap]) -> None:
        before = self.acknowledged
        records = [
            piece if isinstance(piece, Gap) else journal.Audio(piece.start, piece.end, zlib.crc32(piece.pcm))
            for piece in joined(following(before.durable, pieces))
        ]
        with self._call(self._audio):
            self._acknowledge(records)
        self.acknowledged = before
        time.sleep(PAUSE)
        together(self, pieces)

    TrackWriter.append = append


def without_monotonic() -> None:
    time.monotonic = time.time


def without_asleep() -> None:
    timeline.ASLEEP = sleep.GLANCE = math.inf


def without_slept() -> None:
    sleep.SleepWatch.slept = lambda _self: 0.0


def without_another_descriptor() -> None:
    once = disk_files.sync

    def sync(descriptor: int) -> None:
        try:
            once(descriptor)
        except OSError:
            once(descriptor)

    disk_files.sync = sync


def without_sync_before_acknowledging() -> None:
    def flush(self: TrackWriter, records: Sequence[journal.Record]) -> None:
        self._acknowledge(records)
        self._sync_wav()

    TrackWriter._flush = flush


def without_continued_writes() -> None:
    def write_at(descriptor: int, offset: int, content: bytes) -> None:
        os.lseek(descriptor, offset, os.SEEK_SET)
        os.write(descriptor, content)

    disk_files.write_at = write_at


def without_deadline() -> None:
    init = Disk.__init__
    Disk.__init__ = lambda self, name="disk", **_: init(self, name, deadline=math.inf)


def without_memory() -> None:
    init = Track.__post_init__

    def post_init(self: Track) -> None:
        init(self)
        self.recording.room = lambda: False

    Track.__post_init__ = post_init


def without_presence() -> None:
    disk_files.check_there = lambda *_: None


if step := os.environ.get("WITHOUT"):
    globals().get(f"without_{step.replace('-', '_')}", lambda: None)()
