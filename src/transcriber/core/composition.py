"""Composition of one track's transcript: what to decode next, and what an answer means for the record.

It holds no audio and asks nobody: probabilities, gaps and hypotheses go in; passes (spans to decode) and entries
(events with the coverage that belongs to them) come out. The order of the entries is the order of the track: a segment
or gap is only entered when everything before it has been.

    probabilities ──▶ endpointing ──▶ utterances and gaps, in order ──▶ passes ──▶ hypotheses ──▶ entries
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from transcriber.core.agreement import LocalAgreement
from transcriber.core.endpointing import Endpointing, EndpointingRules, Utterance
from transcriber.core.guards import invented, repetitive, without_loops
from transcriber.core.language import LanguageVote
from transcriber.events import Committed, Event, GapFound, Partial, SegmentClosed
from transcriber.types import (
    RATE,
    Coverage,
    Gap,
    GapReason,
    Hypothesis,
    Position,
    Segment,
    SegmentId,
    TrackName,
    Word,
)

SENTENCE_ENDS = (".", "?", "!", "。", "？", "！")  # noqa: RUF001 - full-width marks are what is meant
PROMPT_CHARACTERS = 200
"""Length of the committed text that is given to the next decode: a quarter of the 224 tokens that Whisper takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositionRules:
    """When to decode an utterance that is still open, and when to close a part of it. Durations are in samples."""

    endpointing: EndpointingRules = field(default_factory=EndpointingRules)
    first_pass: int = RATE // 2
    """Speech to wait for before the first pass: a decode of less is mostly wrong."""
    interval: int = RATE // 2
    """New audio to wait for between two passes."""
    trim_after: int = 14 * RATE
    """Length from which an open utterance is closed up to the last committed end of a sentence."""
    trim_always: int = 22 * RATE
    """Length from which it is closed at the longest committed pause, sentence or not."""
    partials: bool = True


@dataclass(frozen=True, slots=True)
class Pass:
    """A span to decode. `final`: the utterance is complete, and the answer is the last word on it."""

    start: Position
    end: Position
    final: bool
    prompt: str = ""
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What goes into the record in one transaction: an event (or none) and how far the track is then covered."""

    event: Event | None
    coverage: Coverage | None = None


@dataclass(slots=True)
class Composition:
    """The transcript of one track in the making, from `coverage.position` on.

    `committed` are words after that position that an earlier life has already committed: they stand, and what is
    decoded goes on after them.
    """

    track: TrackName
    rules: CompositionRules
    coverage: Coverage = field(default_factory=Coverage)
    committed: Sequence[Word] = ()
    language: LanguageVote = field(default_factory=LanguageVote)
    prompt: str = ""
    endpointing: Endpointing = field(init=False)
    _waiting: deque[Utterance | Gap] = field(default_factory=deque["Utterance | Gap"])
    _policy: LocalAgreement = field(init=False)
    _anchor: Position | None = None  # where the utterance in hand begins, if a part of it is in a segment already
    _passed: Position = Position(0)  # end of the last pass
    _passed_voice: Position = Position(0)  # end of the speech that it contained
    _shown: str = ""  # the last partial

    def __post_init__(self) -> None:
        self.endpointing = Endpointing(self.rules.endpointing)
        self.endpointing.skip(self.coverage.position, self.coverage.position)
        self._policy = LocalAgreement(list(self.committed))

    # What is heard

    def feed(self, probabilities: Sequence[float]) -> None:
        """Take the probabilities of the next windows of the track."""
        self._waiting.extend(self.endpointing.feed(probabilities))

    def gap(self, gap: Gap) -> None:
        """Take a gap: it closes the utterance before it."""
        self._waiting.extend(self.endpointing.skip(gap.start, gap.end))
        self._waiting.append(gap)

    def end(self, position: Position) -> None:
        """Take the end of the track: it closes the last utterance."""
        self._waiting.extend(self.endpointing.close(position))

    # What to decode

    @property
    def backlog(self) -> int:
        """Complete utterances that wait to be decoded."""
        return sum(1 for item in self._waiting if isinstance(item, Utterance))

    def next_pass(self, interval: int = 0) -> Pass | None:
        """Return what should be decoded now: the oldest complete utterance, else the open one if there is news in it.

        `interval` stretches the rule's (samples between passes), for an engine that is slow.
        """
        if self._waiting:
            head = self._waiting[0]
            return self._pass(head.start, head.end, final=True) if isinstance(head, Utterance) else None
        since, voiced, now = self.endpointing.speaking_since, self.endpointing.voiced_until, self.endpointing.position
        if not self.rules.partials or since is None or voiced <= self._passed_voice:
            return None
        first = self._passed <= since
        if now - (since if first else self._passed) < (
            self.rules.first_pass if first else max(self.rules.interval, interval)
        ):
            return None
        self._passed, self._passed_voice = now, voiced
        return self._pass(since, now, final=False)

    def _pass(self, start: Position, end: Position, *, final: bool) -> Pass:
        begin = start if self._anchor is None else self._anchor
        return Pass(begin, end, final, self.prompt, self.language.fixed)

    # What an answer means

    def settle(self) -> list[Entry]:
        """Enter what needs no decoding: gaps whose turn has come, and silence that is over."""
        entries: list[Entry] = []
        while self._waiting and isinstance(gap := self._waiting[0], Gap):
            self._waiting.popleft()
            entries.append(Entry(GapFound(self.track, gap), self._cover(gap.start, gap.end, missing=True)))
        if not self._waiting and self._anchor is None:
            self._cover(self.endpointing.settled, self.endpointing.settled)
        return entries

    def decoded(self, task: Pass, hypothesis: Hypothesis) -> list[Entry]:
        """Take the answer to a pass; return what it adds to the record."""
        if task.final:
            return self._final(task, hypothesis)
        if repetitive(hypothesis) or invented(hypothesis):
            return []
        words = self._policy.partial(_placed(hypothesis, task.start))
        entries = [Entry(Committed(self.track, words))] if words else []
        entries += self._trim(task, hypothesis.language)
        return entries + self._partial()

    def failed(self, task: Pass) -> list[Entry]:
        """Take the news that no engine can decode a final pass: its audio is a gap in the transcript, by name."""
        utterance = self._waiting[0]
        *entries, last = self._finish(task, (), "", missing=True)
        gap = Gap(task.start, utterance.end, GapReason.ENGINE)
        closed = [*entries, Entry(last.event)] if last.event else entries
        return [*closed, Entry(GapFound(self.track, gap), last.coverage)]

    def finish(self, end: Position) -> list[Entry]:
        """Enter the rest: everything is decoded, and the track ends at `end`."""
        entries = self.settle()
        if words := self._policy.committed:
            # An earlier life committed them, and this one heard no speech there: they stand all the same.
            entries += self._close(self.coverage.position, words, "")
            self._policy = LocalAgreement()
        return _with_coverage(entries, self._cover(end, end))

    def _final(self, task: Pass, hypothesis: Hypothesis) -> list[Entry]:
        words = () if invented(hypothesis) else without_loops(_placed(hypothesis, task.start))
        if words:
            self.language.heard(hypothesis.language)
        return self._finish(task, words, hypothesis.language)

    def _finish(self, task: Pass, words: Sequence[Word], language: str, *, missing: bool = False) -> list[Entry]:
        """Commit the last words of the oldest utterance, close its segment and go on after it."""
        utterance = self._waiting.popleft()
        assert isinstance(utterance, Utterance)  # noqa: S101 - a final pass is of an utterance
        added = self._policy.final(words)
        entries = [Entry(Committed(self.track, added))] if added else []
        said, carried = self._policy.committed, list[Word]()
        if utterance.continues:
            # Passes over the open utterance may have committed words beyond the place where it was cut later.
            said, carried = _split(said, utterance.end)
        entries += self._close(task.start, said, language)
        coverage = self._cover(task.start, utterance.end, missing=missing)
        self._policy, self._anchor = LocalAgreement(carried), None
        self._shown = ""
        return _with_coverage(entries, coverage)

    def _trim(self, task: Pass, language: str) -> list[Entry]:
        """Close what is committed up to a good place, so that the next pass need not decode it again."""
        length = task.end - task.start
        if self._waiting or length < self.rules.trim_after:
            return []
        cut = _cut(self._policy.committed, self._policy.tail, anywhere=length >= self.rules.trim_always)
        if cut is None:
            return []
        said, carried = _split(self._policy.committed, cut)
        entries = self._close(task.start, said, language)
        coverage = self._cover(task.start, cut)
        self._anchor = cut
        self._policy = LocalAgreement(carried, self._policy.tail)
        return _with_coverage(entries, coverage)

    def _close(self, start: Position, words: Sequence[Word], language: str) -> list[Entry]:
        if not words:
            return []
        name = SegmentId(f"{self.track}-{start}")
        segment = Segment(name, self.track, words[0].start, words[-1].end, tuple(words), language)
        self.prompt = (self.prompt + " " + segment.text)[-PROMPT_CHARACTERS:].strip()
        return [Entry(SegmentClosed(segment))]

    def _partial(self) -> list[Entry]:
        tail = self._policy.tail
        text = "".join(word.text for word in tail)
        if text == self._shown:
            return []
        self._shown = text
        start = tail[0].start if tail else self.endpointing.position
        return [Entry(Partial(self.track, start, text))]

    def _cover(self, start: Position, end: Position, *, missing: bool = False) -> Coverage:
        """Move the cursor to `end`: silence up to `start`, from there transcribed, or missing."""
        now = self.coverage
        start = Position(max(start, now.position))
        end = Position(max(end, start))
        span = end - start
        self.coverage = Coverage(
            end,
            now.transcribed + (0 if missing else span),
            now.silence + start - now.position,
            now.missing + (span if missing else 0),
        )
        return self.coverage


def _placed(hypothesis: Hypothesis, start: Position) -> list[Word]:
    """Put the words of a hypothesis on the track's clock."""
    return [
        Word(
            word.text,
            Position(start + round(word.start * RATE)),
            Position(start + round(word.end * RATE)),
            round(word.probability, 3),
        )
        for word in hypothesis.words
    ]


def _split(words: Sequence[Word], position: Position) -> tuple[list[Word], list[Word]]:
    """Part words by whether their middle comes before a position."""
    count = sum(1 for word in words if (word.start + word.end) // 2 < position)
    return list(words[:count]), list(words[count:])


def _cut(committed: Sequence[Word], tail: Iterable[Word], *, anywhere: bool) -> Position | None:
    """Return the middle of the pause after the last committed end of a sentence, or else of the longest pause."""
    following = [*committed[1:], *list(tail)[:1]]
    pauses = list(zip(committed, following, strict=False))
    ends = [pair for pair in pauses if pair[0].text.endswith(SENTENCE_ENDS)]
    if ends:
        before, after = ends[-1]
    elif anywhere and pauses:
        before, after = max(pauses, key=lambda pair: pair[1].start - pair[0].end)
    else:
        return None
    return Position((before.end + after.start) // 2)


def _with_coverage(entries: list[Entry], coverage: Coverage) -> list[Entry]:
    """Bind the coverage to the last entry, so that the cursor moves in the transaction that makes it true."""
    if not entries:
        return [Entry(None, coverage)]
    return [*entries[:-1], Entry(entries[-1].event, coverage)]
