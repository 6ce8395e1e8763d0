import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.guards import LONGEST_WORD, invented, repetitive, stretched, without_loops
from transcriber.types import Hypothesis, Position, SpokenWord, Word


def said(text: str) -> tuple[Word, ...]:
    return tuple(
        Word(f" {word}", Position(10 * at), Position(10 * at + 9), 0.9) for at, word in enumerate(text.split())
    )


def text(words) -> str:
    return "".join(word.text for word in words).strip()


def hypothesis(*probabilities: float, no_speech=0.0, compression=1.0) -> Hypothesis:
    words = tuple(SpokenWord(" a", 0, 1, probability) for probability in probabilities)
    return Hypothesis(words, "en", no_speech, compression, 0.1)


@pytest.mark.parametrize(
    ("heard", "left"),
    [
        ("no no no that is mine", "no no no that is mine"),
        ("so " + "you know " * 3 + "it goes", "so " + "you know " * 3 + "it goes"),
        ("so " + "thank you " * 20 + "bye", "so thank you bye"),
        ("go " * 8, "go"),
        ("Go, " * 4 + "go! " * 4, "Go,"),
        ("a b c d e f g h " * 3, "a b c d e f g h"),
        ("a b c d e f g h " * 2, "a b c d e f g h a b c d e f g h"),
        ("x " * 9 + "y z " * 9, "x y z"),
        ("", ""),
    ],
)
def test_a_loop_is_cut_to_its_first_round_and_emphasis_stays(heard, left):
    assert text(without_loops(said(heard))) == left.strip()


@given(st.lists(st.sampled_from("abc"), max_size=40).map(" ".join))
def test_what_stays_is_a_part_in_order_and_has_its_first_and_last_word(heard):
    words = said(heard)
    left = without_loops(words)
    places = [words.index(word) for word in left]
    assert places == sorted(places)
    assert [word.text for word in left[:1]] == [word.text for word in words[:1]]
    assert [word.text for word in left[-1:]] == [word.text for word in words[-1:]]


@given(st.permutations([f"w{index}" for index in range(30)]))
def test_text_without_repetition_is_left_alone(words):
    heard = said(" ".join(words))
    assert without_loops(heard) == heard


def test_a_hypothesis_is_invented_if_both_the_speech_and_the_words_are_doubtful():
    assert invented(hypothesis(0.4, 0.5, no_speech=0.7))
    assert not invented(hypothesis(0.4, 0.5, no_speech=0.6))
    assert not invented(hypothesis(0.4, 0.6, no_speech=0.7))
    assert not invented(hypothesis(0.4, 0.7, no_speech=0.7))
    assert not invented(hypothesis(no_speech=0.9))


@pytest.mark.parametrize(("extra", "too_long"), [(0, False), (1, True)])
def test_one_word_that_no_one_could_say_makes_a_hypothesis_stretched(extra, too_long):
    start = Position(1000)
    long = Word(" eh", Position(0), Position(start + LONGEST_WORD + extra), 0.9)
    short = Word(" so", long.end, Position(long.end + 10), 0.9)
    assert stretched((long, short), start) is too_long
    assert stretched((short, long), start) is too_long
    assert not stretched((), start)


def test_text_that_compresses_too_well_repeats_itself():
    assert repetitive(hypothesis(compression=2.5))
    assert not repetitive(hypothesis(compression=2.4))
