"""Endpointing: where utterances begin and end, told from speech probabilities.

Hysteresis (speech begins at one threshold and goes on down to a lower one), pre-roll (an utterance begins a little
before its first likely window, so that no first sound is lost), hangover (it ends only after so much silence), and a
soft split: an utterance that grows too long is cut where speech was least likely.

The answer depends on the probabilities alone, not on how they arrive: feeding one window at a time or a thousand gives
the same utterances.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from transcriber.types import RATE, Position

WINDOW = 512
"""Samples a probability speaks for: the only size that Silero VAD v5 and v6 take at 16 kHz."""

SMOOTHING = 5
"""Windows that are averaged to find the least likely point: 160 ms, about a syllable, so that one low window inside a
word does not attract the cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointingRules:
    """Thresholds are probabilities; durations are samples.

    The defaults are Silero's own (threshold 0.5, negative threshold 0.15 lower) but for the hangover, which trades
    latency against cutting a sentence at a breath.
    """

    begin: float = 0.5
    keep: float = 0.35
    pre_roll: int = RATE * 3 // 10
    hangover: int = RATE * 6 // 10
    tail: int = RATE * 3 // 10
    longest: int = RATE * 28


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech `[start, end)` between two endpoints. `continues` says that it was cut while speech went on."""

    start: Position
    end: Position
    continues: bool = False


@dataclass(slots=True)
class Endpointing:
    """Cuts one track into utterances. `position` is the end of the last window that was fed.

    What is before `floor` was dealt with: it is heard, and becomes no part of an utterance. One that goes on there
    begins at the floor.
    """

    rules: EndpointingRules
    position: Position = Position(0)
    floor: Position = Position(0)
    _start: Position | None = None  # of the open utterance
    _voiced: Position = Position(0)  # end of its last window that was speech
    _probabilities: list[float] = field(default_factory=list[float])  # of its windows
    _origin: Position = Position(0)  # where `_probabilities` begins

    @property
    def speaking_since(self) -> Position | None:
        """Start of the open utterance, or None in silence."""
        return self._start

    @property
    def voiced_until(self) -> Position:
        """End of the last window of speech, of the open utterance or the one before."""
        return self._voiced

    @property
    def settled(self) -> Position:
        """Everything before it is decided: in an utterance that was returned, or silence."""
        if self._start is not None:
            return self._start
        return Position(max(self.floor, self.position - self.rules.pre_roll))

    def feed(self, probabilities: Sequence[float]) -> list[Utterance]:
        """Take the probabilities of the next windows; return the utterances that they complete."""
        return [utterance for probability in probabilities for utterance in self._window(probability)]

    def skip(self, start: Position, end: Position) -> list[Utterance]:
        """Go on at `end`: what lies between is not there (a gap). Closes the open utterance."""
        closed = self.close(start)
        self.position = end
        self.floor = max(self.floor, end)
        return closed

    def close(self, end: Position) -> list[Utterance]:
        """End the open utterance, as the samples do, at `end`; the last window may have been filled up beyond it."""
        self.position = min(self.position, end)
        if self._start is None:
            return []
        return self._end(Position(min(end, self._voiced + self.rules.tail)))

    def trim(self, position: Position) -> None:
        """Let the open utterance begin at `position`, before which it is dealt with; speech goes on after that."""
        passed = max(0, position - self._origin) // WINDOW
        del self._probabilities[:passed]
        self._origin = Position(self._origin + passed * WINDOW)
        self._start = position

    def _window(self, probability: float) -> list[Utterance]:
        begin, self.position = self.position, Position(self.position + WINDOW)
        if self._start is None:
            if probability >= self.rules.begin:
                self._open(Position(max(self.floor, begin - self.rules.pre_roll)), begin)
                self._remember(probability)
                self._voiced = self.position
            return []
        self._remember(probability)
        if probability >= self.rules.keep:
            self._voiced = self.position
        if self.position - self._voiced >= self.rules.hangover:
            return self._end(Position(self._voiced + self.rules.tail))
        if self.position - self._start >= self.rules.longest:
            return self._split()
        return []

    def _open(self, start: Position, origin: Position) -> None:
        self._start, self._origin = start, origin
        self._probabilities.clear()

    def _remember(self, probability: float) -> None:
        if self.position - WINDOW >= self.floor:
            self._probabilities.append(probability)
        else:
            self._origin = self.position

    def _end(self, end: Position) -> list[Utterance]:
        """End the open utterance, which is none if all of its speech was before the floor."""
        assert self._start is not None  # noqa: S101 - the callers have looked
        start, self._start = self._start, None
        if min(self._voiced, end) <= self.floor:
            return []
        self.floor = end
        return [Utterance(start, end)]

    def _split(self) -> list[Utterance]:
        """Cut the open utterance in its second half, in the middle of the window where speech was least likely.

        Where that is in a silence which goes on still, the utterance ends there: what follows may be no speech at all.
        """
        assert self._start is not None  # noqa: S101 - the caller has looked
        windows = self._probabilities
        first = len(windows) // 2
        reach = SMOOTHING // 2

        def likelihood(index: int) -> tuple[float, float]:
            return sum(windows[index - reach : index + reach + 1]), windows[index]

        least = min(range(first, len(windows) - reach), key=likelihood)
        cut = Position(self._origin + least * WINDOW + WINDOW // 2)
        if cut >= self._voiced:
            return self._end(Position(min(cut, self._voiced + self.rules.tail)))
        utterance = Utterance(self._start, cut, continues=True)
        rest, origin = windows[least + 1 :], Position(self._origin + (least + 1) * WINDOW)
        self._open(cut, origin)
        self._probabilities.extend(rest)
        return [utterance]
