"""Words on a track's clock: put there, parted, and searched for a pause."""

from collections.abc import Iterable, Sequence

from transcriber.types import Position, SpokenWord, Word, samples

SENTENCE_ENDS = (".", "?", "!", "。", "？", "！")  # noqa: RUF001 - full-width marks are what is meant


def placed(words: Iterable[SpokenWord], start: Position, end: Position) -> list[Word]:
    """Put the words that were heard in `[start, end)` on the track's clock; none ends after that."""

    def place(moment: float) -> Position:
        return Position(min(start + samples(moment), end))

    return [Word(word.text, place(word.start), place(word.end), round(word.probability, 3)) for word in words]


def split(words: Sequence[Word], position: Position) -> tuple[list[Word], list[Word]]:
    """Part words by whether their middle comes before a position."""
    count = sum(1 for word in words if (word.start + word.end) // 2 < position)
    return list(words[:count]), list(words[count:])


def pause(committed: Sequence[Word], tail: Iterable[Word], *, anywhere: bool) -> Position | None:
    """Return the middle of the pause after the last committed end of a sentence.

    Without such an end it is that of the longest pause after a committed word, if it may be `anywhere`, else None.
    """
    pauses = list(zip(committed, [*committed[1:], *tail], strict=False))
    ends = [pair for pair in pauses if pair[0].text.endswith(SENTENCE_ENDS)]
    if ends:
        before, after = ends[-1]
    elif anywhere and pauses:
        before, after = max(pauses, key=lambda pair: pair[1].start - pair[0].end)
    else:
        return None
    return Position((before.end + after.start) // 2)
