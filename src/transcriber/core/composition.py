"""Composition of one track's transcript: what to decode next, and what an answer means for the record.

It holds no audio and asks nobody: probabilities, gaps and hypotheses go in; passes (spans to decode) and entries
(events with the coverage that belongs to them) come out. The order of the entries is the order of the track: a segment
or gap is only entered when everything before it has been.

    probabilities ──▶ endpointing ──▶ utterances and gaps, in order ──▶ passes ──▶ hypotheses ──▶ entries

A pass begins some utterances before the one it is about, because Whisper hears better in context: the words that it
hears again are recognised by place and spelling, and left as they were committed.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field, replace
from itertools import pairwise

from transcriber.core.agreement import LocalAgreement
from transcriber.core.endpointing import Endpointing, EndpointingRules, Utterance
from transcriber.core.guards import invented, repetitive, stretched, without_loops
from transcriber.core.language import LanguageVote
from transcriber.core.past import Past
from transcriber.core.words import pause, placed, split
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositionRules:
    """When to decode an open utterance, how much before it to hear again, when to close a part. In samples."""

    endpointing: EndpointingRules = field(default_factory=EndpointingRules)
    first_pass: int = RATE // 2
    """Speech to wait for before the first pass: a decode of less is mostly wrong."""
    interval: int = RATE // 2
    """New audio to wait for between two passes."""
    holdback: int = RATE // 5
    """Words that end so close to the end of a pass are not committed by it: their sounds may not be complete."""
    doubtful: float = 0.3
    """Probability below which a word is not committed although two passes agree on it, but for `patience`."""
    patience: int = 2 * RATE
    """Time after which a doubtful word is committed all the same, so that it does not hold up all that follow."""
    stubborn: int = 4 * RATE
    """Speech without a commit after which a pass begins with the open utterance, and with nothing before it."""
    context: int = 20 * RATE
    """Length of a final pass up to which it begins with earlier utterances."""
    reach: int = 8 * RATE
    """Length of a pass over an open utterance: the time that it takes is latency, and grows with it."""
    trim_after: int = 14 * RATE
    """Length from which an open utterance is closed up to the last committed end of a sentence."""
    trim_always: int = 22 * RATE
    """Length from which it is closed at the longest committed pause, sentence or not."""
    quiet: int = 5 * RATE
    """Silence after which the cursor moves without an event, so that it lags behind no silence."""
    partials: bool = True


@dataclass(frozen=True, slots=True)
class Pass:
    """A span to decode. `final`: the utterance is complete, and the answer is the last word on it."""

    start: Position
    end: Position
    final: bool
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What goes into the record in one transaction: an event (or none) and how far the track is then covered."""

    event: Event | None
    coverage: Coverage | None = None


@dataclass(slots=True)
class Composition:
    """The transcript of one track in the making, after what an earlier life has entered, the `past`.

    Words that it committed stand, and what is decoded goes on after them; its newest utterances are context. The
    probabilities to feed begin at `endpointing.position`, before the cursor: nothing is entered twice for that.
    """

    track: TrackName
    rules: CompositionRules
    past: InitVar[Past] = Past()  # noqa: RUF009 - a value that cannot change
    language: LanguageVote = field(default_factory=LanguageVote)
    coverage: Coverage = field(init=False)
    endpointing: Endpointing = field(init=False)
    _waiting: deque[Utterance | Gap] = field(default_factory=deque["Utterance | Gap"])
    _policy: LocalAgreement = field(init=False)
    _open: list[Word] = field(init=False)  # committed words that are in no segment yet
    _context: deque[Position] = field(default_factory=deque[Position])  # where a pass may begin, in order
    _passed: Position = Position(0)  # end of the last pass
    _passed_voice: Position = Position(0)  # end of the speech that it contained
    _shown: str = ""  # the last partial
    _silence: int = field(init=False)  # silence of the coverage when it was last entered as such

    def __post_init__(self, past: Past) -> None:
        self.coverage = past.coverage
        self.endpointing = Endpointing(self.rules.endpointing, past.hear_from, past.coverage.position)
        self._silence = self.coverage.silence
        self._open = list(past.open_words)
        self._policy = LocalAgreement([word for segment in past.segments for word in segment.words] + self._open)
        for segment in past.segments:
            self._context.append(_begin(segment))
            self.language.heard(segment.language)

    # What is heard

    def feed(self, probabilities: Sequence[float]) -> None:
        """Take the probabilities of the next windows of the track."""
        self._waiting.extend(self.endpointing.feed(probabilities))

    def gap(self, gap: Gap) -> None:
        """Take a gap: it closes the utterance before it. What of it is before the cursor is entered already."""
        self._waiting.extend(self.endpointing.skip(gap.start, gap.end))
        if gap.end > self.coverage.position:
            self._waiting.append(replace(gap, start=max(gap.start, self.coverage.position)))

    def end(self, position: Position) -> None:
        """Take the end of the track: it closes the last utterance."""
        self._waiting.extend(self.endpointing.close(position))

    # What to decode

    def next_pass(self, interval: int = 0) -> Pass | None:
        """Return what should be decoded now: the oldest complete utterance, else the open one if there is news in it.

        `interval` stretches the rule's (samples between passes), for an engine that is slow.
        """
        if self._waiting:
            head = self._waiting[0]
            return self._final_pass(head) if isinstance(head, Utterance) else None
        since, voiced, now = self.endpointing.speaking_since, self.endpointing.voiced_until, self.endpointing.position
        if not self.rules.partials or since is None or voiced <= self._passed_voice:
            return None
        first = self._passed <= since
        wait = self.rules.first_pass if first else max(self.rules.interval, interval)
        if now - (since if first else self._passed) < wait:
            return None
        self._passed, self._passed_voice = now, voiced
        if now - max(since, self._open[-1].end if self._open else since) > self.rules.stubborn:
            # Passes do not agree. What is heard differently again and again in context is often clear alone.
            self._context = deque([since])
        self._remember(since, now)
        return Pass(self._near(since, now), now, final=False, language=self.language.fixed)

    def _final_pass(self, utterance: Utterance) -> Pass:
        self._remember(utterance.start, utterance.end)
        return Pass(self._context[0], utterance.end, final=True, language=self.language.fixed)

    def _remember(self, start: Position, end: Position) -> None:
        """Keep where an utterance begins, as context of what ends at `end`; drop what is too far back for that."""
        context = self._context
        if not context or start > context[-1]:
            context.append(start)
        while len(context) > 1 and end - context[0] > self.rules.context:
            context.popleft()

    def _near(self, since: Position, now: Position) -> Position:
        """Return where a pass over the open utterance begins: within `reach`, with an utterance or a committed word."""
        nearest = now - self.rules.reach
        if since < nearest:
            borders = (Position((word.end + following.start) // 2) for word, following in pairwise(self._open))
            return next((border for border in borders if border >= nearest), since)
        return next(start for start in self._context if start >= nearest)

    # What an answer means

    def settle(self) -> list[Entry]:
        """Enter what needs no decoding: gaps whose turn has come, and silence that is over."""
        entries: list[Entry] = []
        while self._waiting and isinstance(gap := self._waiting[0], Gap):
            self._waiting.popleft()
            self._context.clear()
            entries.append(Entry(GapFound(self.track, gap), self._cover(gap.start, gap.end, missing=True)))
        if not self._waiting:
            self._cover(self.endpointing.settled, self.endpointing.settled)
            if self.coverage.silence - self._silence >= self.rules.quiet:
                self._silence = self.coverage.silence
                entries.append(Entry(None, self.coverage))
        return entries

    def decoded(self, task: Pass, hypothesis: Hypothesis) -> list[Entry]:
        """Take the answer to a pass; return what it adds to the record."""
        words = [] if invented(hypothesis) else placed(hypothesis.words, task.start, task.end)
        if task.final:
            alone = self._waiting[0].start
            if task.start < alone and (repetitive(hypothesis) or stretched(words, alone)):
                # What goes wrong in context rarely does alone: the next pass is over the utterance and nothing else.
                self._context = deque([alone])
                return []
            return self._decided(task, words, hypothesis)
        since = self._waiting[0].start if self._waiting else self.endpointing.speaking_since or task.start
        if not words or repetitive(hypothesis) or stretched(words, since):
            return []
        entries = self._commit(
            self._policy.partial(words, start=task.start, stable=lambda word: self._stable(word, task.end))
        )
        return entries + self._trim(task, hypothesis.language) + self._partial()

    def _decided(self, task: Pass, words: Sequence[Word], hypothesis: Hypothesis) -> list[Entry]:
        words = without_loops(words) if repetitive(hypothesis) else words
        if words:
            self.language.heard(hypothesis.language)
        fixed = self._policy.final(words, start=task.start)
        return self._finish(fixed, hypothesis.language, self._waiting[0].end)

    def failed(self) -> list[Entry]:
        """Take the news that no engine can decode the final pass: what of it was not committed is a gap, by name."""
        utterance = self._waiting[0]
        fixed = self._open[-1].end if self._open else utterance.start
        begun = Position(min(max(utterance.start, fixed), utterance.end))
        self._context.clear()  # what no engine can decode is no context for what follows
        entries = self._finish((), "", begun)
        if begun == utterance.end:
            return entries
        gap = GapFound(self.track, Gap(begun, utterance.end, GapReason.ENGINE))
        covered = self._cover(begun, utterance.end, missing=True)
        return [*(entry for entry in entries if entry.event), Entry(gap, covered)]

    def finish(self, end: Position) -> list[Entry]:
        """Enter the rest: everything is decoded, and the track ends at `end`."""
        # Words that an earlier life committed, where this one heard no speech, stand all the same.
        entries = self.settle() + self._close(self.coverage.position, self._open, "")
        return _with_coverage(entries, self._cover(end, end))

    def _finish(self, fixed: Sequence[Word], language: str, end: Position) -> list[Entry]:
        """Commit the last words of the oldest utterance, close its segment, and cover it up to `end`."""
        utterance = self._waiting.popleft()
        entries = self._commit(fixed)
        said, self._open = self._open, list[Word]()
        if isinstance(utterance, Utterance) and utterance.continues:
            # Passes over the open utterance may have committed words beyond the place where it was cut later.
            said, self._open = split(said, utterance.end)
        entries += self._close(utterance.start, said, language)
        stale = [Entry(Partial(self.track, utterance.end, ""))] if self._shown and not entries else []
        self._shown = ""
        return stale + _with_coverage(entries, self._cover(utterance.start, end))

    def _stable(self, word: Word, end: Position) -> bool:
        """Tell whether a pass that ends at `end` may commit a word, if it agrees with the one before it."""
        age = end - word.end
        certain = word.probability >= self.rules.doubtful or age >= self.rules.patience
        return certain and age >= self.rules.holdback

    def _commit(self, words: Sequence[Word]) -> list[Entry]:
        self._open.extend(words)
        return [Entry(Committed(self.track, tuple(words)))] if words else []

    def _trim(self, task: Pass, language: str) -> list[Entry]:
        """Close what is committed up to a good place, so that passes need not begin before it for ever."""
        since = self.endpointing.speaking_since
        if self._waiting or since is None or task.end - since < self.rules.trim_after:
            return []
        cut = pause(self._open, self._policy.tail, anywhere=task.end - since >= self.rules.trim_always)
        if cut is None or not since < cut < self.endpointing.voiced_until:
            return []
        said, self._open = split(self._open, cut)
        self.endpointing.trim(cut)
        return _with_coverage(self._close(since, said, language), self._cover(since, cut))

    def _close(self, start: Position, words: Sequence[Word], language: str) -> list[Entry]:
        if not words:
            return []
        name = SegmentId(f"{self.track}-{start}")  # `_begin` takes it apart
        segment = Segment(name, self.track, words[0].start, words[-1].end, tuple(words), language)
        return [Entry(SegmentClosed(segment))]

    def _partial(self) -> list[Entry]:
        tail = self._policy.tail
        text = "".join(word.text for word in tail)
        if text == self._shown:
            return []
        self._shown = text
        return [Entry(Partial(self.track, tail[0].start if tail else self.endpointing.position, text))]

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


def _begin(segment: Segment) -> Position:
    """Return where the utterance of a segment begins: before its first word."""
    return Position(int(segment.id.rpartition("-")[2]))


def _with_coverage(entries: list[Entry], coverage: Coverage) -> list[Entry]:
    """Bind the coverage to the last entry, so that the cursor moves in the transaction that makes it true."""
    if not entries:
        return [Entry(None, coverage)]
    return [*entries[:-1], Entry(entries[-1].event, coverage)]
