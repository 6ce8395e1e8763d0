"""Keeping a device to the computer's clock: crystals are off by up to 100 ppm, and a sound server may lose 1 %.

Left alone, two tracks would be a second apart after an hour. How late frames are in hand is the device's latency, which
does not change, and what its clock has lost since; once that is more than jitter, single frames are repeated or left
out, evenly and too few to be heard, until it is made up for.
"""

import math

BAND = 0.006
"""Seconds that a clock may be off before anything is done: above the jitter of a second's earliest frame."""

SURE = 2
"""Looks in a row that must find it beyond the band, on the same side."""

SETTLING = 5
"""Looks of which the earliest frames tell the latency: a device may start late, and then catch up."""

MOST = 0.015
"""Share of the frames that are repeated or left out at most: half as much again as the worst clock that was met."""


class Drift:
    """Learns what a device's clock is off by, and says how many frames are to be repeated or left out."""

    def __init__(self) -> None:
        self.added = 0.0
        """Seconds that were put in so far, and not taken out."""
        self._latency = math.inf
        self._looks = 0
        self._beyond = 0
        self._due = 0.0

    def restart(self) -> None:
        """Begin anew with another device, whose latency is not known."""
        self._latency, self._looks, self._beyond, self._due = math.inf, 0, 0, 0.0

    def observe(self, late: float) -> None:
        """Take a look: how late, in seconds, the earliest frames of the last second were in hand."""
        self._looks += 1
        if self._looks <= SETTLING:
            self._latency = min(self._latency, late)
        off = late - self._latency
        side = (off > BAND) - (off < -BAND)
        self._beyond = self._beyond + side if self._beyond * side > 0 else side
        self._due = off if abs(self._beyond) >= SURE else 0.0

    def correction(self, frames: int, rate: int) -> int:
        """Return how many of the next frames to repeat, or, if negative, to leave out. It is taken as done."""
        most = max(1, int(MOST * frames)) if frames > 1 else 0
        count = max(-most, min(most, int(self._due * rate)))
        self._due -= count / rate
        self.added += count / rate
        return count


def stretched(pcm: bytes, frame_bytes: int, by: int) -> bytes:
    """Return frames with some of them repeated, or left out if `by` is negative, evenly; `by` is less than there are.

    >>> stretched(b"abcdef", 1, 1), stretched(b"abcdef", 1, -2), stretched(b"aabbcc", 2, 1)
    (b'abccdef', b'acef', b'aaaabbcc')
    """
    frames, count = len(pcm) // frame_bytes, abs(by)
    pieces: list[bytes] = []
    done = 0
    for number in range(1, count + 1):
        cut = frames * number // (count + 1)
        upto, after = (cut, cut - 1) if by > 0 else (cut - 1, cut)
        pieces.append(pcm[done * frame_bytes : upto * frame_bytes])
        done = after
    pieces.append(pcm[done * frame_bytes :])
    return b"".join(pieces)
