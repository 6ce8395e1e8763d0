"""Positions and durations as people read them, and as subtitle formats write them."""

from transcriber.types import RATE, Gap


def clock(samples: int) -> str:
    """Return `HH:MM:SS`, cut to the second; hours go on beyond 99.

    >>> clock(62 * RATE + 15_999)
    '00:01:02'
    """
    minutes, whole = divmod(max(samples, 0) // RATE, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{whole:02}"


def milliseconds(samples: int) -> int:
    """Return a position in whole milliseconds, to the nearest.

    >>> milliseconds(24_008)
    1501
    """
    return (samples * 1000 + RATE // 2) // RATE


def timecode(ms: int, *, point: str) -> str:
    """Return `HH:MM:SS` and milliseconds after `point` (`,` in SRT, `.` in WebVTT); hours go on beyond 99.

    >>> timecode(360_000_001, point=",")
    '100:00:00,001'
    """
    whole, rest = divmod(ms, 1000)
    minutes, second = divmod(whole, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}{point}{rest:03}"


def gap_note(gap: Gap) -> str:
    """Return a gap in words.

    >>> from transcriber.types import GapReason, Position
    >>> gap_note(Gap(Position(62 * RATE), Position(65 * RATE), GapReason.DEVICE))
    '[gap 00:01:02–00:01:05: device]'
    """  # noqa: RUF002 - a range
    return f"[gap {clock(gap.start)}–{clock(gap.end)}: {gap.reason}]"  # noqa: RUF001 - a range
