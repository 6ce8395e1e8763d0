"""Keeping a device to the computer's clock: crystals are off by up to 100 ppm, and a sound server may lose 1 %.

Left alone, two tracks would be a second apart after an hour. How late frames are in hand is the device's latency, which
does not change, and what its clock has lost since; once that is more than jitter, single frames are repeated or left
out, evenly and too few to be heard, until it is made up for.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence

BAND = 0.009
"""Seconds that a clock may be off before anything is done."""

DONE = 0.001
"""Seconds that it may be off afterwards."""

LOOKS = 10
"""Looks that a decision takes into account: a busy computer is late for some of them, a slow crystal for all."""

SETTLING = 8
"""Looks of which the earliest frames tell the latency: a device may start late, and then catch up."""

MOST = 0.015
"""Share of the frames that are repeated or left out at most: half as much again as the worst clock that was met."""


class Drift:
    """Learns what a device's clock is off by, and says how many frames are to be repeated or left out."""

    def __init__(self) -> None:
        self.added = 0.0
        """Seconds that were put in so far, and not taken out."""
        self._late: deque[float] = deque(maxlen=LOOKS)  # as if nothing had been put in
        self._latency = math.inf
        self._looks = 0
        self._due = 0.0

    def restart(self) -> None:
        """Begin anew with another device, whose latency is not known."""
        self._late.clear()
        self._latency, self._looks, self._due = math.inf, 0, 0.0

    def observe(self, late: float) -> None:
        """Take a look: how late, in seconds, the earliest frames of the last second were in hand."""
        self._looks += 1
        self._late.append(late + self.added)
        if self._looks <= SETTLING:
            self._latency = min(self._latency, self._late[-1])
        if len(self._late) < LOOKS:
            return
        off = self._off()
        self._due = off if abs(off) > BAND or abs(self._due) > DONE else 0.0

    def _off(self) -> float:
        """Return what the clock is off by, as far as all looks agree on it.

        Of a busy computer the look that was least late tells, in each half of them: a slow clock is late in all. One
        is ahead only if it is by every look.
        """
        looks = [late - self._latency - self.added for late in self._late]
        return max(_agreed(looks, min), 0.0) + min(_agreed(looks, max), 0.0)

    def correction(self, frames: int, rate: int) -> int:
        """Return how many of the next frames to repeat, or, if negative, to leave out. It is taken as done."""
        most = max(1, int(MOST * frames)) if frames > 1 else 0
        count = max(-most, min(most, int(self._due * rate)))
        self._due -= count / rate
        self.added += count / rate
        return count


def _agreed(looks: Sequence[float], least: Callable[[Iterable[float]], float]) -> float:
    """Return the least that all looks say of now: what they said, moved on by the slope from half to half of them."""
    half = len(looks) // 2
    slope = (least(looks[half:]) - least(looks[:half])) / half
    return least([*(late + slope * (len(looks) - at) for at, late in enumerate(looks)), looks[-1]])


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
