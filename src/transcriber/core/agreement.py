"""LocalAgreement-2: commit what two decodes of the same speech agree on.

Each pass over speech that goes on gives a hypothesis. The words after the last commit that the hypothesis shares with
the one before it are committed; the rest is the tail, which may still change. The last pass over an utterance commits
everything. Committed words only ever grow in number; none is changed or taken back.

The policy is from Macháček, Dabre, Bojar: "Turning Whisper into Real-Time Transcription System" (2023), section 3.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from transcriber.types import RATE, Position, Word

DRIFT = RATE // 2
"""How far, in samples, a word's time may move between two decodes of the same audio with different ends."""

FAR_DRIFT = 3 * DRIFT
"""How far a phrase may move: a word beside a long silence is sometimes placed at either end of it. One word alone that
is so far away may as well be another of the same spelling."""

LONGEST_PASS = 30 * RATE
"""Samples that Whisper hears at most: no pass hears again what is further back."""

LONGEST_OVERLAP = 5
"""Words at the end of the committed text that are compared with a hypothesis to find where it goes on."""

_ORIGIN = Position(0)


def spelling(word: Word) -> str:
    """Return the word as it is compared: letters and digits only, case folded.

    >>> spelling(Word(" Don't,", Position(0), Position(1), 1.0))
    'dont'
    """
    text = unicodedata.normalize("NFKC", word.text).casefold()
    return "".join(char for char in text if char.isalnum())


def continuation(words: Sequence[Word], committed: Sequence[Word]) -> Sequence[Word]:
    """Return the part of a hypothesis that comes after the committed words.

    Times alone cannot tell: they move a little from decode to decode. So among the places near the committed end, the
    one is taken where the longest run of words before it is the end of the committed text; the nearest, if several are.
    """
    if not committed:
        return words
    until = committed[-1].end
    by_time = sum(1 for word in words if (word.start + word.end) // 2 < until)
    said = [spelling(word) for word in committed[-LONGEST_OVERLAP:]]
    heard = [spelling(word) for word in words]

    def overlap(split: int) -> int:
        pairs = zip(reversed(heard[:split]), reversed(said), strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    def near(split: int) -> bool:
        moved = abs(words[split - 1].end - until) if split else 0
        return moved <= DRIFT or (moved <= FAR_DRIFT and overlap(split) > 1)

    candidates = [split for split in range(len(words) + 1) if near(split)]
    best = max(candidates, key=lambda split: (overlap(split), -abs(split - by_time)))
    return words[best if overlap(best) else by_time :]


def not_before(words: Sequence[Word], position: Position) -> tuple[Word, ...]:
    """Return the words with times that neither begin before `position` nor run backwards."""
    placed: list[Word] = []
    floor = position
    for word in words:
        start = max(word.start, floor)
        end = max(word.end, start)
        placed.append(Word(word.text, Position(start), Position(end), word.probability))
        floor = Position(end)
    return tuple(placed)


@dataclass(slots=True)
class LocalAgreement:
    """The commit policy of a track.

    `committed` is the text that is fixed, as far back as a pass can hear; `tail` is what may still change.
    """

    committed: list[Word] = field(default_factory=list[Word])
    tail: tuple[Word, ...] = ()
    _until: Position = Position(0)  # no word begins before it

    def partial(
        self,
        hypothesis: Sequence[Word],
        *,
        start: Position = _ORIGIN,
        stable: Callable[[Word], bool] | None = None,
    ) -> tuple[Word, ...]:
        """Take what a pass that begins at `start` heard of the utterance so far; return the words that it commits.

        None is committed from the first on that is not `stable`, even if it is agreed on.
        """
        words = continuation(hypothesis, self._heard_again(start))

        def agreed(now: Word, last: Word) -> bool:
            return spelling(now) == spelling(last) and (stable is None or stable(now))

        pairs = zip(words, self.tail, strict=False)
        return self._commit(words, sum(1 for _ in takewhile(lambda pair: agreed(*pair), pairs)))

    def final(self, hypothesis: Sequence[Word], *, start: Position = _ORIGIN) -> tuple[Word, ...]:
        """Take what the last pass heard from `start` on; return its words after the last commit: all are committed."""
        words = continuation(hypothesis, self._heard_again(start))
        return self._commit(words, len(words))

    def _heard_again(self, start: Position) -> Sequence[Word]:
        """Return the committed words that a pass from `start` on hears again.

        Earlier ones would be taken for the same words said once more right after it.
        """
        return [word for word in self.committed if word.end > start]

    def _commit(self, words: Sequence[Word], count: int) -> tuple[Word, ...]:
        placed = not_before(words, max(self._until, self.committed[-1].end if self.committed else self._until))
        fixed, self.tail = placed[:count], placed[count:]
        self.committed.extend(fixed)
        if fixed:
            self._until = fixed[-1].end
            self.committed = [word for word in self.committed if word.end > self._until - LONGEST_PASS]
        return fixed
