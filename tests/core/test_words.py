import pytest

from transcriber.core.words import pause, placed, split
from transcriber.types import RATE, Position, SpokenWord, Word


def word(text: str, start: int, end: int) -> Word:
    return Word(f" {text}", Position(start), Position(end), 0.9)


def test_words_are_put_on_the_clock_where_they_were_heard():
    heard = [SpokenWord(" so", 0.0, 0.5, 0.123456), SpokenWord(" it", 0.75, 1.0, 1.0)]
    assert placed(heard, Position(RATE), Position(9 * RATE)) == [
        Word(" so", Position(RATE), Position(RATE + 8_000), 0.123),
        Word(" it", Position(RATE + 12_000), Position(2 * RATE), 1.0),
    ]


def test_no_word_ends_after_the_audio():
    [late] = placed([SpokenWord(" so", 0.5, 2.0, 0.9)], Position(0), Position(RATE))
    assert (late.start, late.end) == (8_000, RATE)


@pytest.mark.parametrize(("position", "before"), [(0, 0), (15, 0), (16, 1), (25, 1), (36, 2)])
def test_a_word_belongs_where_its_middle_is(position, before):
    words = [word("a", 10, 20), word("b", 30, 40)]
    assert split(words, Position(position)) == (words[:before], words[before:])


def test_a_pause_is_in_the_middle_after_the_last_sentence():
    committed = [word("a.", 0, 10), word("b.", 14, 20), word("c", 30, 40), word("d", 90, 95)]
    assert pause(committed, [], anywhere=True) == 25
    assert pause(committed, [], anywhere=False) == 25


@pytest.mark.parametrize("mark", [".", "?", "!", "。", "？", "！"])  # noqa: RUF001 - full-width
def test_every_mark_that_ends_a_sentence_counts(mark):
    assert pause([word(f"a{mark}", 0, 10), word("b", 20, 30)], [], anywhere=False) == 15


def test_without_a_sentence_it_is_the_longest_pause_if_that_will_do():
    committed = [word("a", 0, 10), word("b", 12, 20), word("c", 40, 90), word("d", 95, 99)]
    assert pause(committed, [], anywhere=True) == 30
    assert pause(committed, [], anywhere=False) is None


def test_the_first_word_that_is_not_committed_ends_a_pause_and_the_others_do_not():
    tail = [word("b", 30, 40), word("c", 99, 100)]
    assert pause([word("a.", 0, 10)], tail, anywhere=False) == 20
    assert pause([word("a", 0, 10)], tail, anywhere=True) == 20


def test_what_is_said_last_has_no_pause_after_it():
    assert pause([word("a.", 0, 10)], [], anywhere=True) is None
    assert pause([], [word("a.", 0, 10), word("b", 20, 30)], anywhere=True) is None
