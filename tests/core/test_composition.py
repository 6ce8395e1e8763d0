"""A track in the making, against an engine that hears every word that is there.

`Track` is what was really said; `Record` is what the database does, and refuses what it would refuse; `transcribe`
plays the actor, with any timing and any crash.
"""

import itertools
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcriber.core.composition import Composition, CompositionRules, Entry, Pass
from transcriber.core.endpointing import WINDOW
from transcriber.core.language import LanguageVote
from transcriber.core.past import Past
from transcriber.events import Committed, GapFound, Partial, SegmentClosed
from transcriber.types import (
    RATE,
    Coverage,
    Gap,
    GapReason,
    Hypothesis,
    Position,
    Segment,
    SpokenWord,
    TrackName,
    Word,
)

TRACK = TrackName("them")
RULES = CompositionRules()


def samples(seconds: float) -> int:
    return round(seconds * RATE)


@dataclass
class Track:
    """What was said, and what is missing. `end` is where it ends."""

    words: list[Word] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    end: int = 0

    def say(self, *texts: str, length: float = 0.3, pause: float = 0.15) -> "Track":
        for text in texts:
            start, self.end = self.end, self.end + samples(length)
            self.words.append(Word(f" {text}", Position(start), Position(self.end), 0.9))
            self.end += samples(pause)
        return self

    def silence(self, seconds: float) -> "Track":
        self.end += samples(seconds)
        return self

    def gap(self, seconds: float, reason: GapReason = GapReason.DEVICE) -> "Track":
        start, self.end = self.end, self.end + samples(seconds)
        self.gaps.append(Gap(Position(start), Position(self.end), reason))
        return self

    @property
    def texts(self) -> list[str]:
        return [word.text.strip() for word in self.words]

    def probability(self, start: int) -> float:
        end = start + WINDOW
        voice = sum(max(0, min(end, word.end) - max(start, word.start)) for word in self._near(start, end))
        return 0.95 if voice >= WINDOW // 2 else 0.02

    def hear(self, start: int, end: int, shift: int = 0) -> Hypothesis:
        """The words of a span; one of which half is there is heard wrongly, of less nothing is."""
        heard = []
        for word in self._near(start, end):
            first, last = max(start, word.start), min(end, word.end)
            share = (last - first) / (word.end - word.start)
            if share >= 0.3:
                text = word.text if share >= 0.6 else " hm"
                begun = max(0, first - start + shift)
                heard.append(SpokenWord(text, begun / RATE, max(begun, last - start + shift) / RATE, share))
        return Hypothesis(tuple(heard), "en", 0.0, 1.0, 0.1)

    def _near(self, start: int, end: int) -> list[Word]:
        first = bisect_right(self.words, start, key=lambda word: word.end)
        return self.words[first : bisect_left(self.words, end, key=lambda word: word.start)]


class CrashError(Exception):
    pass


class Record:
    """The database: what was stored so far, in the order in which it was."""

    def __init__(self, crashes=()):
        self.crashes = set(crashes)
        self.written = 0
        self.past = Past()
        self.words: list[Word] = []
        self.parts: list[Segment | Gap] = []
        self.partials: list[Partial] = []

    def store(self, entries: list[Entry]) -> None:
        for entry in entries:
            self.written += 1
            if self.written in self.crashes:
                raise CrashError
            self._apply(entry)

    def _apply(self, entry: Entry) -> None:
        match entry.event:
            case Committed(track, words):
                assert track == TRACK
                assert words
                for word in words:
                    assert word.start <= word.end
                    assert not self.words or word.start >= self.words[-1].end
                    self.words.append(word)
            case SegmentClosed(segment):
                count = len(segment.words)
                assert count
                assert segment.words == self.open[:count], "a segment is exactly its commits"
                assert (segment.start, segment.end) == (segment.words[0].start, segment.words[-1].end)
                assert segment.id not in [part.id for part in self.segments]
                assert segment.start not in [part.start for part in self.segments]
                self.parts.append(segment)
            case GapFound(track, gap):
                assert track == TRACK
                self.parts.append(gap)
            case Partial() as partial:
                assert entry.coverage is None
                self.partials.append(partial)
            case None:
                assert entry.coverage is not None
        if entry.coverage is not None:
            coverage = entry.coverage
            assert coverage.position == coverage.transcribed + coverage.silence + coverage.missing
            assert min(coverage.transcribed, coverage.silence, coverage.missing) >= 0
            assert coverage.position >= self.coverage.position
        self.past = self.past.then(entry.event, entry.coverage)

    @property
    def coverage(self) -> Coverage:
        return self.past.coverage

    @property
    def open(self) -> tuple[Word, ...]:
        return tuple(self.past.open_words)

    @property
    def segments(self) -> list[Segment]:
        return [part for part in self.parts if isinstance(part, Segment)]

    @property
    def gaps(self) -> list[Gap]:
        return [part for part in self.parts if isinstance(part, Gap)]

    @property
    def texts(self) -> list[str]:
        return [word.text.strip() for word in self.words]

    def restore(self, rules: CompositionRules = RULES) -> Composition:
        return Composition(TRACK, rules, self.past, LanguageVote())


class Ear:
    """The hearing half of the actor: feeds a composition from its cursor on, in steps of any length."""

    def __init__(self, track: Track, composition: Composition):
        self.track = track
        self.composition = composition
        self.heard = composition.endpointing.position
        self.rest = 0
        self.ended = False

    def listen(self, length: int) -> None:
        while length > 0 and not self.ended:
            gap = next((gap for gap in self.track.gaps if gap.end > self.heard), None)
            if gap is not None and gap.start <= self.heard:
                self._fill()
                self.composition.gap(gap)
                self.heard = gap.end
                return
            border = gap.start if gap else self.track.end
            if border == self.heard:
                self._fill()
                self.composition.end(Position(self.heard))
                self.ended = True
                return
            step = min(length, border - self.heard)
            first = self.heard - self.rest
            windows, self.rest = divmod(self.rest + step, WINDOW)
            self.heard += step
            length -= step
            self.composition.feed([self.track.probability(first + index * WINDOW) for index in range(windows)])

    def _fill(self) -> None:
        if self.rest:
            self.composition.feed([self.track.probability(self.heard - self.rest)])
            self.rest = 0


def transcribe(track: Track, record: Record, timing: random.Random, rules=RULES, *, shift=0.0, fail=()) -> None:
    """One life of the actor. `fail` holds the ends of the final passes that no engine can decode."""
    composition = record.restore(rules)
    ear = Ear(track, composition)
    pace = timing.choice([0.3, 0.6, 0.9])  # how often the composer gets a turn: an engine from slow to fast
    task: Pass | None = None
    while True:
        if not ear.ended and (timing.random() > pace):
            ear.listen(timing.choice([1, 300, 512, 1600, 8000, 48000, 160000]))
        elif task is not None:
            assert 0 <= task.start < task.end <= ear.heard
            assert task.end - task.start <= 30 * RATE
            if task.final and any(task.start < end <= task.end for end in fail):
                record.store(composition.failed())
            else:
                moved = round(timing.uniform(-shift, shift) * RATE)
                record.store(composition.decoded(task, track.hear(task.start, task.end, moved)))
            task = None
        elif entries := composition.settle():
            record.store(entries)
        else:
            task = composition.next_pass()
            if task is None:
                if ear.ended:
                    break
                ear.listen(timing.choice([160, 1600, 8000]))
    record.store(composition.finish(Position(track.end)))


def lives(track: Track, seed: int, crashes=(), **options) -> Record:
    record, timing = Record(crashes), random.Random(seed)  # noqa: S311 - a test's timing
    while True:
        try:
            transcribe(track, record, timing, **options)
        except CrashError:
            continue
        return record


def assert_complete(track: Track, record: Record) -> None:
    assert record.texts == track.texts
    assert record.open == ()
    assert [word for segment in record.segments for word in segment.words] == record.words
    assert record.gaps == track.gaps
    assert record.coverage.position == track.end
    assert record.coverage.missing == sum(gap.end - gap.start for gap in track.gaps)
    spoken = sum(word.end - word.start for word in track.words)
    assert record.coverage.transcribed >= 0.9 * spoken
    assert [part.start for part in record.parts] == sorted(part.start for part in record.parts), "in order"


@st.composite
def tracks(draw, longest_talk=40, pieces=6):
    track, said = Track(), 0
    for _ in range(draw(st.integers(1, pieces))):
        match draw(st.sampled_from(["talk", "talk", "silence", "gap"])):
            case "talk":
                length, pause = draw(st.sampled_from([0.2, 0.3, 0.55])), draw(st.sampled_from([0.1, 0.2, 0.35]))
                sentence = draw(st.sampled_from([3, 7, 200]))
                for index in range(draw(st.sampled_from([1, 2, 5, 20, longest_talk]))):
                    track.say(f"w{said}" + "." * ((index + 1) % sentence == 0), length=length, pause=pause)
                    said += 1
            case "silence":
                track.silence(draw(st.sampled_from([0.01, 0.4, 0.7, 1.5, 6, 31])))
            case "gap":
                if not track.gaps or track.gaps[-1].end < track.end:
                    track.gap(draw(st.sampled_from([0.001, 0.02, 0.2, 1, 25])))
    return track


@given(track=tracks(), seed=st.integers(0, 2**32), crashes=st.lists(st.integers(1, 40), max_size=6))
def test_every_word_is_committed_once_and_in_order_at_any_pace_and_across_any_crash(track, seed, crashes):
    assert_complete(track, lives(track, seed, crashes))


@settings(max_examples=40)
@given(
    track=tracks(longest_talk=90),
    seed=st.integers(0, 2**32),
    crashes=st.lists(st.integers(1, 20), max_size=3),
    rules=st.sampled_from([CompositionRules(partials=False), CompositionRules(trim_after=RATE * 99)]),
)
def test_an_endless_utterance_that_is_cut_neither_repeats_nor_loses_words(track, seed, crashes, rules):
    assert_complete(track, lives(track, seed, crashes, rules=rules))


@given(
    track=tracks(),
    seed=st.integers(0, 2**32),
    crashes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    most=st.sampled_from([28 * RATE, 5 * RATE]),
)
def test_a_crash_changes_nothing_of_what_is_said_where_words_are_committed_at_the_end_of_an_utterance(
    track, seed, crashes, most
):
    class InContext(Track):
        """Words sound different with what is heard before them."""

        def hear(self, start: int, end: int, shift: int = 0) -> Hypothesis:
            heard = super().hear(start, end, shift)
            return replace(heard, words=tuple(replace(word, text=f"{word.text}@{start}") for word in heard.words))

    heard = InContext(track.words, track.gaps, track.end)
    rules = CompositionRules(partials=False, context=most)
    assert lives(heard, seed, crashes, rules=rules).parts == lives(heard, seed, rules=rules).parts


def test_a_gap_from_before_the_cursor_is_not_told_again_where_it_is_heard_again():
    gaps = [Gap(Position(100), Position(300), GapReason.DAMAGE), Gap(Position(700), Position(1_200), GapReason.DAMAGE)]
    record = Record()
    record.past = Past(Coverage(Position(1_000), 1_000, 0, 0))
    composition = record.restore()
    for gap in gaps:
        composition.gap(gap)
    composition.feed([0.95] * 40)
    composition.end(Position(1_200 + 40 * WINDOW))
    compose(composition, record, lambda *_: hypothesis_of("word"))
    assert record.gaps == [Gap(Position(1_000), Position(1_200), GapReason.DAMAGE)]
    assert record.segments[0].id == f"{TRACK}-1200"
    assert record.coverage == Coverage(Position(1_200 + 40 * WINDOW), 1_000 + 40 * WINDOW, 0, 200)


def test_words_that_were_committed_beyond_a_cut_belong_to_the_next_segment():
    track, record = Track().say(*(f"a{number}" for number in range(80))).silence(1), Record()
    ear = Ear(track, record.restore(CompositionRules(trim_after=RATE * 99)))
    while not record.segments:
        ear.listen(samples(0.5))
        compose(ear.composition, record, track.hear)
    assert record.coverage.position >= record.segments[0].end
    assert record.open, "words after the cut were committed before it was made"
    record.store(record.restore().finish(record.coverage.position))
    assert len(record.segments) == 2


@settings(max_examples=40)
@given(track=tracks(), seed=st.integers(0, 2**32), crashes=st.lists(st.integers(1, 40), max_size=3))
def test_word_times_may_move_from_decode_to_decode(track, seed, crashes):
    assert_complete(track, lives(track, seed, crashes, shift=0.2))


@settings(max_examples=40)
@given(track=tracks(pieces=4, longest_talk=20), seed=st.integers(0, 2**32), choice=st.randoms(use_true_random=False))
def test_words_that_are_said_again_are_heard_again(track, seed, choice):
    texts = [choice.choice(["no", "yes"]) for _ in track.words]
    track.words = [replace(word, text=f" {text}") for word, text in zip(track.words, texts, strict=True)]
    assert_complete(track, lives(track, seed))


@settings(max_examples=60)
@given(
    track=tracks(), seed=st.integers(0, 2**32), crashes=st.lists(st.integers(1, 40), max_size=3), poison=st.integers()
)
def test_what_no_engine_can_decode_is_a_gap_by_name_and_nothing_else_is_lost(track, seed, crashes, poison):
    if not track.words:
        return
    bad = track.words[poison % len(track.words)]
    record = lives(track, seed, crashes, fail=[bad.end])
    failed = [gap for gap in record.gaps if gap.reason is GapReason.ENGINE]
    assert [gap for gap in record.gaps if gap not in failed] == track.gaps
    assert record.coverage.position == track.end
    assert record.coverage.missing == sum(gap.end - gap.start for gap in record.gaps)
    assert record.open == ()
    heard = set(record.texts)
    assert len(heard) == len(record.texts)
    assert record.texts == [text for text in track.texts if text in heard]
    for word in track.words:
        lost = any(gap.start < word.end and word.start < gap.end for gap in failed)
        assert lost or word.text.strip() in heard


# One at a time.


def settled(composition: Composition, record: Record) -> None:
    while entries := composition.settle():
        record.store(entries)


def compose(
    composition: Composition, record: Record, hear: Callable[[int, int], Hypothesis], *, passes: int = 1000
) -> list[Pass]:
    """Decode as long as there is something to decode; return what was."""
    done: list[Pass] = []
    settled(composition, record)
    while len(done) < passes and (task := composition.next_pass()) is not None:
        done.append(task)
        record.store(composition.decoded(task, hear(task.start, task.end)))
        settled(composition, record)
    return done


def hypothesis_of(*texts: str, language="en", no_speech=0.0, compression=1.0, probability=0.9) -> Hypothesis:
    words = tuple(SpokenWord(f" {text}", 0.4 * at, 0.4 * at + 0.3, probability) for at, text in enumerate(texts))
    return Hypothesis(words, language, no_speech, compression, 0.1)


def test_text_is_fixed_while_the_utterance_goes_on():
    track, record = Track().silence(1).say(*"abcdefgh"), Record()
    ear = Ear(track, record.restore())
    for _ in range(8):
        ear.listen(samples(0.5))
        compose(ear.composition, record, track.hear)
    assert ear.composition.endpointing.speaking_since is not None
    assert record.texts[:3] == ["a", "b", "c"]
    assert record.segments == []
    assert record.partials


def test_a_pass_needs_new_speech():
    track, record = Track().say("a", "b", length=0.5).silence(0.55).say("c"), Record()
    ear = Ear(track, record.restore())
    ear.listen(samples(1.2))
    assert len(compose(ear.composition, record, track.hear)) == 1
    ear.listen(samples(0.5))
    assert ear.composition.endpointing.speaking_since is not None
    assert ear.composition.next_pass() is None, "it heard silence since"


def test_the_first_pass_waits_for_half_a_second_and_the_next_for_the_interval_that_is_asked_for():
    track, record = Track().say(*"abcdefghijkl", pause=0.1), Record()
    ear = Ear(track, record.restore())
    ear.listen(samples(0.45))
    assert ear.composition.next_pass() is None
    ear.listen(samples(0.1))
    assert ear.composition.next_pass() is not None
    ear.listen(samples(0.9))
    assert ear.composition.next_pass(interval=samples(1)) is None
    ear.listen(samples(0.2))
    assert ear.composition.next_pass(interval=samples(1)) is not None


def test_a_partial_pass_waits_until_no_final_waits():
    track, record = Track().say("a", "b").silence(1).say("c", "d", "e").silence(1).say(*"fghijk"), Record()
    ear = Ear(track, record.restore())
    ear.listen(track.end)
    passes = compose(ear.composition, record, track.hear, passes=3)
    assert [task.final for task in passes] == [True, True, False]
    assert record.texts[:5] == ["a", "b", "c", "d", "e"]


def test_a_pass_begins_with_earlier_utterances_up_to_the_length_of_the_context():
    track, record = Track(), Record()
    for number in range(12):
        track.say(f"a{number}", f"b{number}", f"c{number}").silence(1.5)
    ear = Ear(track, record.restore())
    ear.listen(track.end)
    passes = compose(ear.composition, record, track.hear)
    assert [task.start for task in passes[:3]] == [0, 0, 0]
    assert all(task.end - task.start <= RULES.context for task in passes)
    assert max(task.end - task.start for task in passes) > 0.8 * RULES.context
    assert record.texts == track.texts


def test_a_long_utterance_is_closed_up_to_a_committed_sentence():
    track, record = Track().silence(10), Record()
    for number in range(30):
        track.say(f"a{number}", f"b{number}", f"c{number}.")
    ear = Ear(track, record.restore())
    while not ear.ended:
        ear.listen(samples(0.5))
        for task in compose(ear.composition, record, track.hear):
            assert task.end - task.start <= RULES.trim_always
        if ear.heard < samples(10) + RULES.trim_after - RULES.endpointing.pre_roll:
            assert not record.segments, "it is not long yet"
        if ear.heard > samples(27):
            assert record.segments, "not before its end"
    assert len(record.segments) > 1
    assert all(segment.text.endswith(".") for segment in record.segments)
    record.store(ear.composition.finish(Position(track.end)))
    assert_complete(track, record)


def test_without_sentences_it_is_closed_at_the_longest_pause():
    track, record = Track().silence(5).say(*(f"a{number}" for number in range(20))), Record()
    track.silence(0.2).say(*(f"b{number}" for number in range(40)))
    ear = Ear(track, record.restore())
    while not record.segments:
        ear.listen(samples(0.5))
        compose(ear.composition, record, track.hear)
    assert record.segments[0].words[-1].text == " a19"
    assert ear.heard >= samples(5) - RULES.endpointing.pre_roll + RULES.trim_always


def test_silence_moves_the_cursor_without_an_event():
    track, record = Track().silence(60), Record()
    ear = Ear(track, record.restore())
    for second in range(1, 60):
        ear.listen(RATE)
        settled(ear.composition, record)
        assert record.coverage.position >= samples(second - 6)
    assert record.written <= 12
    assert record.parts == record.partials == []


def test_a_gap_is_entered_after_the_words_before_it_and_before_those_after_it():
    track, record = Track().say("a").gap(2, GapReason.OVERLOAD).say("b"), Record()
    ear = Ear(track, record.restore())
    for _ in range(3):
        ear.listen(track.end)
    settled(ear.composition, record)
    assert record.parts == []
    compose(ear.composition, record, track.hear)
    assert [part if isinstance(part, Gap) else part.text for part in record.parts] == ["a", *track.gaps, "b"]


def test_no_pass_reaches_back_over_a_gap():
    track, record = Track().say("a").gap(2).say("b").silence(1), Record()
    ear = Ear(track, record.restore())
    for _ in range(3):
        ear.listen(track.end)
    [before, after] = compose(ear.composition, record, track.hear)
    assert before.end <= track.gaps[0].start < track.gaps[0].end <= after.start


def test_a_gap_between_two_equal_words_loses_neither():
    track = Track().silence(0.02).say("no", pause=0.1).gap(0.001).say("no")
    assert lives(track, 0).texts == ["no", "no"]


def test_a_failure_is_a_gap_over_the_utterance_and_its_audio_is_no_context():
    track, record = Track().silence(1).say("a", "b").silence(1).say("c").silence(1), Record()
    ear = Ear(track, record.restore())
    ear.listen(track.end)
    settled(ear.composition, record)
    task = ear.composition.next_pass()
    record.store(ear.composition.failed())
    [gap] = record.gaps
    assert gap == Gap(task.start, task.end, GapReason.ENGINE)
    assert gap.start <= track.words[0].start < track.words[1].end <= gap.end
    assert record.coverage == Coverage(gap.end, 0, gap.start, gap.end - gap.start)
    [after] = compose(ear.composition, record, track.hear)
    assert after.start >= gap.end
    assert record.texts == ["c"]


def test_a_failure_keeps_what_was_committed_and_names_the_rest():
    track, record = Track().say(*"abcdefgh").silence(1), Record()
    ear = Ear(track, record.restore())
    for _ in range(4):
        ear.listen(samples(0.6))
        compose(ear.composition, record, track.hear)
    assert len(record.texts) > 1
    ear.listen(track.end)
    settled(ear.composition, record)
    task = ear.composition.next_pass()
    assert task.final
    record.store(ear.composition.failed())
    assert record.gaps == [Gap(record.words[-1].end, task.end, GapReason.ENGINE)]
    [segment] = record.segments
    assert (segment.id, segment.language, list(segment.words)) == ("them-0", "", record.words)


def test_a_failure_on_words_that_were_all_committed_is_no_gap():
    track, record = Track().say(*(f"a{number}" for number in range(80))), Record()
    ear = Ear(track, record.restore(CompositionRules(trim_after=RATE * 99)))
    while not record.segments:
        ear.listen(samples(0.5))
        settled(ear.composition, record)
        if (task := ear.composition.next_pass()) is not None:
            failing = task.final
            heard = track.hear(task.start, task.end)
            record.store(ear.composition.failed() if failing else ear.composition.decoded(task, heard))
    assert failing
    assert record.open, "words beyond the cut were committed before it was made"
    assert record.gaps == []
    assert record.coverage.missing == 0


def test_nothing_is_concluded_from_a_partial_pass_that_loops():
    track, record = Track().say(*"abcdef", pause=0.1), Record()
    ear = Ear(track, record.restore())
    loop = hypothesis_of(*["you", "see"] * 10, compression=5.0)
    for _ in range(3):
        ear.listen(samples(0.6))
        assert compose(ear.composition, record, lambda *_: loop)
    assert record.words == record.partials == []


def test_a_partial_that_comes_to_nothing_is_cleared():
    track, record = Track().say("a", "b", "c"), Record()
    ear = Ear(track, record.restore())
    ear.listen(samples(0.8))
    compose(ear.composition, record, lambda *_: hypothesis_of("thank", "you"))
    assert record.partials[-1].text == " thank you"
    ear.track.silence(2)
    ear.listen(track.end)
    compose(ear.composition, record, lambda *_: hypothesis_of())
    assert record.partials[-1].text == ""
    assert record.words == []


def test_where_no_partial_is_shown_none_is_cleared():
    track, record = Track().say("a", "b").silence(1).say("c").silence(1), Record()
    ear = Ear(track, record.restore())
    ear.listen(samples(0.8))
    compose(ear.composition, record, track.hear)
    shown = len(record.partials)
    assert shown
    ear.listen(samples(1.2))
    compose(ear.composition, record, track.hear)
    ear.listen(track.end)
    compose(ear.composition, record, lambda *_: hypothesis_of())
    assert record.texts == ["a", "b"]
    assert len(record.partials) == shown, "neither for what was said, nor for what came to nothing"


def test_the_same_partial_is_not_told_twice():
    track, record = Track().say(*"abcdef", pause=0.1), Record()
    ear = Ear(track, record.restore())
    for _ in range(3):
        ear.listen(samples(0.6))
        compose(ear.composition, record, lambda *_: hypothesis_of("a", "b"))
    assert [partial.text for partial in record.partials] == [" a b", ""]
    assert record.texts == ["a", "b"]


def test_words_where_nobody_speaks_are_not_believed():
    track, record = Track().say("a").silence(2), Record()
    ear = Ear(track, record.restore())
    ear.listen(track.end)
    compose(ear.composition, record, lambda *_: hypothesis_of("thank", "you", no_speech=0.9, probability=0.3))
    assert record.words == record.partials == []
    assert record.coverage.transcribed > 0


def test_a_loop_in_context_is_decoded_again_alone_and_cut_if_it_stays():
    track, record = Track().say("a").silence(1).say("b", "c", "d").silence(1), Record()
    ear = Ear(track, record.restore())
    ear.listen(track.end)
    compose(ear.composition, record, track.hear, passes=1)
    loop = hypothesis_of(*["you", "see"] * 10, compression=5.0)
    passes = compose(ear.composition, record, lambda *_: loop)
    assert [task.start for task in passes] == [0, passes[1].start]
    assert passes[1].start > track.words[0].end
    assert record.texts == ["a", "you", "see"]


def test_what_is_said_three_times_in_a_row_is_no_loop():
    track, record = Track(), Record()
    for _ in range(3):
        track.say("can", "you", "hear", "me?").silence(1)
    assert lives(track, 1).texts == ["can", "you", "hear", "me?"] * 3
    ear = Ear(track, record.restore())
    ear.listen(track.end)
    compose(ear.composition, record, track.hear)
    assert record.texts == track.texts


def test_words_of_an_earlier_life_stand_where_no_speech_is_heard_any_more():
    said = (Word(" a", Position(100), Position(200), 0.9), Word(" b", Position(250), Position(300), 0.9))
    record = Record()
    record.past, record.words = Past(Coverage(Position(50), 0, 50, 0), said), list(said)
    composition = record.restore()
    composition.feed([0.0] * 100)
    composition.end(Position(51_000))
    assert composition.next_pass() is None
    record.store(composition.finish(Position(51_000)))
    assert [(segment.text, segment.language) for segment in record.segments] == [("a b", "")], "nobody knows any more"
    assert record.coverage == Coverage(Position(51_000), 0, 51_000, 0)


def test_a_track_without_a_sample_is_complete():
    record = lives(Track(), 0)
    assert record.coverage == Coverage()
    assert record.parts == []


def test_the_language_is_fixed_once_utterances_agree():
    track, record = Track(), Record()
    for number in range(5):
        track.say(f"a{number}", "b").silence(1)
    ear = Ear(track, record.restore())
    ear.listen(track.end)
    passes = compose(ear.composition, record, lambda *span: replace(track.hear(*span), language="de"))
    assert [task.language for task in passes] == [None, None, None, "de", "de"]
    assert {segment.language for segment in record.segments} == {"de"}


@pytest.mark.parametrize("reason", list(GapReason))
def test_a_track_of_nothing_but_a_gap_is_complete(reason):
    track = Track().gap(3, reason)
    assert_complete(track, lives(track, 0))


def hear_twice(probability: float, seconds: float, rules: CompositionRules) -> list[str]:
    """Return what two equal passes commit of an utterance that goes on; its last word ends 0.3 s after it began."""
    composition, record = Composition(TRACK, rules), Record()
    for length in (seconds, seconds + 0.6):
        composition.feed([0.9] * (samples(length) // WINDOW - composition.endpointing.position // WINDOW))
        compose(composition, record, lambda *_: hypothesis_of("word", probability=probability), passes=1)
    return record.texts


def test_a_doubtful_word_is_committed_only_after_a_while():
    rules = CompositionRules(doubtful=0.3, patience=2 * RATE)
    assert hear_twice(0.3, 1.0, rules) == ["word"]
    assert hear_twice(0.29, 1.0, rules) == []
    assert hear_twice(0.29, 2.0, rules) == ["word"]


def test_a_word_at_the_very_end_of_a_pass_is_not_committed_by_it():
    assert hear_twice(0.9, 0.5, CompositionRules(holdback=RATE // 5, first_pass=RATE // 4)) == ["word"]
    assert hear_twice(0.9, 0.5, CompositionRules(holdback=RATE, first_pass=RATE // 4)) == []


def test_when_passes_do_not_agree_for_long_the_utterance_is_heard_alone():
    rules = CompositionRules(stubborn=4 * RATE)
    track, record = Track().say("a").silence(1).say(*"bcdefghijklmnopqrstuvwxyz" * 2), Record()
    ear = Ear(track, record.restore(rules))
    ear.listen(samples(2))
    compose(ear.composition, record, track.hear)
    heard = itertools.cycle([("x", "y"), ("y", "x")])
    starts = []
    for _ in range(12):
        ear.listen(samples(0.6))
        starts += [task.start for task in compose(ear.composition, record, lambda *_: hypothesis_of(*next(heard)))]
    since = ear.composition.endpointing.speaking_since
    assert since is not None
    assert starts[0] < since, "in context at first"
    assert starts[-1] == since


def test_a_pass_over_an_open_utterance_begins_in_context_and_never_far_back():
    track, record = Track().silence(9).say("a").silence(1).say(*"bcdefghijklmnopqrstuvwxyz"), Record()
    ear = Ear(track, record.restore(rules := CompositionRules(reach=4 * RATE)))
    passes = []
    while ear.heard < track.end - samples(0.6):
        ear.listen(samples(0.6))
        passes += compose(ear.composition, record, track.hear)
    assert record.texts == [*"abcdefghijklmnopqrstuvwxyz"][: len(record.texts)]
    assert len(record.texts) > 20
    utterances = [track.words[0].start, track.words[1].start]
    assert passes[0].start < utterances[0]
    assert utterances[0] < passes[-1].start
    assert any(task.start < utterances[1] < task.end for task in passes), "one utterance is the other's context"
    assert all(task.end - task.start <= rules.reach for task in passes)


def test_a_long_sound_before_the_utterance_does_not_make_a_pass_stretched():
    track, record = Track().say("aaah", length=3.5).silence(1).say(*"bcdefghi"), Record()
    ear = Ear(track, record.restore())
    while ear.heard < track.end - samples(0.6):
        ear.listen(samples(0.6))
        compose(ear.composition, record, track.hear)
    assert ear.composition.endpointing.speaking_since is not None
    assert record.texts[:5] == ["aaah", *"bcde"]


SPREAD = Hypothesis((SpokenWord(" a", 0.0, 9.0, 0.9),), "en", 0.0, 1.0, 0.1)
"""A decode that stopped early: the words that it gave are spread over all the audio."""


def test_a_partial_pass_that_stopped_early_commits_nothing():
    track, record = Track().say("a").silence(1).say(*"bcdefghijklmnopqrstuvwxyz"), Record()
    ear = Ear(track, record.restore())
    ear.listen(samples(2))
    compose(ear.composition, record, track.hear)
    ear.listen(samples(4))
    for _ in range(3):
        ear.listen(samples(0.6))
        assert len(compose(ear.composition, record, lambda *_: SPREAD)) == 1
    assert record.texts == ["a"]


def test_a_final_pass_that_stopped_early_in_context_is_done_again_alone():
    track, record = Track().say("a").silence(1).say(*"bcdefghijklmn"), Record()
    ear = Ear(track, record.restore(CompositionRules(partials=False)))
    ear.listen(samples(60))
    second = track.words[1].start
    passes = compose(
        ear.composition, record, lambda start, end: SPREAD if start < second - RATE < end else track.hear(start, end)
    )
    assert [task.start < second - RATE for task in passes] == [True, True, False]
    assert record.texts == [*"abcdefghijklmn"]
