"""The journal of a track: what is durable, record by record.

A journal is a row of 64-byte slots, and nothing else. Slot `n` holds the record with sequence number `n`; 64 divides
every sector size, so that a record is written whole or not at all on most disks, and a reader finds the next slot
whatever happened to the one before. All numbers are little-endian:

    0   magic "TrJ1"        8   sequence        32  first number of the record's own
    4   version             16  start           40  second number of the record's own
    5   type                24  end             48  CRC32 of the samples (AUDIO)
    6   gap reason                              52  zero
                                                60  CRC32 of the 60 bytes before

AUDIO and GAP records follow each other without overlap: together they cover `[0, durable)`. A slot full of zeros is
not a record, whatever its CRC: the magic is missing.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import assert_never

from transcriber.types import Gap, GapReason, Position

RECORD_BYTES = 64
VERSION = 1

_MAGIC = b"TrJ1"
_RECORD = struct.Struct("<4sBBHQqqqqI8xI")
_CRC = struct.Struct("<I")
_REASONS = (
    GapReason.DEVICE,
    GapReason.OVERLOAD,
    GapReason.DISK,
    GapReason.DAMAGE,
    GapReason.ENGINE,
    GapReason.CRASH,
)
"""A reason is stored as its place in this row: append, never reorder."""

_ORIGIN = Position(0)


class _Type(IntEnum):
    AUDIO = 1
    GAP = 2
    CLOCK = 3
    END = 4


@dataclass(frozen=True, slots=True)
class Audio:
    """Samples `[start, end)` are in the WAV files; `crc` is the CRC32 of their bytes there. It spans one file."""

    start: Position
    end: Position
    crc: int


@dataclass(frozen=True, slots=True)
class Clock:
    """`position` was captured at this reading of the monotonic and of the wall clock, in nanoseconds."""

    position: Position
    monotonic: int
    wall: int


@dataclass(frozen=True, slots=True)
class End:
    """The track was closed in order at `position`. A resumed capture writes on after it."""

    position: Position


type Record = Audio | Gap | Clock | End


@dataclass(frozen=True, slots=True)
class Damage:
    """Slot `slot` does not hold its record, and why."""

    slot: int
    why: str


def encode(record: Record, sequence: int) -> bytes:
    """Return the 64 bytes of a record for slot `sequence`."""
    match record:
        case Audio(start, end, crc):
            fields = (_Type.AUDIO, 0, sequence, start, end, 0, 0, crc)
        case Gap(start, end, reason):
            fields = (_Type.GAP, _REASONS.index(reason), sequence, start, end, 0, 0, 0)
        case Clock(position, monotonic, wall):
            fields = (_Type.CLOCK, 0, sequence, position, position, monotonic, wall, 0)
        case End(position):
            fields = (_Type.END, 0, sequence, position, position, 0, 0, 0)
        case _:
            assert_never(record)
    body = _RECORD.pack(_MAGIC, VERSION, *fields, 0)[: -_CRC.size]
    return body + _CRC.pack(zlib.crc32(body))


def decode(slot: bytes, sequence: int) -> Record | Damage:
    """Return the record in slot `sequence`, or what is wrong with it. Never raises, whatever the bytes."""
    why = _fault(slot, sequence)
    if why is not None:
        return Damage(sequence, why)
    kind, reason, _, start, end, first, second, crc, _ = _fields(slot)
    match kind:
        case _Type.AUDIO:
            return Audio(Position(start), Position(end), crc)
        case _Type.GAP if reason < len(_REASONS):
            return Gap(Position(start), Position(end), _REASONS[reason])
        case _Type.CLOCK:
            return Clock(Position(start), first, second)
        case _Type.END:
            return End(Position(start))
        case _:
            return Damage(sequence, f"type {kind}, reason {reason}")


def _fault(slot: bytes, sequence: int) -> str | None:
    """Return why a slot does not hold the record that belongs there."""
    if len(slot) != RECORD_BYTES:
        return f"torn: {len(slot)} of {RECORD_BYTES} bytes"
    if not slot.startswith(_MAGIC):
        return "no record" if any(slot) else "zeros"
    *_, check = _fields(slot)
    if check != zlib.crc32(slot[: -_CRC.size]):
        return "checksum"
    if slot[4] != VERSION:
        return f"version {slot[4]}"
    number = _fields(slot)[2]
    return None if number == sequence else f"record {number} in the place of {sequence}"


def _fields(slot: bytes) -> tuple[int, int, int, int, int, int, int, int, int]:
    """Return type, reason, sequence, start, end, the record's own two numbers, CRC of the samples, CRC of the slot."""
    return _RECORD.unpack(slot)[2:]


def scan(journal: bytes) -> Iterator[Record | Damage]:
    """Yield what each slot holds, in order: records, and damage in between. A torn tail is one more damaged slot.

    Who must trust the journal stops at the first `Damage`; recovery goes on and keeps the good records after it.
    """
    for sequence, offset in enumerate(range(0, len(journal), RECORD_BYTES)):
        yield decode(journal[offset : offset + RECORD_BYTES], sequence)


def encode_all(records: Iterable[Record], first: int = 0) -> bytes:
    """Return the bytes of consecutive records, from slot `first` on."""
    return b"".join(encode(record, sequence) for sequence, record in enumerate(records, first))


@dataclass(slots=True)
class Extent:
    """What a journal adds up to. Grows by one record at a time, and refuses one that does not follow."""

    durable: Position = _ORIGIN
    gaps: list[Gap] = field(default_factory=list[Gap])
    records: int = 0
    clock: Clock | None = None
    """The newest reading of the clocks: it places a resumed capture on the old time line."""
    ended: bool = False
    """True if the newest record says that the track was closed in order."""

    def add(self, record: Record) -> None:
        """Take the next record.

        Raises:
            ValueError: it overlaps what is there, leaves a hole, is empty, or says it ended elsewhere.

        """
        match record:
            case Audio(start, end) | Gap(start, end):
                if start != self.durable or end <= start:
                    raise ValueError(f"[{start}, {end}) does not follow {self.durable}")
                self.durable = end
                if isinstance(record, Gap):
                    self.gaps.append(record)
            case Clock():
                self.clock = record
            case End(position):
                if position != self.durable:
                    raise ValueError(f"ended at {position} instead of {self.durable}")
            case _:
                assert_never(record)
        self.ended = isinstance(record, End)
        self.records += 1
