"""Words become subtitles that a person can read in time, as SubRip or WebVTT.

The numbers are from Netflix's Timed Text Style Guide (42 characters a line, two lines, at most 7 s, 20 characters a
second, a break after punctuation rather than elsewhere) and from the BBC Subtitle Guidelines (a second at the least,
not more than 1.5 s on the screen after the speech, a pause ends a subtitle). A wide character (CJK) counts as two.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from transcriber.core.cue_breaks import (
    COLUMNS_A_SECOND,
    LINE,
    LINGER,
    LONGEST,
    SHORTEST,
    Piece,
    best_cues,
    best_lines,
    columns,
    pieces,
)
from transcriber.core.stamps import gap_note, milliseconds, timecode
from transcriber.types import Gap, Segment, TrackName


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines that are shown in `[start, end)` milliseconds on the track's clock; `end` is after `start`."""

    start: int
    end: int
    lines: tuple[str, ...]
    track: TrackName


def cues(segments: Iterable[Segment], label: str = "") -> Sequence[Cue]:
    """Return the cues of one track's segments, in order and without overlap.

    Each word is in exactly one cue, unless it alone is longer than a line: then it goes on in the next. A cue starts
    with its first word. It ends with its last, or later if reading takes longer and the next cue is not due. `label`
    goes in front of the text of each, cut to half a line.
    """
    front = label[: LINE // 2]
    found = [(segment.track, run) for segment in segments for run in best_cues(pieces(segment.words), columns(front))]
    starts: list[int] = []
    for _, run in found:
        # Words whose times stand still, or go back, must not make cues of no length.
        starts.append(max(milliseconds(run[0].start), starts[-1] + 1 if starts else 0))
    return [
        Cue(start, _end(run, start, limit, columns(front)), _lines(run, front), track)
        for (track, run), start, limit in zip(found, starts, [*starts[1:], None], strict=False)
    ]


def with_gaps(spoken: Sequence[Cue], gaps: Iterable[Gap], track: TrackName, label: str = "") -> Sequence[Cue]:
    """Return the cues of a track with one for each of its gaps, in order and without overlap.

    It is shown while the gap lasts, but no longer and no less than any other, and up to the next one. Where words begin
    at the same moment, the gap has no cue: something was heard.
    """
    made = list(spoken)
    for gap in gaps:
        start = milliseconds(gap.start)
        length = min(max(milliseconds(gap.end) - start, round(SHORTEST * 1000)), round(LONGEST * 1000))
        place = bisect_left(made, start, key=lambda cue: cue.start)
        end = min(start + length, made[place].start) if place < len(made) else start + length
        if end <= start:
            continue
        if place and made[place - 1].end > start:
            made[place - 1] = replace(made[place - 1], end=start)
        lines = (label[: LINE // 2].rstrip(), gap_note(gap))
        made.insert(place, Cue(start, end, tuple(filter(None, lines)), track))
    return made


def to_srt(cues: Iterable[Cue]) -> str:
    """Return the cues as SubRip."""
    return "\n".join(
        f"{number}\n{timecode(cue.start, point=',')} --> {timecode(cue.end, point=',')}\n"
        f"{_disarmed('\n'.join(cue.lines))}\n"
        for number, cue in enumerate(cues, 1)
    )


def to_vtt(cues: Iterable[Cue], *, voices: bool = False) -> str:
    """Return the cues as WebVTT; with `voices`, each says which track speaks."""
    blocks = ["WEBVTT\n"]
    for cue in cues:
        voice = f"<v {cue.track}>" if voices else ""
        times = f"{timecode(cue.start, point='.')} --> {timecode(cue.end, point='.')}"
        blocks.append(f"{times}\n{voice}{_escaped('\n'.join(cue.lines))}\n")
    return "\n".join(blocks)


def _end(run: Sequence[Piece], start: int, following: int | None, indent: int) -> int:
    """Return when a cue goes: not before it could be read, not after the next one is due."""
    spoken = max(milliseconds(max(piece.end for piece in run)), start + 1)
    width = indent + sum(piece.columns + piece.spaced for piece in run)
    to_read = max(SHORTEST, width / COLUMNS_A_SECOND)
    end = max(spoken, min(start + round(to_read * 1000), spoken + round(LINGER * 1000)))
    end = min(end, start + round(LONGEST * 1000))
    return end if following is None else min(end, following)


def _lines(run: Sequence[Piece], front: str) -> tuple[str, ...]:
    first, *rest = best_lines(run, columns(front))
    return (f"{front}{first}".rstrip(), *rest)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _disarmed(text: str) -> str:
    """SubRip has no escapes: a word joiner, which nobody sees, keeps players from taking text for a tag or a time."""
    return re.sub(r"<(?=[/a-zA-Z])|\{(?=\\)|--(?=>)", "\\g<0>\u2060", text)
