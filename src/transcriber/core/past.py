"""What a transcript holds of a track already: where a new life of its transcription goes on, and what it must know.

What is decoded depends on what came before: Whisper hears in context, and the VAD remembers. So a life that begins in
the middle of a track takes up both, and gives the words that one without an interruption would have given.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from transcriber.core.endpointing import WINDOW
from transcriber.events import Committed, Event, GapFound, SegmentClosed
from transcriber.types import RATE, Coverage, Position, Segment, Word

WARM_UP = 60 * RATE
"""Samples before the cursor that the VAD hears again. Silero forgets slowly: from silence on, its probabilities are off
by up to 0.65 after 2 s of the same sound, 0.17 after 20 s, and 0.03 after a minute, which takes 0.2 s to hear."""


@dataclass(frozen=True, slots=True)
class Past:
    """A track's transcript so far: `segments` are the newest ones, in order, none of them from before `gap_end`."""

    coverage: Coverage = field(default_factory=Coverage)
    open_words: Sequence[Word] = ()
    """Words that are committed and in no segment yet."""
    segments: Sequence[Segment] = ()
    gap_end: Position = Position(0)
    """Where the newest gap ended; 0 without one. Nothing before it is context for what follows."""

    @property
    def hear_from(self) -> Position:
        """Where to begin to hear: a window's beginning, counted from the gap, and at most `WARM_UP` early."""
        windows = max(0, self.coverage.position - self.gap_end - WARM_UP) // WINDOW
        return Position(self.gap_end + windows * WINDOW)

    def then(self, event: Event | None, coverage: Coverage | None) -> "Past":
        """Return what it is after one more event of the track, or none, and the coverage that it brings, if it does."""
        past = self if coverage is None else replace(self, coverage=coverage)
        match event:
            case Committed(words=words):
                return replace(past, open_words=(*self.open_words, *words))
            case SegmentClosed(segment):
                rest = self.open_words[len(segment.words) :]
                return replace(past, open_words=rest, segments=(*self.segments, segment))
            case GapFound(gap=gap):
                return replace(past, segments=(), gap_end=gap.end)
            case _:
                return past
