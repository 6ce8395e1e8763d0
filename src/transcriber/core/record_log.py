"""A row of records of any length, in a file that was given its space before it was needed.

A record is a header of 64 bytes, and its content, padded to the next multiple of 64. All numbers are little-endian:

    0   magic "TrE1"        16  length of the content
    4   zero                20  CRC32 of the content
    8   sequence number     24  zero, then at 60 the CRC32 of the 60 bytes before

The file begins with a header of length 0, whose number is that of the first record after it; at 24 it has the size of
the file (u64), by which one that was cut short is known. To empty the file is to
write that header anew, with a number that was never given: what an earlier filling left behind is no record then.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

SLOT = 64
"""Bytes to which everything is aligned; it divides every sector size, so a header is written whole or not at all."""

_MAGIC = b"TrE1"
_HEADER = struct.Struct("<4s4xQIIQ28x")
_CRC = struct.Struct("<I")
_READ_BYTES = 1 << 20

type ReadAt = Callable[[int, int], bytes]
"""Returns up to so many bytes at an offset: `(offset, size)`."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes `[start, end)`, or all from `start` on, were records once, and are not whole; or records are missing."""

    start: int
    end: int | None


class _Head(NamedTuple):
    sequence: int
    length: int
    crc: int
    size: int
    """Of the file, in its opening."""


def opening(first: int, size: int) -> bytes:
    """Return the beginning of an empty file of `size` bytes, whose first record will have the number `first`."""
    return _header(first, b"", size)


def encode(content: bytes, sequence: int) -> bytes:
    """Return a record. An empty one is none: it would be an opening."""
    if not content:
        raise ValueError("a record has content")
    return _header(sequence, content) + content + bytes(-len(content) % SLOT)


def room(content: bytes) -> int:
    """Return how many bytes a record takes.

    >>> room(b"x" * 64) == len(encode(b"x" * 64, 1)) == 128
    True
    """
    return SLOT + len(content) + -len(content) % SLOT


def first_number(read: ReadAt) -> int | None:
    """Return the number of the first record, or None if the beginning cannot be read as one."""
    found = _opening(read)
    return found and found.sequence


def scan(read: ReadAt) -> Iterator[tuple[int, bytes]]:
    """Yield the offset and the content of each record, up to the first that is not whole, or is of another filling."""
    sequence, offset = first_number(read), SLOT
    while sequence is not None and (content := record_at(read, offset, sequence)):
        yield offset, content
        sequence += 1
        offset += room(content)


def record_at(read: ReadAt, offset: int, sequence: int) -> bytes | None:
    """Return the content of record `sequence` at `offset`, or None if it is not there as it was written."""
    found = _decode(read(offset, SLOT))
    if found is None or found.sequence != sequence:
        return None
    content = read(offset + SLOT, found.length)
    return content if len(content) == found.length and zlib.crc32(content) == found.crc else None


def salvage(read: ReadAt) -> Iterator[bytes | Damage]:
    """Yield the content of every record that is whole, in order, also of those after damage, which is named.

    What an earlier filling left is told by its numbers, which are lower. Only where the beginning is damaged, and no
    record of the newest filling is there to compare with, are records of the one before among those that are given.
    """
    beginning = _opening(read)
    expected = beginning and beginning.sequence
    damaged, end, offset = beginning is None, SLOT if beginning else 0, SLOT
    while (at := _next_header(read, offset)) is not None:
        found = _decode(read(at, SLOT))
        offset = at + SLOT
        if found is None:
            damaged = True
            continue
        sequence, length, crc, _ = found
        if not length or (expected is not None and sequence < expected):
            break
        content = read(offset, length)
        if len(content) != length or zlib.crc32(content) != crc:
            damaged = True
        else:
            if damaged or sequence != expected:
                yield Damage(end, at)
            yield content
            damaged, expected, end = False, sequence + 1, offset + length + -length % SLOT
        offset += length + -length % SLOT
    if damaged or (beginning and not read(beginning.size - 1, 1)):
        yield Damage(end, at)


def _next_header(read: ReadAt, offset: int) -> int | None:
    """Return where, from `offset` on, the next slot is a header, or begins as one does."""
    if _decode(read(offset, SLOT)) is not None:
        return offset
    while part := read(offset, _READ_BYTES):
        at = part.find(_MAGIC)
        while at >= 0 and at % SLOT:
            at = part.find(_MAGIC, at + 1)
        if at >= 0:
            return offset + at
        offset += len(part)
    return None


def _opening(read: ReadAt) -> _Head | None:
    found = _decode(read(0, SLOT))
    return found if found is not None and not found.length else None


def _header(sequence: int, content: bytes, size: int = 0) -> bytes:
    body = _HEADER.pack(_MAGIC, sequence, len(content), zlib.crc32(content), size)
    return body + _CRC.pack(zlib.crc32(body))


def _decode(slot: bytes) -> _Head | None:
    """Return what a header says; None if it is none. Its CRC tells, so the magic may be off."""
    if len(slot) != SLOT:
        return None
    body = _MAGIC + slot[len(_MAGIC) : -_CRC.size]
    if _CRC.unpack_from(slot, len(body))[0] != zlib.crc32(body):
        return None
    return _Head(*_HEADER.unpack(body)[1:])
