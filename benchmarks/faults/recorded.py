"""What a session folder holds of the benches' one track, and what reached the program: to compare the two."""

import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from transcriber.adapters.recording import read_extent, read_pieces
from transcriber.adapters.session_folder import SessionFolder
from transcriber.types import Block, Gap, GapReason, Position, TrackName

TRACK = TrackName("track")
TAPPED = struct.Struct("<cqq")
"""What goes before each piece in the file of a tap: its kind, its position, and bytes of content or its end."""


@dataclass
class Recorded:
    """What a session folder holds of its track; what the device did not deliver is not `missing` here."""

    samples: array
    missing: int
    durable: int

    @classmethod
    def of(cls, path: Path) -> "Recorded":
        session = SessionFolder.view(path)
        extent = read_extent(session.journal(TRACK))
        samples, missing = array("h"), 0
        for piece in read_pieces(session.audio(TRACK), extent.gaps, Position(0), extent.durable):
            heard = isinstance(piece, Block) or piece.reason is GapReason.DEVICE
            missing += 0 if heard else piece.end - piece.start
            samples += array("h", piece.pcm if isinstance(piece, Block) else bytes(2 * (piece.end - piece.start)))
        return cls(samples, missing, extent.durable)


@dataclass
class Tapped:
    """What was on its way to the disk, each sample once, and how far the program said that it is safe."""

    blocks: list[Block]
    gaps: list[Gap]
    acknowledged: int

    @classmethod
    def of(cls, path: Path) -> "Tapped":
        blocks, gaps, acknowledged, end = [], [], 0, 0
        for piece in _pieces(path.read_bytes()):
            if isinstance(piece, int):
                acknowledged = max(acknowledged, piece)
            elif isinstance(piece, Gap):
                gaps.append(piece)
            elif piece.end > end:  # what a failure brings again counts once
                blocks.append(piece.after(Position(end)))
            end = max(end, 0 if isinstance(piece, int) else piece.end)
        return cls(blocks, gaps, acknowledged)

    @property
    def end(self) -> int:
        return max((piece.end for piece in (*self.blocks, *self.gaps)), default=0)

    def compare(self, session: Path, since: int = 0) -> dict[str, int]:
        """Return in how many samples from `since` on a session differs: `wrong`, `lost` by name, or `nowhere`."""
        folder = SessionFolder.view(session)
        extent = read_extent(folder.journal(TRACK))
        pieces = read_pieces(folder.audio(TRACK), extent.gaps, Position(0), extent.durable)
        starts = [piece.start for piece in pieces]
        found = {"wrong": 0, "lost": 0, "nowhere": 0}
        for block in self.blocks:
            found["nowhere"] += max(0, block.end - max(block.start, extent.durable))
            for piece in pieces[max(0, bisect_right(starts, block.start) - 1) :]:
                start, end = max(block.start, piece.start, since), min(block.end, piece.end)
                if start >= end:
                    if piece.start >= block.end:
                        break
                    continue
                if isinstance(piece, Gap):
                    found["lost"] += end - start
                else:
                    found["wrong"] += _differences(block, piece, start, end)
        return found


def _differences(one: Block, other: Block, start: int, end: int) -> int:
    left, right = (piece.pcm[2 * (start - piece.start) : 2 * (end - piece.start)] for piece in (one, other))
    return 0 if left == right else sum(a != b for a, b in zip(array("h", left), array("h", right), strict=True))


def _pieces(content: bytes) -> Iterator[Block | Gap | int]:
    at = 0
    while at + TAPPED.size <= len(content):
        kind, start, more = TAPPED.unpack_from(content, at)
        at += TAPPED.size
        if kind == b"A":
            if at + more > len(content):  # it was killed in the middle
                return
            yield Block(Position(start), content[at : at + more])
            at += more
        elif kind == b"G":
            yield Gap(Position(start), Position(more), GapReason.DEVICE)
        else:
            yield start
