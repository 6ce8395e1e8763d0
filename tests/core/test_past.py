from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.endpointing import WINDOW
from transcriber.core.past import WARM_UP, Past
from transcriber.events import Committed, GapFound, Partial, SegmentClosed
from transcriber.types import Coverage, Gap, GapReason, Position, Segment, SegmentId, TrackName, Word

TRACK = TrackName("them")


def word(number: int) -> Word:
    return Word(f" w{number}", Position(number * 100), Position(number * 100 + 50), 0.9)


def segment(*numbers: int) -> Segment:
    words = tuple(map(word, numbers))
    return Segment(SegmentId(f"{TRACK}-{words[0].start}"), TRACK, words[0].start, words[-1].end, words, "en")


@given(gap_end=st.integers(0, 10**7), length=st.integers(0, 10**7))
def test_hearing_begins_on_a_window_of_the_same_row_long_enough_before_the_cursor_and_never_before_a_gap(
    gap_end, length
):
    cursor = Position(gap_end + length)
    begin = Past(Coverage(cursor, cursor), gap_end=Position(gap_end)).hear_from
    assert gap_end <= begin <= cursor
    assert (begin - gap_end) % WINDOW == 0
    assert begin == gap_end or WARM_UP <= cursor - begin < WARM_UP + WINDOW


def test_words_are_open_until_their_segment_closes_and_take_their_place_in_it():
    past = Past().then(Committed(TRACK, (word(1), word(2))), None).then(Committed(TRACK, (word(3),)), None)
    assert past == Past(open_words=(word(1), word(2), word(3)))
    coverage = Coverage(Position(250), 250)
    assert past.then(SegmentClosed(segment(1, 2)), coverage) == Past(coverage, (word(3),), (segment(1, 2),))


def test_nothing_before_a_gap_is_context_and_words_that_are_open_stand():
    past = Past(Coverage(Position(500), 500), (word(3),), (segment(1, 2),))
    coverage = Coverage(Position(900), 500, 0, 400)
    gap = Gap(Position(500), Position(900), GapReason.DEVICE)
    assert past.then(GapFound(TRACK, gap), coverage) == Past(coverage, (word(3),), (), Position(900))


def test_what_is_no_part_of_the_transcript_changes_nothing_and_the_cursor_moves_alone():
    past = Past(Coverage(Position(500), 500), (word(6),), (segment(1, 2),), Position(50))
    assert past.then(Partial(TRACK, Position(500), "hm"), None) == past
    coverage = Coverage(Position(800), 500, 300)
    assert past.then(None, coverage) == Past(coverage, (word(6),), (segment(1, 2),), Position(50))
