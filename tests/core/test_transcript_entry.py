import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.transcript_entry import Entry, Rest, checksum, from_held, placed, positions
from transcriber.core.wire import encode
from transcriber.events import Committed, Envelope, GapFound, SegmentClosed, StateChanged
from transcriber.types import Coverage, Gap, GapReason, Position, Segment, SegmentId, TrackName, Word

THEM = TrackName("them")

places = st.integers(0, 1 << 50).map(Position)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
thousandths = st.integers(0, 1_000).map(lambda count: count / 1_000)
words = st.lists(st.builds(Word, texts, places, places, thousandths), max_size=4).map(tuple)
segments = st.builds(Segment, texts.map(SegmentId), st.just(THEM), places, places, words, texts)
events = st.one_of(
    st.builds(Committed, st.just(THEM), words),
    segments.map(SegmentClosed),
    st.builds(GapFound, st.just(THEM), st.builds(Gap, places, places, st.sampled_from(GapReason))),
    st.builds(StateChanged, texts, texts, texts, texts, st.sampled_from([None, THEM])),
)
counts = st.integers(0, 1 << 50)
coverages = st.none() | st.builds(Coverage, places, counts, counts, counts)


@given(events, st.integers(1, 1 << 60), coverages, st.sampled_from([None, THEM]), counts)
def test_an_entry_comes_back_to_the_sample_with_the_number_of_the_one_before_it(event, seq, coverage, track, after):
    envelope = Envelope(seq, 12.125, event)
    entry = Entry(envelope, encode(envelope), coverage, track)
    assert from_held(entry.held(after)) == (entry, after)


def test_an_entry_may_be_no_more_than_a_coverage():
    entry = Entry(None, "", Coverage(Position(9), 4, 3, 2), THEM)
    assert entry.rest(7) == Rest([], "them", (9, 4, 3, 2), 7)
    assert from_held(entry.held(7)) == (entry, 7)


@given(events)
def test_an_event_with_its_own_positions_is_itself(event):
    assert placed(event, positions(event)) == event


@given(events.filter(positions), st.data())
def test_too_few_positions_or_too_many_are_refused(event, data):
    own = positions(event)
    wrong = data.draw(st.sampled_from([own[:-1], own[:-2], [*own, 1], [*own, 1, 2]]))
    with pytest.raises(ValueError):  # noqa: PT011 - any
        placed(event, wrong)


@pytest.mark.parametrize("content", [b"", b"{}", b'["",[]]', b'["no line",[[]]]', b'["",[[],null,[1,2]]]'])
def test_what_is_no_entry_is_refused(content):
    with pytest.raises(ValueError):  # noqa: PT011 - any
        from_held(content)


@given(texts, texts)
def test_a_checksum_is_of_both_and_of_where_one_ends(line, rest):
    assert checksum(line, rest) != checksum(line + "x", rest)
    assert checksum(line, rest) != checksum(line, rest + "x")
    if line:
        assert checksum(line, rest) != checksum(line[:-1], line[-1] + rest) or line[-1] == "\n"


def test_a_checksum_is_made_as_the_page_says():
    assert checksum('{"v":1}', "[[],null,null,0]") == zlib.crc32(b'{"v":1}\n[[],null,null,0]')


def test_a_rest_reads_as_the_page_says():
    rest = Entry(None, "", Coverage(Position(9), 4, 3, 2), THEM).rest(7)
    assert msgspec.json.encode(rest) == b'[[],"them",[9,4,3,2],7]'
