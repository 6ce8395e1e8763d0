"""How long the space that is free on a disk will last, and both in words."""

import math

from transcriber.core.lines import MEGABYTE

WINDOW = 60.0
"""Seconds over which it is measured how fast a session grows: long enough that blocks and flushes do not show."""

_GIGABYTE = 1_000 * MEGABYTE
HOUR = 3600
REMEDY = "free some space or name another --sessions folder"


def lasts(free: int, growth: float | None) -> float:
    """Return for how many seconds `free` bytes are enough: for ever where nothing grows, or no trend is known yet."""
    return free / growth if growth and growth > 0 else math.inf


def size_in_words(count: int) -> str:
    """Return bytes as people read them.

    >>> size_in_words(614_400), size_in_words(12_340_000_000)
    ('0.6 MB', '12.3 GB')
    """
    return f"{count / _GIGABYTE:.1f} GB" if count >= _GIGABYTE else f"{count / MEGABYTE:.1f} MB"


def space_in_words(free: int, seconds: float) -> str:
    """Return what is free, and how long it lasts.

    >>> space_in_words(150_000_000, 4_680)
    '150.0 MB are free on the disk, enough for about 1.3 h at this pace'
    >>> space_in_words(30_000_000, 930)
    '30.0 MB are free on the disk, enough for about 16 min at this pace'
    >>> space_in_words(30_000_000, math.inf)
    '30.0 MB are free on the disk, and the session does not grow'
    """
    there = f"{size_in_words(free)} are free on the disk"
    if math.isinf(seconds):
        return f"{there}, and the session does not grow"
    enough = f"{seconds / HOUR:.1f} h" if seconds >= HOUR else f"{seconds / 60:.0f} min"
    return f"{there}, enough for about {enough} at this pace"
