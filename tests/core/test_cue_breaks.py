"""Where a person would break a subtitle, and what a screen has room for."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.cue_breaks import LINE, LONGEST, best_cues, best_lines, columns, joined, pieces
from transcriber.core.cue_breaks import _candidates as candidates
from transcriber.types import RATE, Position, Word

PACE = 0.35


def word(text: str, start: float, end: float) -> Word:
    return Word(text, Position(round(start * RATE)), Position(round(end * RATE)), 0.9)


def spoken(text: str, start: float = 0.0, pace: float = PACE) -> list[Word]:
    return [word(f" {one}", start + at * pace, start + (at + 0.95) * pace) for at, one in enumerate(text.split())]


def shown(words: list[Word], indent: int = 0) -> list[str]:
    """The text of each cue."""
    return [joined(cue) for cue in best_cues(pieces(words), indent)]


def lines(text: str, indent: int = 0) -> tuple[str, ...]:
    return best_lines(pieces(spoken(text)), indent)


class TestPieces:
    def test_the_parts_of_a_word_share_its_time(self):
        made = pieces([Word(" a b c", Position(1000), Position(4000), 0.9), word("d", 1, 2)])
        assert [(piece.text, piece.start, piece.end) for piece in made] == [
            ("a", 1000, 2000),
            ("b", 2000, 3000),
            ("c", 3000, 4000),
            ("d", RATE, 2 * RATE),
        ]

    def test_a_space_goes_where_one_was(self):
        made = pieces([word("a b", 0, 1), word(" c", 1, 2), word("d ", 2, 3), word(" \t", 3, 4)])
        assert [(piece.text, piece.spaced) for piece in made] == [
            ("a", False),
            ("b", True),
            ("c", True),
            ("d", False),
        ]
        assert joined(made) == "a b cd"

    def test_a_word_that_is_too_long_is_cut_at_the_length_of_a_line_and_without_spaces(self):
        made = pieces([word(" " + "a" * LINE, 0, 1), word(" " + "b" * (2 * LINE + 1), 1, 4)])
        assert [(len(piece.text), piece.spaced) for piece in made] == [(42, True), (42, True), (42, False), (1, False)]

    def test_a_wide_character_is_not_cut_in_half(self):
        made = pieces([word("a" + "字" * 30, 0, 1)])
        assert [piece.columns for piece in made] == [41, 20]

    @pytest.mark.parametrize("marks", ["\u0301", "\u0e31", "\u0488", "\u200d", "\u200b"])
    def test_what_is_on_another_character_takes_no_column(self, marks):
        assert columns(f"e{marks}") == 1

    @pytest.mark.parametrize("text", ["字", "Ａ"])  # noqa: RUF001 - full-width
    def test_a_wide_character_takes_two(self, text):
        assert columns(text) == 2


class TestRoom:
    """What fits is one cue, or one line, and one column more is not."""

    def test_a_line_may_be_full(self):
        full = "aaaaaaaaa bbbbbbbbbb cccccccccc dddddddddd"
        assert columns(full) == LINE
        assert lines(full) == (full,)
        assert len(lines(full + "d")) == 2
        assert len(lines(full[8:], indent=9)) == 2
        assert lines(full[10:], indent=10) == (full[10:],)

    def test_a_cue_may_be_two_full_lines(self):
        words = spoken("aaaaaaaaa bbbbbbbbbb cccccccccc dddddddddd " * 2)
        assert len(best_cues(pieces(words), 0)) == 1
        longer = [*words[:-1], word(" ddddddddddd", 7 * PACE, 8 * PACE)]
        assert len(best_cues(pieces(longer), 0)) == 2

    def test_without_spaces_two_lines_are_full_as_well(self):
        words = [word("ab", at / 10, at / 10 + 0.1) for at in range(42)]
        assert [columns(text) for text in shown(words)] == [84]

    def test_a_label_takes_its_room(self):
        run = pieces(spoken("aaaaaaaaa bbbbbbbbbb cccccccccc dddddddddd " * 2))
        assert len(best_cues(run, indent=1)) == 2

    def test_a_word_that_has_no_room_beside_the_label_goes_below_it(self):
        assert lines("a" * LINE, indent=6) == ("", "a" * LINE)

    def test_a_cue_may_be_shown_as_long_as_any_may_be_and_no_longer(self):
        slow = spoken("so it goes on and on", pace=1)
        assert len(shown([*slow, word(" and", 6, LONGEST)])) == 1
        assert len(shown([*slow, word(" and", 6, LONGEST + 0.1)])) == 2

    @given(
        st.lists(st.text("abc", min_size=1, max_size=12), min_size=12, max_size=40).map(" ".join), st.integers(0, 21)
    )
    def test_lines_are_never_too_long_and_cues_never_too_tall(self, text, indent):
        for cue in best_cues(pieces(spoken(text)), indent):
            first, *rest = best_lines(cue, indent)
            assert len(rest) <= 1
            assert indent + columns(first) <= LINE
            assert all(columns(line) <= LINE for line in rest)

    @pytest.mark.parametrize("text", ["\u0301", "\u200b"])
    def test_a_word_that_nobody_can_see_takes_no_more_room_than_its_space(self, text):
        words = [word(f" {text}", 0, 1), word(" " + "a" * LINE, 1, 2), word(" " + "b" * LINE, 2, 3)]
        for cue in best_cues(pieces(words), 0):
            assert all(columns(line) <= LINE for line in best_lines(cue, 0))


class TestChoice:
    @given(
        st.lists(
            st.tuples(st.sampled_from([" a", " bcd.", " efghijkl,", " mnopqrstuvwxyz", "字"]), st.floats(0, 2)),
            min_size=1,
            max_size=7,
        ),
        st.integers(0, 21),
    )
    def test_no_other_cut_costs_less(self, parts, indent):
        run = pieces([word(text, at * 0.7 + pause / 3, at * 0.7 + 0.6) for at, (text, pause) in enumerate(parts)])

        def least(first: int) -> float:
            return min((cost + least(after) for after, cost in candidates(run, first, indent)), default=0.0)

        chosen = [len(cue) for cue in best_cues(run, indent)]
        ends = [sum(chosen[: count + 1]) for count in range(len(chosen))]
        paid = sum(dict(candidates(run, first, indent))[end] for first, end in pairwise([0, *ends]))
        assert ends[-1] == len(run)
        assert paid == pytest.approx(least(0))

    def test_a_sentence_that_is_too_short_to_be_read_is_not_alone(self):
        assert shown(spoken("Yes. I went to the shop and it was closed.")) == [
            "Yes. I went to the shop and it was closed."
        ]

    def test_two_sentences_are_two_cues_where_each_can_be_read(self):
        text = "We came to see what the weather is like today. And this is the second."
        assert shown(spoken(text, pace=0.5)) == [
            "We came to see what the weather is like today.",
            "And this is the second.",
        ]

    def test_at_a_clause_rather_than_in_the_middle_of_a_phrase(self):
        text = "when it had rained for all of the long day, they went out to look at the river and at the bridge"
        assert shown(spoken(text))[0].endswith("day,")

    def test_a_pause_is_as_good_as_a_full_stop(self):
        text = (
            "we went to the old town where nobody was in the streets and all the shops had been closed for many years"
        )
        words = spoken(text)
        assert not shown(words)[0].endswith("nobody")
        pause = words[7].end + RATE // 2 - words[8].start
        later = [Word(one.text, Position(one.start + pause), Position(one.end + pause), 0.9) for one in words]
        assert shown([*words[:8], *later[8:]])[0].endswith("nobody")

    def test_what_comes_after_a_long_silence_is_not_shown_before_it(self):
        assert shown([word(" so", 0, 0.5), word(" well", 2.0, 2.5)]) == ["so", "well"]
        assert shown([word(" so", 0, 0.5), word(" well", 1.9, 2.5)]) == ["so well"]

    @pytest.mark.parametrize(
        "text", ["aaaaaaaaa bbbbbbbbb ccccccccc ddddddddd.", "a b c d e f g h i j k l m n o p q r s t."]
    )
    @pytest.mark.parametrize("start", [0, 3600])
    def test_a_sentence_that_was_said_too_fast_to_be_read_stays_with_the_beginning_of_the_next(self, start, text):
        for length, alone in ((0.8, False), (2.0, True)):
            sentence = spoken(text, start, pace=length / len(text.split()))
            following = spoken("eeeeeeee ffffffff gggggggg hhhhhhhh iiiiiiii jjjjjjjj", start + length, pace=0.5)
            assert shown([*sentence, *following])[0].endswith(".") is alone

    @pytest.mark.parametrize("start", [0, 3600])
    def test_a_cue_lasts_a_second_if_it_can(self, start):
        rest = "aaaaaaaaa bbbbbbbbb ccccccccc ddddddddd eeeeeeeee fffffffff ggggggggg hhhhhhhhh"
        soon, late = ([*spoken("Yes.", start, length), *spoken(rest, start + length, 0.7)] for length in (0.2, 1.0))
        assert shown(soon)[0] != "Yes."
        assert shown(late)[0] == "Yes."

    def test_the_last_cue_may_be_short_because_nothing_follows_it(self):
        long = spoken("aaaaaaaaa bbbbbbbbb ccccccccc ddddddddd eeeeeeeee fffffffff ggggggggg hhhhhhhhh.")
        assert shown([*long, word(" Yes.", 8 * PACE, 8 * PACE + 0.1)])[-1] == "Yes."

    def test_a_mark_stays_with_its_word(self):
        text = "aaaaaaaaa bbbbbbbbbb cccccccccc ddddddd ! eeeeeee ffffff gggggggg hhhhhhh iiiiiii jjjjjjj"
        for cue in best_cues(pieces(spoken(text)), 0):
            assert all(not line.startswith("!") for line in best_lines(cue, 0))

    def test_a_quotation_mark_after_a_full_stop_changes_nothing(self):
        for end in ('."', ".”", ".)", "."):
            first, *_ = shown(
                spoken(f"We came to see what the weather is like today{end} And this is the second.", pace=0.5)
            )
            assert first.endswith(end)


class TestLines:
    def test_the_lower_line_is_the_longer_one(self):
        assert lines("aaaaa bbbbb ccccc ddddd eeeee fffff ggggg hhhhh iiiii") == (
            "aaaaa bbbbb ccccc ddddd",
            "eeeee fffff ggggg hhhhh iiiii",
        )

    def test_a_line_ends_with_a_clause_where_it_can(self):
        assert lines("when the rain was over, they all went out to look at it") == (
            "when the rain was over,",
            "they all went out to look at it",
        )

    def test_an_article_goes_with_its_noun_and_another_word_where_it_has_room(self):
        assert lines("aaaaaaaaaaaaaaaaaaa the bbbbbbbbbbbbbbbbbbbbbb")[1].startswith("the ")
        assert lines("aaaaaaaaaaaaaaaaaa then bbbbbbbbbbbbbbbbbbbbbb")[0].endswith(" then")

    def test_a_contraction_is_a_word_as_any_other(self):
        assert lines("aaaaaaaaaaaaaaaaaaaaa it's bbbbbbbbbbbbbbbbbbb")[1].startswith("it's")

    def test_a_word_in_parts_is_not_torn(self):
        parts = [" aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc", "dddddddddd", " eeeeee"]
        run = pieces([word(part, at, at + 1) for at, part in enumerate(parts)])
        assert best_lines(run, 0) == ("aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd", "eeeeee")

    @pytest.mark.parametrize(("left", "right"), [("a" * 20, "今" * 11), ("今" * 10, "a" * 22), ("今" * 10, "今" * 11)])
    def test_beside_a_wide_character_a_line_may_end_without_a_space(self, left, right):
        run = pieces([word(left, 0, 1), word(right, 1, 2), word(" bb", 2, 3)])
        assert best_lines(run, 0) == (left, f"{right} bb")

    def test_the_best_place_is_no_good_if_the_label_takes_the_room(self):
        first, second, third = "a" * 20, "b" * 20 + ".", "c" * 20
        assert lines(f"{first} {second} {third}", indent=1) == (first, f"{second} {third}")

    def test_a_label_counts_for_the_balance(self):
        text = "aaaaa bbbbb ccccc ddddd eeeee fffff ggggg"
        above, below = lines(text, indent=20)
        assert len(above) + 20 <= len(below) + 6
        assert f"{above} {below}" == text

    def test_the_label_is_not_alone_where_there_is_room_beside_it(self):
        above, _ = lines("aaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbb ccccc", indent=20)
        assert above
