"""Pieces of a track as bytes: audio and gaps, as they lie in an emergency file."""

import struct

from transcriber.types import Block, Gap, GapReason, Position

_AUDIO = struct.Struct("<cq")
_GAP = struct.Struct("<cqq")


def encode(piece: Block | Gap) -> bytes:
    """Return a piece as bytes: never none.

    >>> decode(encode(Gap(Position(3), Position(5), GapReason.DISK)))
    Gap(start=3, end=5, reason=<GapReason.DISK: 'disk'>)
    """
    if isinstance(piece, Gap):
        return _GAP.pack(b"G", piece.start, piece.end) + piece.reason.encode()
    return _AUDIO.pack(b"A", piece.start) + piece.pcm


def decode(content: bytes) -> Block | Gap:
    """Return the piece that `encode` made bytes of.

    Raises:
        ValueError: it made no such bytes.

    """
    match content[:1]:
        case b"A" if len(content) >= _AUDIO.size:
            return Block(Position(_AUDIO.unpack_from(content)[1]), content[_AUDIO.size :])
        case b"G" if len(content) >= _GAP.size:
            _, start, end = _GAP.unpack_from(content)
            return Gap(Position(start), Position(end), GapReason(content[_GAP.size :].decode()))
        case _:
            raise ValueError("no piece of a track")
