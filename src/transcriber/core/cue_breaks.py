"""Where subtitles break: words are cut into cues, and cues into lines, at the least cost to whoever reads.

The cut of a segment into cues is the cheapest of all that fit (as TeX breaks paragraphs), so that one good break is not
paid for with several bad ones after it. Costs are in units of about a third of a break in the middle of a phrase.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from transcriber.types import RATE, Word

LINE = 42
"""Columns of a line (Netflix)."""

LINES = 2
"""Lines of a cue (Netflix, BBC)."""

LONGEST = 7.0
"""Seconds that a cue is shown at most (Netflix)."""

SHORTEST = 1.0
"""Seconds that a cue is shown at least, where the next one allows it (BBC)."""

LINGER = 1.5
"""Seconds that a cue may stay after its last word, for whoever has not finished reading (BBC)."""

COLUMNS_A_SECOND = 20
"""Reading speed of an adult (Netflix)."""

PAUSE = 0.5
"""Seconds without a word at which a cue may end as well as at a full stop."""

_BLANK = re.compile(r"(?:[^\S\xa0\u202f]|[\x00-\x1f\x7f-\x9f\ufeff])+")
_SENTENCE = tuple(".?!…。？！．")  # noqa: RUF001 - as they are written
_CLAUSE = tuple(",;:、，；：—–،؛")  # noqa: RUF001 - as they are written
_CLOSING = "\"'”’»)]」』）】"  # noqa: RUF001 - as they are written
_SHORT_WORD = 3
"""Letters of what is mostly an article, a preposition or a pronoun: it belongs to what follows."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that is not broken: a word, or a line's worth of one that is longer. A space goes before it if `spaced`."""

    text: str
    spaced: bool
    columns: int
    start: int
    end: int


def columns(text: str) -> int:
    """Return the columns that text takes: wide characters two, combining marks none.

    >>> columns("ok"), columns("字幕"), columns("e\u0301")
    (2, 4, 1)
    """
    return sum(_columns(character) for character in text)


def pieces(words: Iterable[Word]) -> list[Piece]:
    """Return words as pieces that fit a line each, in order. White space inside a word separates pieces."""
    found: list[Piece] = []
    for word in words:
        spaced = bool(_BLANK.match(word.text))
        texts: list[tuple[str, bool]] = []
        for part in filter(None, _BLANK.split(word.text)):
            for cut in _cut(part):
                texts.append((cut, spaced))
                spaced = False
            spaced = True
        share = (word.end - word.start) / max(len(texts), 1)
        for index, (text, space) in enumerate(texts):
            start, end = word.start + round(index * share), word.start + round((index + 1) * share)
            found.append(Piece(text, space, columns(text), start, end))
    return found


def best_cues(run: Sequence[Piece], indent: int) -> list[Sequence[Piece]]:
    """Return the pieces cut into cues that fit, at the least cost. Each first line begins after `indent` columns."""
    best = [0.0] * (len(run) + 1)
    ends = [0] * len(run)
    for first in reversed(range(len(run))):
        best[first], ends[first] = min((cost + best[after], after) for after, cost in _candidates(run, first, indent))
    found: list[Sequence[Piece]] = []
    first = 0
    while first < len(run):
        found.append(run[first : ends[first]])
        first = ends[first]
    return found


def best_lines(run: Sequence[Piece], indent: int) -> tuple[str, ...]:
    """Return the text of a cue that fits: on one line if it can be, else broken where it reads best."""
    if indent + _width(run) <= LINE:
        return (joined(run),)
    splits = [
        (_split_cost(run, at, indent), at)
        for at in range(0 if indent else 1, len(run))
        if indent + _width(run[:at]) <= LINE and _width(run[at:]) <= LINE
    ]
    _, at = min(splits)
    return joined(run[:at]), joined(run[at:])


def joined(run: Sequence[Piece]) -> str:
    """Return the pieces as they are written, without a space in front."""
    return "".join(f" {piece.text}" if piece.spaced and index else piece.text for index, piece in enumerate(run))


def _candidates(run: Sequence[Piece], first: int, indent: int) -> Iterator[tuple[int, float]]:
    """Yield where a cue that begins with `first` can end, and what that costs."""
    lines, column, inside, width = 1, indent, 0.0, indent
    for last in range(first, len(run)):
        piece = run[last]
        gap = int(piece.spaced and last > first)
        if column + gap + piece.columns > LINE:
            lines, column, gap = lines + 1, 0, 0
        if last > first and (lines > LINES or piece.end - run[first].start > LONGEST * RATE):
            return
        column += gap + piece.columns
        width += piece.columns + gap
        yield last + 1, _cue_cost(run, first, last, width) + inside
        if last + 1 < len(run):
            inside += _inside_cost(piece, run[last + 1])


def _cue_cost(run: Sequence[Piece], first: int, last: int, width: int) -> float:
    ended = last + 1 == len(run)
    stays = run[last].end + LINGER * RATE
    shown = ((stays if ended else min(run[last + 1].start, stays)) - run[first].start) / RATE
    cost = 2.0 if ended else 2.0 + _break_cost(run[last], run[last + 1])
    cost += 6 * max(SHORTEST - shown, 0)
    return cost + min(5 * max(width / COLUMNS_A_SECOND / max(shown, 0.1) - 1, 0), 20)


def _inside_cost(left: Piece, right: Piece) -> float:
    """Return the cost of not ending a cue here: it would be on the screen long before its second half is said."""
    if right.start - left.end >= LINGER * RATE:
        return 12
    return 1 if _ends(left, _SENTENCE) else 0


def _break_cost(left: Piece, right: Piece) -> float:
    if not right.spaced and not is_wide(left.text[-1]) and not is_wide(right.text[0]):
        return 12
    if not any(character.isalnum() for character in right.text):
        return 12
    if right.start - left.end >= PAUSE * RATE or _ends(left, _SENTENCE):
        return 0
    if _ends(left, _CLAUSE):
        return 1
    return 4 if right.spaced and len(left.text) <= _SHORT_WORD else 3


def _split_cost(run: Sequence[Piece], at: int, indent: int) -> float:
    top, bottom = indent + _width(run[:at]), _width(run[at:])
    cost = _break_cost(run[at - 1], run[at]) if at else 12
    return cost + 6 * abs(top - bottom) / LINE + (0.5 if top > bottom else 0)


def _width(run: Sequence[Piece]) -> int:
    return sum(piece.columns + (piece.spaced and index > 0) for index, piece in enumerate(run))


def _ends(piece: Piece, marks: tuple[str, ...]) -> bool:
    return piece.text.rstrip(_CLOSING).endswith(marks)


def _cut(text: str) -> Iterator[str]:
    """Yield text in parts of at most a line."""
    begin, width = 0, 0
    for index, character in enumerate(text):
        width += _columns(character)
        if width > LINE:
            yield text[begin:index]
            begin, width = index, _columns(character)
    yield text[begin:]


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if is_wide(character) else 1


def is_wide(character: str) -> bool:
    """Return whether a character takes two columns."""
    return unicodedata.east_asian_width(character) in {"W", "F"}
