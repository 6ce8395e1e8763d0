from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.endpointing import WINDOW, Endpointing, EndpointingRules, Utterance
from transcriber.types import RATE, Position

RULES = EndpointingRules()
SHORT = EndpointingRules(
    pre_roll=3 * WINDOW, hangover=6 * WINDOW, tail=3 * WINDOW, longest=40 * WINDOW
)  # to see long utterances early

VOICE, MAYBE, QUIET = 0.9, 0.4, 0.05

probabilities = st.lists(
    st.tuples(st.sampled_from([VOICE, VOICE, MAYBE, QUIET, 0.5, 0.34]), st.integers(1, 30)), max_size=20
).map(lambda runs: [value for value, count in runs for _ in range(count)])


def windows(count: int) -> int:
    return count * WINDOW


def heard(values, rules=SHORT) -> list[Utterance]:
    endpointing = Endpointing(rules)
    return endpointing.feed(values) + endpointing.close(endpointing.position)


@given(values=probabilities, cuts=st.lists(st.integers(0, 400)))
def test_it_does_not_matter_how_the_probabilities_come(values, cuts):
    endpointing, found, start = Endpointing(SHORT), [], 0
    for cut in [*sorted(cuts), len(values)]:
        found += endpointing.feed(values[start:cut])
        start = max(start, cut)
    assert found + endpointing.close(endpointing.position) == heard(values)


@given(values=probabilities)
def test_utterances_are_in_order_apart_and_within_the_audio(values):
    found = heard(values)
    end = 0
    for utterance in found:
        assert end <= utterance.start < utterance.end <= windows(len(values))
        assert utterance.end - utterance.start <= SHORT.longest
        end = utterance.end
    for index, value in enumerate(values):
        if value >= SHORT.begin:
            assert any(u.start <= windows(index) + WINDOW // 2 <= u.end for u in found), "no speech is left out"


@given(values=probabilities)
def test_only_a_part_that_goes_on_at_once_continues(values):
    found = heard(values)
    assert not any(utterance.continues for utterance in found[-1:])
    for utterance, following in pairwise(found):
        assert not utterance.continues or following.start == utterance.end


@given(values=probabilities, gaps=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 5000)), max_size=4))
def test_what_is_settled_stays_settled(values, gaps):
    endpointing, settled = Endpointing(SHORT), 0
    skips = dict(gaps)

    def look(found):
        nonlocal settled
        for utterance in found:
            assert utterance.start >= settled, "an utterance begins in what was settled"
        assert endpointing.settled >= settled
        settled = endpointing.settled
        if endpointing.speaking_since is not None:
            assert settled <= endpointing.speaking_since

    for index, value in enumerate(values):
        look(endpointing.feed([value]))
        if index in skips:
            start = Position(endpointing.position)
            look(endpointing.skip(start, Position(start + skips[index])))
    look(endpointing.close(endpointing.position))


def test_an_utterance_begins_a_pre_roll_early_and_ends_a_tail_late():
    [utterance] = heard([QUIET] * 40 + [VOICE] * 10 + [QUIET] * 40, RULES)
    assert utterance == Utterance(windows(40) - RULES.pre_roll, windows(50) + RULES.tail)


def test_the_pre_roll_ends_at_the_start_of_the_track():
    [utterance] = heard([QUIET] + [VOICE] * 10)
    assert utterance.start == 0


def test_the_pre_roll_does_not_reach_into_the_utterance_before():
    first, second = heard([VOICE] * 10 + [QUIET] * 6 + [VOICE] * 10)
    assert second.start == windows(16) - SHORT.pre_roll == first.end
    rules = EndpointingRules(pre_roll=windows(9), hangover=windows(6), tail=windows(3), longest=windows(40))
    first, second = heard([VOICE] * 10 + [QUIET] * 6 + [VOICE] * 10, rules)
    assert second.start == first.end == windows(13)


def test_the_pre_roll_does_not_reach_over_a_gap():
    endpointing = Endpointing(SHORT)
    endpointing.feed([QUIET] * 10)
    endpointing.skip(Position(windows(10)), Position(windows(10) + 77))
    endpointing.feed([VOICE] * 5)
    assert endpointing.speaking_since == windows(10) + 77


@pytest.mark.parametrize(("pause", "utterances"), [(5, 1), (6, 2)])
def test_an_utterance_lasts_through_a_pause_that_is_shorter_than_the_hangover(pause, utterances):
    assert len(heard([VOICE] * 10 + [QUIET] * pause + [VOICE] * 10)) == utterances


@pytest.mark.parametrize("doubtful", [MAYBE, SHORT.keep])
def test_doubtful_speech_goes_on_and_does_not_begin(doubtful):
    assert heard([doubtful] * 30) == []
    [utterance] = heard([VOICE] + [doubtful] * 20)
    assert utterance.end == windows(21)


def test_one_window_of_speech_is_an_utterance_with_all_that_is_around_it():
    [utterance] = heard([QUIET] * 40 + [VOICE] + [QUIET] * 40)
    assert utterance == Utterance(windows(37), windows(44))


def test_a_long_utterance_is_cut_where_speech_is_least_likely_in_its_second_half():
    values = [VOICE] * 60
    values[15:18] = [0.36] * 3  # a better place, but in the first half
    values[28:31] = [0.5] * 3
    first, second = heard(values)
    assert first.continues
    assert windows(28) < first.end < windows(31)
    assert (second.start, second.end) == (first.end, windows(60))


@pytest.mark.parametrize("dip", [[0.6] * 5, [0.6, 0.5, 0.4, 0.5, 0.6]])
def test_the_cut_is_in_the_middle_of_the_place_where_speech_is_least_likely(dip):
    first, _ = heard([VOICE] * 30 + dip + [VOICE] * 10)
    assert first.end == windows(32) + WINDOW // 2


def test_the_next_cut_is_found_as_well_as_the_first():
    dip = [0.5] * 5
    first, second, third = heard([QUIET] * 10 + [VOICE] * 25 + dip + [VOICE] * 25 + dip + [VOICE] * 10)
    assert first.end == second.start == windows(37) + WINDOW // 2
    assert second.end == third.start == windows(67) + WINDOW // 2


def test_an_utterance_is_cut_as_soon_as_it_is_as_long_as_any_may_be():
    endpointing = Endpointing(SHORT)
    assert endpointing.feed([VOICE] * 39) == []
    assert len(endpointing.feed([VOICE])) == 1


def test_one_low_window_inside_a_word_does_not_attract_the_cut():
    values = [VOICE] * 60
    values[25] = 0.36
    values[30:35] = [0.6] * 5
    first, _ = heard(values)
    assert windows(30) < first.end < windows(35)


def test_where_the_cut_would_be_in_a_silence_that_goes_on_the_utterance_ends():
    rules = EndpointingRules(pre_roll=0, hangover=windows(30), tail=windows(3), longest=windows(40))
    noise = [0.02, 0.09, 0.08, 0.07, 0.02, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01]
    [utterance] = heard([VOICE] * 28 + noise * 4, rules)
    assert utterance == Utterance(Position(0), Position(windows(31)))


def test_speech_that_goes_on_after_such_an_end_is_an_utterance_of_its_own():
    rules = EndpointingRules(pre_roll=0, hangover=windows(30), tail=windows(3), longest=windows(40))
    first, second = heard([VOICE] * 28 + [QUIET] * 14 + [VOICE] * 5, rules)
    assert not first.continues
    assert (second.start, second.end) == (windows(42), windows(47))


def test_a_gap_ends_the_utterance_where_the_samples_end():
    endpointing = Endpointing(SHORT)
    endpointing.feed([VOICE] * 10)  # of the last window 100 samples are real
    end = Position(windows(9) + 100)
    assert endpointing.skip(end, Position(end + 5000)) == [Utterance(Position(0), end)]
    assert endpointing.speaking_since is None
    assert endpointing.position == endpointing.settled == end + 5000


def test_a_gap_in_silence_ends_nothing():
    endpointing = Endpointing(SHORT)
    endpointing.feed([QUIET] * 10)
    assert endpointing.skip(Position(windows(10)), Position(windows(11))) == []


def test_the_end_of_the_track_ends_the_utterance_and_nothing_is_settled_beyond_it():
    endpointing = Endpointing(EndpointingRules(pre_roll=0))
    endpointing.feed([VOICE] * 3 + [QUIET] * 30)
    assert endpointing.close(Position(windows(32) + 1)) == []
    assert endpointing.settled <= windows(32) + 1
    assert endpointing.close(Position(windows(32) + 1)) == []


def test_after_a_trim_the_utterance_begins_later_and_is_cut_later():
    endpointing = Endpointing(SHORT)
    endpointing.feed([VOICE] * 30)
    endpointing.trim(Position(windows(20) + 10))
    assert endpointing.speaking_since == endpointing.settled == windows(20) + 10
    assert endpointing.feed([VOICE] * 30) == []
    [cut] = endpointing.feed([VOICE])
    assert cut.start == windows(20) + 10
    assert windows(40) <= cut.end < windows(61)


def test_what_was_trimmed_plays_no_part_in_the_next_cut():
    endpointing = Endpointing(SHORT)
    endpointing.feed([QUIET] * 10 + [VOICE] * 25 + [0.36] * 5)
    endpointing.trim(Position(windows(30)))
    [cut] = endpointing.feed([VOICE] * 15 + [0.5] * 5 + [VOICE] * 10)
    assert cut.end == windows(57) + WINDOW // 2


def test_the_defaults_are_those_of_silero_and_fit_whisper():
    assert (RULES.begin, RULES.keep) == (0.5, 0.35)
    assert RULES.longest <= 30 * RATE


@given(values=probabilities, into=st.integers(0, 60))
def test_who_hears_the_same_again_up_to_where_an_utterance_ended_goes_on_as_if_it_had_never_stopped(values, into):
    found = heard(values)
    for index, utterance in enumerate(found):
        again = Endpointing(SHORT, floor=utterance.end)
        assert again.feed(values) + again.close(again.position) == found[index + 1 :]
        floor = Position(max(utterance.end, windows(into)))
        late = Endpointing(SHORT, Position(windows(into)), floor)
        assert all(later.start >= floor for later in late.feed(values[into:]))


def test_an_utterance_that_goes_on_at_the_floor_begins_there_and_is_not_cut_before_it():
    endpointing = Endpointing(SHORT, floor=Position(windows(39) + 100))
    [utterance] = endpointing.feed([VOICE] * 39 + [VOICE] * 40 + [QUIET])
    assert utterance.start == windows(39) + 100
    assert utterance.continues
    assert utterance.start + SHORT.longest // 2 <= utterance.end <= utterance.start + SHORT.longest


def test_speech_before_the_floor_alone_is_no_utterance():
    endpointing = Endpointing(SHORT, floor=Position(windows(10)))
    assert endpointing.feed([VOICE] * 9 + [QUIET] * 6) == []
    assert endpointing.settled == windows(12)
    endpointing = Endpointing(SHORT, floor=Position(windows(10) - 50))
    assert endpointing.feed([VOICE] * 10) + endpointing.close(Position(windows(10) - 50)) == []
