import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.agreement import DRIFT, FAR_DRIFT, LocalAgreement, continuation, not_before, spelling
from transcriber.types import RATE, Position, Word

WORD, PAUSE = RATE * 3 // 10, RATE // 10


def spoken(text: str, start: int = 0, moved: int = 0) -> list[Word]:
    """Words of 0.3 s, 0.1 s apart, the first at `start`; all moved by as much."""
    places = [start + index * (WORD + PAUSE) + moved for index in range(len(text.split()))]
    return [
        Word(f" {word}", Position(max(0, place)), Position(max(0, place + WORD)), 0.9)
        for word, place in zip(text.split(), places, strict=True)
    ]


def texts(words) -> str:
    return " ".join(word.text.strip() for word in words)


def following(heard: str, committed: int, *, moved: int = 0, repeats: str | None = None) -> str:
    """What goes on after the first `committed` words of `heard`, when they are heard again, `moved`, as `repeats`."""
    return texts(continuation(spoken(repeats or heard, moved=moved), spoken(heard)[:committed]))


TEXTS = [
    "it was the best of times it was the worst of times it was the age",
    "no no no I said no and no again",
    "one two three four five six seven eight",
    "the more the more the merrier the more",
]


@pytest.mark.parametrize("text", TEXTS)
def test_what_was_committed_is_found_wherever_it_ends(text):
    words = text.split()
    for count in range(len(words) + 1):
        assert following(text, count) == " ".join(words[count:])


@pytest.mark.parametrize("moved", [-DRIFT, -DRIFT // 2, -1000, 1000, DRIFT // 2, DRIFT])
@pytest.mark.parametrize("text", [*TEXTS[2:3], "it was the best of times it was a day"])
def test_it_is_found_although_the_times_of_the_words_moved(text, moved):
    words = text.split()
    for count in range(1, len(words)):
        assert following(text, count, moved=moved) == " ".join(words[count:])


@pytest.mark.parametrize("moved", [-PAUSE, PAUSE])
@pytest.mark.parametrize("text", TEXTS)
def test_words_that_repeat_are_told_apart_by_their_times(text, moved):
    words = text.split()
    for count in range(1, len(words)):
        assert following(text, count, moved=moved) == " ".join(words[count:])


def test_of_places_that_fit_as_well_the_one_that_fits_the_time_is_taken():
    assert texts(continuation(spoken("no no no"), spoken("no no")[1:])) == "no"
    assert texts(continuation(spoken("no no no"), spoken("no")[:1])) == "no no"


def test_spelling_and_punctuation_may_change():
    heard = "well I dont know what it is"
    again = "Well, I don't know -- what it is."
    assert following(heard, 4, repeats=again.replace(" --", "")) == "what it is."


def test_words_that_are_heard_as_others_are_told_by_their_times():
    assert following("I scream for all of it", 2, repeats="ice cream for all of it") == "for all of it"


def test_a_hypothesis_that_begins_in_the_middle_of_the_committed_text_goes_on_after_it():
    text = TEXTS[0]
    heard = spoken(text)
    assert texts(continuation(heard[3:], heard[:7])) == " ".join(text.split()[7:])


def test_a_hypothesis_that_ends_before_the_committed_text_adds_nothing():
    heard = spoken(TEXTS[2])
    assert list(continuation(heard[:3], heard[:5])) == []


def test_without_committed_text_everything_is_new():
    heard = spoken("a b")
    assert list(continuation(heard, [])) == heard


def test_text_far_after_the_committed_text_is_new_though_it_is_the_same():
    assert texts(continuation(spoken("yes yes", start=3 * RATE), spoken("yes yes"))) == "yes yes"


@given(
    words=st.lists(st.integers(0, 60), unique=True, min_size=1, max_size=25).map(lambda n: [f"w{i}" for i in n]),
    passes=st.lists(st.tuples(st.integers(0, 25), st.integers(-DRIFT // 2, DRIFT // 2)), max_size=8),
)
def test_committed_text_only_grows_and_ends_as_what_was_said(words, passes):
    policy, committed = LocalAgreement(), []
    for length, moved in sorted(passes):
        before = list(policy.committed)
        committed += policy.partial(spoken(" ".join(words[:length]), moved=moved))
        assert policy.committed[: len(before)] == before
    committed += policy.final(spoken(" ".join(words)))
    assert [word.text.strip() for word in committed] == words
    for word, after in itertools.pairwise(committed):
        assert word.start <= word.end <= after.start
    assert policy.tail == ()


@given(st.lists(st.lists(st.sampled_from("ab"), max_size=6), max_size=8))
def test_whatever_is_heard_committed_text_only_grows_and_time_never_runs_backwards(hypotheses):
    policy, committed = LocalAgreement(), []
    for heard in hypotheses:
        committed += policy.partial(spoken(" ".join(heard)))
        assert policy.committed == committed
    for word, after in itertools.pairwise(committed):
        assert word.start <= word.end <= after.start


def test_what_two_passes_agree_on_is_committed_and_the_rest_is_the_tail():
    policy = LocalAgreement()
    assert policy.partial(spoken("so it beg")) == ()
    assert texts(policy.tail) == "so it beg"
    assert texts(policy.partial(spoken("so it begins here"))) == "so it"
    assert texts(policy.tail) == "begins here"
    assert texts(policy.partial(spoken("so it begins hear and now"))) == "begins"
    assert texts(policy.tail) == "hear and now"


def test_agreement_needs_neither_the_same_case_nor_the_same_marks_and_takes_the_newer():
    policy = LocalAgreement()
    policy.partial(spoken("hello world"))
    assert texts(policy.partial(spoken("Hello, world!"))) == "Hello, world!"


def test_a_word_that_two_passes_hear_differently_holds_up_those_after_it():
    policy = LocalAgreement()
    policy.partial(spoken("a b c"))
    assert texts(policy.partial(spoken("a x c"))) == "a"


def test_a_pass_that_heard_nothing_takes_nothing_back():
    policy = LocalAgreement()
    policy.partial(spoken("a b"))
    policy.partial(spoken("a b c"))
    assert policy.partial([]) == ()
    assert texts(policy.committed) == "a b"
    assert policy.tail == ()


def test_the_final_pass_commits_all_that_is_left():
    policy = LocalAgreement(spoken("a b"))
    assert texts(policy.final(spoken("a b c d"))) == "c d"
    assert texts(policy.committed) == "a b c d"


def test_words_stand_where_they_were_heard():
    assert LocalAgreement().final(spoken("a b")) == tuple(spoken("a b"))


def test_no_word_begins_before_those_that_an_earlier_life_committed_have_ended():
    committed = spoken("a b")
    [word] = LocalAgreement(list(committed)).final(spoken("c", start=committed[-1].end - 1000))
    assert word.start == committed[-1].end


def test_a_final_pass_that_heard_the_committed_words_and_no_more_adds_nothing():
    policy = LocalAgreement(spoken("a b c"))
    assert policy.final(spoken("a b c")) == ()


def test_what_ended_before_a_pass_is_not_what_it_hears_but_its_time_counts():
    policy = LocalAgreement(spoken("yes no so"))
    end = policy.committed[-1].end
    [again] = policy.final(spoken("so", start=end + 10), start=end)
    assert again.start >= end


def test_a_later_pass_may_begin_before_an_earlier_one():
    policy = LocalAgreement(spoken("a b c"))
    policy.partial(spoken("c d", start=policy.committed[2].start), start=policy.committed[2].start)
    assert texts(policy.final(spoken("a b c d"))) == "d"


def test_no_more_committed_words_are_kept_than_a_pass_can_hear():
    policy = LocalAgreement()
    for number in range(200):
        policy.final(spoken("a", start=number * RATE), start=Position(number * RATE))
    assert 30 <= len(policy.committed) <= 31


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100))), st.integers(0, 100))
def test_times_are_put_in_order_and_words_kept(places, floor):
    words = [Word(f" {at}", Position(start), Position(end), 0.5) for at, (start, end) in enumerate(places)]
    placed = not_before(words, Position(floor))
    assert [(word.text, word.probability) for word in placed] == [(word.text, word.probability) for word in words]
    for word in placed:
        assert floor <= word.start <= word.end
        floor = word.end


@pytest.mark.parametrize(("one", "other"), [(" Don't,", "dont"), ("ﬁne", "FINE"), ("Straße", "STRASSE"), (" --", "")])
def test_spelling_ignores_case_marks_and_form(one, other):
    def word(text):
        return Word(text, Position(0), Position(1), 1.0)

    assert spelling(word(one)) == spelling(word(other))


def test_a_word_that_is_not_stable_holds_up_those_after_it_until_it_is():
    policy = LocalAgreement()
    policy.partial(spoken("a b c"))
    assert texts(policy.partial(spoken("a b c"), stable=lambda word: word.text.strip() != "b")) == "a"
    assert texts(policy.tail) == "b c"
    assert texts(policy.partial(spoken("a b c"), stable=lambda _: True)) == "b c"


@pytest.mark.parametrize("moved", [2 * DRIFT, FAR_DRIFT])
def test_a_phrase_beside_a_silence_is_recognised_where_its_time_moved_far_and_a_single_word_is_not(moved):
    committed = spoken("chapter twelve")
    far = spoken("chapter twelve carol", moved=moved)
    assert texts(continuation(far, committed)) == "carol"
    assert texts(continuation(spoken("twelve carol", moved=3 * DRIFT), spoken("twelve"))) == "twelve carol"
