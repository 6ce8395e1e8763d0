import pytest

from transcriber.core.tally import Counts, Tally, missing_by
from transcriber.events import Committed, Envelope, GapFound, Partial, SegmentClosed, StateChanged, TrackSummary
from transcriber.types import Coverage, Gap, GapReason, Position, Segment, SegmentId, TrackName, Word

THEM, ME = TrackName("them"), TrackName("me")
WORDS = (Word(" a", Position(0), Position(16_000), 0.9), Word(" b", Position(16_000), Position(32_000), 0.9))


def take(tally: Tally, *events, emitted: float = 3.0) -> None:
    for seq, event in enumerate(events):
        tally.take(Envelope(seq, emitted, event))


def test_words_segments_and_gaps_are_counted_for_each_track():
    tally = Tally()
    segment = Segment(SegmentId("them-0"), THEM, Position(0), Position(32_000), WORDS, "en")
    gap = Gap(Position(0), Position(5), GapReason.DEVICE)
    take(tally, Committed(THEM, WORDS), SegmentClosed(segment), GapFound(THEM, gap), GapFound(ME, gap))
    take(tally, Partial(ME, Position(0), "x"), StateChanged("lag", "normal", "alert", "", ME))
    take(tally, StateChanged("session", "recording", "finishing", ""))
    assert tally.of(THEM).counts == Counts(segments=1, words=2, gaps=1, missing={GapReason.DEVICE: 5})
    assert tally.of(ME).counts == Counts(gaps=1, missing={GapReason.DEVICE: 5})


def test_what_is_missing_adds_up_by_reason():
    tally = Tally()
    gaps = [
        Gap(Position(start), Position(end), reason)
        for start, end, reason in (
            (0, 5, GapReason.DEVICE),
            (9, 10, GapReason.DISK),
            (20, 27, GapReason.DEVICE),
        )
    ]
    tally.restore(THEM, Coverage(Position(100), 0, 0, 100), Counts(3, 4, 1, {GapReason.DISK: 100}))
    take(tally, *(GapFound(THEM, gap) for gap in gaps))
    assert missing_by(gaps) == {GapReason.DEVICE: 12, GapReason.DISK: 1}
    summary = tally.of(THEM).summary(THEM, 200, timed=False)
    assert summary.missing_by == {GapReason.DEVICE: 12, GapReason.DISK: 101}
    assert (summary.segments, summary.words, summary.gaps, summary.coverage.missing) == (3, 4, 4, 100)


def test_the_latency_of_a_commit_is_from_the_end_of_each_word():
    tally = Tally()
    take(tally, Committed(THEM, WORDS), emitted=3.0)
    p50, p95, p99 = tally.of(THEM).summary(THEM, 0, timed=True).commit_latency
    assert p50 == pytest.approx(1.0, rel=0.011)
    assert p95 == p99 == pytest.approx(2.0, rel=0.011)
    assert (p50, p95) == (round(p50, 3), round(p95, 3))


def test_the_summary_of_a_track_has_its_numbers():
    tally, coverage = Tally(), Coverage(Position(9), 4, 3, 2)
    take(tally, Committed(THEM, WORDS))
    tally.cover(THEM, coverage)
    assert tally.of(THEM).summary(THEM, 12, timed=False) == TrackSummary(THEM, 12, coverage, 0, 0, 2, None)


def test_a_track_that_said_nothing_has_no_latency():
    assert Tally().of(ME).summary(ME, 5, timed=True) == TrackSummary(ME, 5, Coverage(), 0, 0, 0, None)
