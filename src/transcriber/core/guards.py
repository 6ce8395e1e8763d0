"""Guards against what Whisper invents: words where nobody speaks, and loops."""

from collections.abc import Sequence

from transcriber.core.agreement import spelling
from transcriber.types import RATE, Hypothesis, Position, Word

NO_SPEECH = 0.6
"""Whisper's own `no_speech_threshold` (OpenAI's reference implementation)."""

DOUBTFUL = 0.5
"""Mean word probability below which words count as invented when `NO_SPEECH` is exceeded: a log probability of -0.7,
stricter than Whisper's -1.0."""

REPETITIVE = 2.4
"""Whisper's own `compression_ratio_threshold`."""

LONGEST_WORD = 3 * RATE
"""Samples that no word lasts, in whatever language; drawn out and with a breath, two seconds are heard."""

LOOP_REPEATS = 3
LOOP_WORDS = 8


def invented(hypothesis: Hypothesis) -> bool:
    """Tell whether the words were probably made up: the model doubts that there is speech, and doubts the words."""
    words = hypothesis.words
    if not words or hypothesis.no_speech <= NO_SPEECH:
        return False
    return sum(word.probability for word in words) / len(words) < DOUBTFUL


def repetitive(hypothesis: Hypothesis) -> bool:
    """Tell whether the text repeats itself so much that nothing should be concluded from it."""
    return hypothesis.compression > REPETITIVE


def stretched(words: Sequence[Word], start: Position) -> bool:
    """Tell whether a word takes longer than any does, counted from `start`, where the utterance begins.

    A decode that stopped too early shows in this way: the few words that it gave are spread over all the audio.
    """
    return any(word.end - max(word.start, start) > LONGEST_WORD for word in words)


def without_loops(words: Sequence[Word]) -> tuple[Word, ...]:
    """Cut each loop down to its first round.

    A loop is a run of words said at least `LOOP_REPEATS` times in a row, `LOOP_WORDS` words or more in all; so "no, no,
    no" stays as it was said, and what a stuck decoder writes goes.
    """
    kept = list(words)
    said = [spelling(word) for word in words]
    length = 1
    while length * LOOP_REPEATS <= len(kept):
        start = 0
        while start + length * LOOP_REPEATS <= len(kept):
            rounds = _rounds(said, start, length)
            if rounds >= LOOP_REPEATS and rounds * length >= LOOP_WORDS:
                surplus = slice(start + length, start + rounds * length)
                del kept[surplus], said[surplus]
            start += 1
        length += 1
    return tuple(kept)


def _rounds(said: Sequence[str], start: int, length: int) -> int:
    """Count how often the `length` words from `start` follow one another."""
    first = said[start : start + length]
    end = start + length
    while said[end : end + length] == first:
        end += length
    return (end - start) // length
