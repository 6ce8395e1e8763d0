"""What the journal of a damaged track should say, from what is left of it and of the WAV files."""

from collections.abc import Callable, Iterable, Mapping
from typing import assert_never

from transcriber.core import wav
from transcriber.core.journal import Audio, Clock, Damage, End, Record
from transcriber.types import Gap, GapReason, Position

type Checksum = Callable[[wav.FileSpan], int | None]
"""Returns the CRC32 of the samples of a span, or None if not all of them can be read."""


class _Repair:
    def __init__(self, files: Mapping[int, int], checksum: Checksum) -> None:
        self.records: list[Record] = []
        self.position = Position(0)
        self._files = files
        self._checksum = checksum
        self._last = max(files, default=0)

    def take(self, record: Record | Damage) -> None:
        match record:
            case Gap(start, end, reason):
                self.fill(start)
                if end > self.position:
                    self._add(Gap(self.position, end, reason))
            case Audio(start, end):
                self.fill(start)
                if start == self.position and self._is_there(record):
                    self._add(record if self._is_sound(record) else Gap(start, end, GapReason.DAMAGE))
                else:
                    self.fill(end)
            case Clock():
                self.records.append(record)
            case End(position):
                if position == self.position:
                    self.records.append(record)
            case Damage():
                pass
            case _:
                assert_never(record)

    def fill(self, end: Position) -> None:
        """Account for the samples up to `end`: those that are in a file are audio, the others are damage."""
        for span in wav.spans(self.position, end):
            readable = Position(min(span.end, wav.file_start(span.index) + self._files.get(span.index, 0)))
            if readable > span.start:
                crc = self._checksum(wav.FileSpan(span.index, span.start, readable))
                there = Gap(span.start, readable, GapReason.DAMAGE) if crc is None else Audio(span.start, readable, crc)
                self._add(there)
            if self.position < span.end:
                self._add(Gap(self.position, span.end, GapReason.DAMAGE))

    def _is_there(self, record: Audio) -> bool:
        index = record.start // wav.FILE_SAMPLES
        return record.start < record.end <= wav.file_start(index) + self._files.get(index, 0)

    def _is_sound(self, record: Audio) -> bool:
        span = wav.FileSpan(record.start // wav.FILE_SAMPLES, record.start, record.end)
        return span.index != self._last or self._checksum(span) == record.crc

    def _add(self, record: Audio | Gap) -> None:
        self.records.append(record)
        self.position = record.end


def repaired(
    found: Iterable[Record | Damage], files: Mapping[int, int], checksum: Checksum, *, at_least: Position
) -> list[Record]:
    """Return records that cover `[0, durable)` without hole or overlap, where `durable` is `at_least` or more.

    `files` gives the whole samples in each WAV file. A good record stays as it is; samples that no good record speaks
    for are kept if they are there, and become a `damage` gap if not. So do samples of the last file that are not what
    was written; earlier files were complete long before whatever happened, and `verify` reads them all. An end record
    closes what is repaired, so that a record lost later is missed. Repairing what is repaired changes nothing.
    """
    repair = _Repair(files, checksum)
    for record in found:
        repair.take(record)
    ends = (wav.file_start(index) + samples for index, samples in files.items() if samples)
    repair.fill(Position(max(repair.position, at_least, *ends, 0)))
    if repair.records and not isinstance(repair.records[-1], End):
        repair.records.append(End(repair.position))
    return repair.records
