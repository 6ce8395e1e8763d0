"""Repair of one track after a crash: WAV files that play, and a journal that agrees with them."""

import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from transcriber.adapters import disk_files
from transcriber.adapters.recording_writer import Acknowledged, TrackWriter
from transcriber.adapters.sample_files import SampleFiles
from transcriber.core import journal, wav
from transcriber.core.journal_repair import repaired
from transcriber.types import SAMPLE_BYTES, Block, Gap, GapReason, Position, TrackName


@dataclass(frozen=True, slots=True)
class RecoveredTrack:
    """What a track is after its recovery."""

    name: TrackName
    durable: Position
    kept: int
    """Samples that are there without ever having been acknowledged."""
    damage: Sequence[Gap]
    """What was recorded and is lost, this time or before."""
    actions: Sequence[str]
    """What was changed, one line each; nothing if the track was whole."""


class TrackRecovery:
    """Repairs one track. Each step may be cut off at any time, and done again from the start. Raises OSError."""

    def __init__(self, name: TrackName, audio: Path, journal_file: Path, damaged: Path) -> None:
        self._name = name
        self._audio = audio
        self._journal_file = journal_file
        self._damaged = damaged
        self._actions: list[str] = []

    def run(self, at_least: Position, held: Sequence[Block | Gap] = ()) -> RecoveredTrack:
        """Repair the track; `at_least` is the position up to which it is known to have been recorded.

        `held` is what the emergency file has of it, in order; a hole in it is damage.
        """
        before = self._journal_file.read_bytes() if self._journal_file.exists() else b""
        found = list(journal.scan(before))
        acknowledged = max((record.end for record in found if isinstance(record, journal.Audio | Gap)), default=0)
        # What a failing disk took of that, and did not acknowledge, is not to be trusted: there it is whole.
        until = Position(max(held[0].start, acknowledged)) if held else None
        with SampleFiles(self._audio) as samples:
            files = {index: samples.readable(index) for index in samples.archived()}
            files |= {index: self._repair_wav(index, until) for index in samples.wavs()}
            known = at_least if until is None else min(at_least, until)
            records = repaired(found, files, samples.checksum, at_least=known)
        self._write_journal(before, found, records)
        for folder in (self._audio, self._journal_file.parent):
            disk_files.sync_folder(folder)
        extent = journal.Extent()
        for record in records:
            extent.add(record)
        if held:
            self._merge(extent, held, at_least)
        return RecoveredTrack(
            self._name,
            extent.durable,
            max(0, max((wav.file_start(index) + size for index, size in files.items()), default=0) - acknowledged),
            [gap for gap in extent.gaps if gap.reason is GapReason.DAMAGE],
            self._actions,
        )

    def _merge(self, extent: journal.Extent, held: Sequence[Block | Gap], at_least: Position) -> None:
        """Write what the emergency file holds where it belongs."""
        before = extent.durable
        writer = TrackWriter(self._audio, self._journal_file, Acknowledged(before, extent.records, tuple(extent.gaps)))
        try:
            if held[0].start > before:
                writer.append([Gap(before, held[0].start, GapReason.DAMAGE)])
            writer.append(list(_without_holes(held)))
            if at_least > writer.acknowledged.durable:
                writer.append([Gap(writer.acknowledged.durable, at_least, GapReason.DAMAGE)])
            writer.record(journal.End(writer.acknowledged.durable))
        finally:
            writer.revoke()
        extent.durable = writer.acknowledged.durable
        extent.gaps = list(writer.acknowledged.gaps)
        if extent.durable > before:
            self._actions.append(
                f"{self._journal_file}: {extent.durable - before} samples of the emergency file merged"
            )

    def _repair_wav(self, index: int, until: Position | None) -> int:
        """Make a file whole samples, of those before `until`, and a header that says how many; return how many."""
        path = self._audio / wav.file_name(index)
        descriptor = disk_files.open_private(path)
        try:
            size = os.fstat(descriptor).st_size
            samples = min(wav.whole_samples(size), wav.FILE_SAMPLES)
            if until is not None:
                samples = min(samples, max(0, until - wav.file_start(index)))
            whole = wav.HEADER_BYTES + samples * SAMPLE_BYTES
            if size > whole:
                tail = read_at(descriptor, whole, size - whole)
                set_aside(self._damaged, f"{self._name}-{path.name}-tail", tail)
                os.ftruncate(descriptor, whole)
                self._actions.append(f"{path}: {size - whole} bytes after the last sample set aside")
            if read_at(descriptor, 0, wav.HEADER_BYTES) != wav.header(samples):
                disk_files.write_at(descriptor, 0, wav.header(samples))
                self._actions.append(f"{path}: header set to {samples} samples")
            disk_files.sync(descriptor)
        finally:
            os.close(descriptor)
        return samples

    def _write_journal(
        self, before: bytes, found: Sequence[journal.Record | journal.Damage], records: Sequence[journal.Record]
    ) -> None:
        after = journal.encode_all(records)
        if after == before:
            return
        for slot in found:
            if isinstance(slot, journal.Damage):
                self._actions.append(f"{self._journal_file}: record {slot.slot} is damaged ({slot.why})")
        if not after.startswith(before):
            set_aside(self._damaged, f"{self._name}-journal", before)
        known = set(found)
        kept = sum(record in known for record in records)
        disk_files.replace(self._journal_file, after)
        self._actions.append(f"{self._journal_file}: {kept} records kept, {len(records) - kept} added")


def _without_holes(held: Sequence[Block | Gap]) -> Iterator[Block | Gap]:
    position = held[0].start
    for piece in held:
        if piece.start > position:
            yield Gap(position, piece.start, GapReason.DAMAGE)
        yield piece
        position = max(position, piece.end)


def read_at(descriptor: int, offset: int, size: int) -> bytes:
    """Return up to `size` bytes at `offset`."""
    os.lseek(descriptor, offset, os.SEEK_SET)
    parts: list[bytes] = []
    while size and (part := os.read(descriptor, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def set_aside(damaged: Path, name: str, content: bytes) -> None:
    """Keep damaged bytes, once however often recovery starts anew: the name tells them apart."""
    if not damaged.exists():
        disk_files.make_folder(damaged)
    disk_files.replace(damaged / f"{name}-{zlib.crc32(content):08x}", content)
