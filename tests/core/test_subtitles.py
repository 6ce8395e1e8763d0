import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.cue_breaks import LINE, columns
from transcriber.core.stamps import milliseconds
from transcriber.core.subtitles import Cue, cues, to_srt, to_vtt, with_gaps
from transcriber.types import RATE, Gap, GapReason, Position, Segment, SegmentId, TrackName, Word

TRACK = TrackName("them")
LATIN = st.text("abcdefgh", min_size=1, max_size=12)
MARKS = st.sampled_from(["", "", "", ",", ".", "?", "…"])
SPACED = st.tuples(LATIN, MARKS).map(lambda parts: " " + "".join(parts))
UNSPACED = st.sampled_from(["今日", "は", "とても", "良い", "天気", "です", "ね", "。", "、"])
ODD = st.text(max_size=100)
TEXTS = st.one_of(st.lists(SPACED), st.lists(UNSPACED), st.lists(ODD), st.lists(SPACED | UNSPACED | ODD))


def segment(words: list[Word]) -> Segment:
    start = words[0].start if words else Position(0)
    end = words[-1].end if words else Position(0)
    return Segment(SegmentId(f"them-{start}"), TRACK, start, end, tuple(words), "en")


def spoken(text: str, start: float = 0.0, pace: float = 0.35) -> Segment:
    """Words at an even pace."""
    at = [Position(round((start + i * pace) * RATE)) for i in range(len(text.split()) + 1)]
    return segment([Word(f" {word}", at[i], at[i + 1], 0.9) for i, word in enumerate(text.split())])


@st.composite
def segments(draw):
    """Segments in order, of words in order whose times may stand still."""
    found, at = [], draw(st.integers(0, 400_000 * RATE))
    for texts in draw(st.lists(TEXTS, max_size=4)):
        words = []
        for text in texts:
            start = at + draw(st.integers(0, RATE) | st.just(0))
            at = start + draw(st.integers(0, RATE) | st.integers(0, 12 * RATE))
            words.append(Word(text, Position(start), Position(at), 0.5))
        found.append(segment(words))
    return found


def bare(text: str) -> str:
    """What is left of text without anything that separates."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f\ufeff]", "", text)


@st.composite
def gaps(draw):
    """Gaps in order."""
    found, at = [], draw(st.integers(0, 400_000 * RATE))
    for length, pause in draw(
        st.lists(st.tuples(st.integers(1, 60 * RATE), st.integers(RATE // 100, 9 * RATE)), max_size=4)
    ):
        found.append(Gap(Position(at), Position(at + length), GapReason.DEVICE))
        at += length + pause
    return found


@given(segments(), gaps())
def test_with_gaps_cues_are_in_order_and_never_overlap_and_no_word_goes(found, missing):
    spoken = cues(found)
    made = with_gaps(spoken, missing, TRACK)
    assert all(cue.start < cue.end for cue in made)
    assert all(before.end <= after.start for before, after in pairwise(made))
    assert [(cue.start, cue.lines) for cue in made if not cue.lines[0].startswith("[gap")] == [
        (cue.start, cue.lines) for cue in spoken
    ]
    begun = {cue.start for cue in spoken}
    assert len(made) - len(spoken) == sum(milliseconds(gap.start) not in begun for gap in missing)


def test_a_gap_is_shown_while_it_lasts_but_not_for_ever_nor_over_what_is_said():
    said = cues([spoken("before it", 0.0), spoken("after it", 3.0)])
    short, long = (
        Gap(Position(start), Position(end), GapReason.DISK)
        for start, end in (
            (RATE, RATE * 11 // 10),
            (RATE * 4, RATE * 600),
        )
    )
    first, missing, second, gone = with_gaps(said, [short, long], TRACK, "them: ")
    assert (first.lines, first.end) == (("before it",), 1_000)
    assert (missing.start, missing.end, second.start) == (1_000, 2_000, 3_000)
    assert missing.lines == ("them:", "[gap 00:00:01–00:00:01: disk]")  # noqa: RUF001 - a range
    assert (gone.start, gone.end) == (4_000, 11_000)
    [hidden] = with_gaps(said[:1], [Gap(Position(0), Position(RATE), GapReason.DISK)], TRACK)
    assert hidden == said[0]


@given(segments())
def test_every_word_is_there_once_and_in_order(found):
    said = "".join(word.text for one in found for word in one.words)
    shown = "".join(line for cue in cues(found) for line in cue.lines)
    assert bare(shown) == bare(said)


@given(segments(), st.sampled_from(["", "them: ", "a-track-with-a-name-that-is-longer-than-any-line-can-be: "]))
def test_lines_are_few_and_short(found, label):
    for cue in cues(found, label):
        assert 1 <= len(cue.lines) <= 2
        assert all(columns(line) <= LINE for line in cue.lines)
        assert all(line == line.strip(" ") for line in cue.lines)


@given(segments())
def test_cues_are_in_order_and_never_overlap(found):
    made = cues(found)
    assert all(cue.start < cue.end <= cue.start + 7000 for cue in made)
    assert all(left.end <= right.start for left, right in pairwise(made))


@given(segments())
def test_cues_keep_to_the_words(found):
    made = cues(found)
    if made:
        words = [word for one in found for word in one.words]
        drift = len(made)  # a millisecond for each cue whose words all stand still
        assert made[0].start >= milliseconds(words[0].start)
        assert made[-1].end <= milliseconds(max(word.end for word in words)) + 1500 + drift


@given(st.lists(st.text("abc", min_size=3, max_size=6), min_size=1, max_size=80).map(" ".join), st.floats(0.3, 0.6))
def test_speech_at_a_normal_pace_can_be_read(text, pace):
    made = cues([spoken(text, pace=pace)])
    assert all(cue.end - cue.start >= 1000 for cue in made)
    assert all(sum(map(columns, cue.lines)) <= 42 * (cue.end - cue.start) / 1000 for cue in made)


def test_a_cue_breaks_where_a_sentence_does():
    made = cues([spoken("We came here to talk about the weather today. It rains and it will go on raining all week.")])
    assert [cue.lines for cue in made] == [
        ("We came here to talk", "about the weather today."),
        ("It rains and it will", "go on raining all week."),
    ]


def test_a_cue_breaks_at_a_pause():
    early = spoken("so I went to the shop")
    late = spoken("and there was nobody there", start=4.5)
    made = cues([segment([*early.words, *late.words])])
    assert [" ".join(cue.lines) for cue in made] == ["so I went to the shop", "and there was nobody there"]
    assert made[0].end <= 3_600, "it does not stay through the pause"


def test_a_short_word_stays_a_second_when_nothing_follows():
    assert [(cue.start, cue.end) for cue in cues([spoken("Yes.", start=2, pace=0.2)])] == [(2000, 3000)]


def test_a_short_word_goes_when_the_next_cue_is_due():
    made = cues([spoken("Yes.", pace=0.2), spoken("Of course.", start=0.6)])
    assert (made[0].start, made[0].end) == (0, 600)


def test_japanese_breaks_by_width_and_never_before_a_full_stop():
    text = (
        "今日はとても良い天気ですね。明日の会議は何時から始まりますか。資料はもう準備できていますのでご安心ください。"
    )
    words = [Word(text[i : i + 1], Position(i * 3000), Position((i + 1) * 3000), 0.9) for i in range(len(text))]
    made = cues([segment(words)])
    assert "".join(line for cue in made for line in cue.lines) == text
    assert all(columns(line) <= LINE and line[0] != "。" for cue in made for line in cue.lines)
    assert made[0].lines[-1].endswith("。")


def test_a_word_longer_than_a_line_is_cut_and_nothing_is_lost():
    url = " https://example.org/" + "a" * 200
    made = cues([segment([Word(url, Position(0), Position(4 * RATE), 0.9)])])
    assert "".join(line for cue in made for line in cue.lines) == url.strip()


def test_a_label_is_in_front_of_every_cue():
    made = cues([spoken("one two three four five six seven eight nine ten " * 3)], "them: ")
    assert len(made) > 1
    assert all(cue.lines[0].startswith("them: ") for cue in made)


def test_a_label_is_cut_to_half_a_line_and_stands_alone_where_a_word_needs_all_of_the_next():
    assert cues([spoken("one")], "b" * 30)[0].lines == ("b" * 21 + "one",)
    assert cues([spoken("a" * LINE)], "them: ")[0].lines == ("them:", "a" * LINE)


def test_cues_of_one_moment_are_a_millisecond_apart():
    still = [segment([word]) for word in spoken("a b c", pace=0).words]
    assert [cue.start for cue in cues(still)] == [0, 1, 2]


def test_slow_speech_is_shown_to_its_end():
    assert [(cue.start, cue.end) for cue in cues([spoken("so slow", pace=3)])] == [(0, 6000)]


@pytest.mark.parametrize("label", ["", "me: ", "you two: "])
def test_fast_speech_is_shown_until_it_is_read(label):
    words = "abcdefghi " * 4
    [cue] = cues([spoken(words, pace=0.3)], label)
    assert cue.end - cue.start == pytest.approx(1000 * (len(label) + columns(words)) / 20, abs=50)


def test_srt_as_players_read_it():
    made = [
        Cue(0, 1500, ("One line",), TRACK),
        Cue(359_999_999, 360_001_000, ("<i>two</i> & {\\an8}", "a --> b"), TRACK),
    ]
    assert to_srt(made) == (
        "1\n00:00:00,000 --> 00:00:01,500\nOne line\n\n"
        "2\n99:59:59,999 --> 100:00:01,000\n"
        "<\u2060i>two<\u2060/i> & {\u2060\\an8}\na --\u2060> b\n"
    )


def test_vtt_as_browsers_read_it():
    made = [Cue(360_000_001, 360_001_000, ("<b> & -->", "more"), TRACK)]
    assert to_vtt(made, voices=True) == (
        "WEBVTT\n\n100:00:00.001 --> 100:00:01.000\n<v them>&lt;b&gt; &amp; --&gt;\nmore\n"
    )
    assert to_vtt(made).splitlines()[3:] == ["&lt;b&gt; &amp; --&gt;", "more"]


@pytest.mark.parametrize("write", [to_srt, to_vtt])
@given(found=segments())
def test_a_file_has_a_block_for_each_cue_and_no_blank_line_inside(write, found):
    made = cues(found)
    written = write(made)
    assert not written.startswith("\ufeff")
    assert len(re.findall(r"^\d{2,}:\d\d:\d\d[,.]\d{3} --> \d{2,}:\d\d:\d\d[,.]\d{3}$", written, re.MULTILINE)) == len(
        made
    )
    blocks = [block for block in written.split("\n\n") if block.strip() and block != "WEBVTT\n"]
    assert len(blocks) in {len(made), len(made) + (write is to_vtt)}
