import json
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.ledger import share
from transcriber.core.lines import AnyLine
from transcriber.core.wire import decode, encode
from transcriber.events import (
    Committed,
    Envelope,
    Event,
    GapFound,
    Partial,
    SegmentClosed,
    SessionStarted,
    StateChanged,
    Summary,
    TrackStarted,
    TrackSummary,
)
from transcriber.types import Coverage, Gap, GapReason, Position, Segment, SegmentId, TrackName, Word

EVENTS_PAGE = Path(__file__).parents[2] / "docs" / "events.md"
MILLISECOND = 16
"""Samples."""

names = st.text("abcxyz_-.", min_size=1, max_size=8).map(TrackName)
positions = st.integers(0, 16_000 * 3600 * 24 * 30).map(Position)
words = st.builds(
    Word, text=st.text(max_size=12), start=positions, end=positions, probability=st.floats(0, 1, allow_nan=False)
)
runs = st.lists(words, max_size=5).map(tuple)
counts = st.integers(0, 10**12)


@st.composite
def track_summaries(draw):
    transcribed, silence, missing = draw(counts), draw(counts), draw(counts)
    covered = transcribed + silence + missing
    return TrackSummary(
        draw(names),
        covered + draw(st.integers(0, 10**6)),
        Coverage(Position(covered), transcribed, silence, missing),
        *draw(st.tuples(counts, counts, counts)),
        draw(st.none() | st.tuples(*[st.floats(0, 100)] * 3)),
        draw(st.dictionaries(st.sampled_from(GapReason), counts)),
    )


events: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        SessionStarted,
        id=st.text(),
        folder=st.text(),
        started=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
        tracks=st.lists(st.builds(TrackStarted, names, st.text()), max_size=3).map(tuple),
        model=st.text(),
        resumed=st.booleans(),
    ),
    st.builds(Partial, names, positions, st.text()),
    st.builds(Committed, names, runs),
    st.builds(
        SegmentClosed, st.builds(Segment, st.text().map(SegmentId), names, positions, positions, runs, st.just("en"))
    ),
    st.builds(GapFound, names, st.builds(Gap, positions, positions, st.sampled_from(GapReason))),
    st.builds(StateChanged, st.text(), st.text(), st.text(), st.text(), st.none() | names),
    st.builds(
        Summary,
        tracks=st.lists(track_summaries(), max_size=3).map(tuple),
        complete=st.booleans(),
        elapsed=st.floats(0, 1e7),
        real_time_factor=st.none() | st.floats(0, 100),
        restarts=st.integers(0, 99),
        peak_memory=st.dictionaries(st.text(max_size=5), st.integers(0, 10**12), max_size=3),
    ),
)
envelopes = st.builds(Envelope, st.integers(0, 2**53), st.floats(0, 1e7), events)


def summary_line(tracks):
    event = Summary(tuple(tracks), complete=True, elapsed=1.0, real_time_factor=None, restarts=0, peak_memory={})
    return json.loads(encode(Envelope(1, 0.0, event)))


def example_lines() -> list[str]:
    return re.findall(r"^\{.*\}$", EVENTS_PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@given(envelopes)
def test_a_decoded_line_encodes_to_itself(envelope):
    line = encode(envelope)
    assert "\n" not in line
    assert encode(decode(line)) == line


@given(envelopes)
def test_what_is_not_a_measure_comes_back_exactly(envelope):
    back = decode(encode(envelope))
    assert back.seq == envelope.seq
    assert abs(back.emitted - envelope.emitted) <= 0.001
    match envelope.event, back.event:
        case SessionStarted(), found:
            assert found == envelope.event
        case StateChanged(), found:
            assert found == envelope.event
        case Partial(track, _, text), Partial() as found:
            assert (found.track, found.text) == (track, text)
        case SegmentClosed(segment), SegmentClosed(found):
            assert (found.id, found.track, found.text) == (segment.id, segment.track, segment.text)
        case Summary() as event, Summary() as found:
            assert [track.coverage for track in found.tracks] == [track.coverage for track in event.tracks]
            assert [track.captured for track in found.tracks] == [track.captured for track in event.tracks]


@given(names, runs)
def test_words_come_back_within_a_millisecond(track, run):
    back = decode(encode(Envelope(1, 0.0, Committed(track, run)))).event
    assert isinstance(back, Committed)
    assert [word.text for word in back.words] == [word.text for word in run]
    for found, word in zip(back.words, run, strict=True):
        assert abs(found.start - word.start) <= MILLISECOND
        assert abs(found.end - word.end) <= MILLISECOND
        assert abs(found.probability - word.probability) <= 0.001


@given(st.lists(track_summaries(), min_size=1, max_size=3))
def test_a_summary_adds_up_to_the_sample(tracks):
    line = summary_line(tracks)
    for entry in [line, *line["tracks"]]:
        samples = entry["samples"]
        assert samples["transcribed"] + samples["silence"] + samples["missing"] == samples["covered"]
        assert (entry["coverage"] == 1.0) == (samples["covered"] == samples["captured"])
    for count in ("captured", "covered", "transcribed", "silence", "missing"):
        assert line["samples"][count] == sum(entry["samples"][count] for entry in line["tracks"])


def test_the_latency_of_a_run_is_that_of_its_slowest_track():
    def track(name: str, latency: tuple[float, float, float] | None) -> TrackSummary:
        return TrackSummary(TrackName(name), 0, Coverage(), 0, 0, 0, latency)

    tracks = (track("a", (1.0, 2.0, 3.0)), track("b", (0.5, 2.5, 2.6)), track("c", None))
    line = summary_line(tracks)
    assert [line["commit_p50"], line["commit_p95"], line["commit_p99"]] == [1.0, 2.5, 3.0]
    assert [entry["commit_p95"] for entry in line["tracks"]] == [2.0, 2.5, None]


def test_what_is_missing_is_told_by_reason():
    def track(name: str, missing: dict[GapReason, int]) -> TrackSummary:
        return TrackSummary(TrackName(name), 0, Coverage(), 0, 0, 0, None, missing)

    line = summary_line(
        (track("a", {GapReason.DEVICE: 16_000}), track("b", {GapReason.DEVICE: 8_000, GapReason.DISK: 1}))
    )
    assert line["missing_by"] == {"device": 1.5, "disk": 0.0}
    assert line["samples"]["missing_by"] == {"device": 24_000, "disk": 1}
    assert [entry["samples"]["missing_by"] for entry in line["tracks"]] == [
        {"device": 16_000},
        {"device": 8_000, "disk": 1},
    ]


def test_coverage_is_a_share_of_what_was_captured_and_full_only_if_it_is_all():
    assert [share(*counts) for counts in ((0, 0), (0, 1), (1, 2), (2, 2), (3, 2), (99_999, 100_000))] == [
        1.0, 0.0, 0.5, 1.0, 1.0, 0.9999,
    ]  # fmt: skip


def test_numbers_have_the_digits_of_the_contract():
    track = TrackSummary(TrackName("a"), 1, Coverage(), 0, 0, 0, (1.23456, 2.34567, 3.45678))
    event = Summary((track,), True, 12.34567, 0.123456, 0, {"core": 95_349_999})  # noqa: FBT003 - as declared
    line = json.loads(encode(Envelope(1, 20.12345, event)))
    assert (line["commit_p50"], line["commit_p95"], line["commit_p99"]) == (1.235, 2.346, 3.457)
    assert (line["emitted"], line["elapsed"], line["real_time_factor"]) == (20.123, 12.346, 0.1235)
    assert line["peak_memory"] == {"core": 95.3}
    words = (Word(" a", Position(1), Position(9), 0.87654),)
    line = json.loads(encode(Envelope(1, 0.0, Committed(TrackName("a"), words))))
    assert line["words"] == [{"word": " a", "start": 0.0, "end": 0.001, "probability": 0.877}]


def test_the_line_of_the_contract():
    run = (Word(" again", Position(179_200), Position(184_000), 0.97),)
    assert encode(Envelope(17, 12.48, Committed(TrackName("them"), run))) == (
        '{"v":1,"seq":17,"event":"commit","track":"them","emitted":12.48,'
        '"words":[{"word":" again","start":11.2,"end":11.5,"probability":0.97}]}'
    )


def test_a_state_line_says_from_and_to():
    line = json.loads(encode(Envelope(1, 0.0, StateChanged("engine", "loading", "ready", "loaded"))))
    assert (line["from"], line["to"]) == ("loading", "ready")
    assert "track" not in line


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"v":2,"seq":1,"event":"gap"}', "version 2"),
        ('{"v":1,"seq":1,"event":"gasp"}', "unknown event 'gasp'"),
        ('{"v":1,"seq":1,"event":"gap","track":"t","emitted":0,"start":0,"end":1,"reason":"ghosts"}', "ghosts"),
        ('{"v":1,"seq":1,"event":"gap","track":"t","emitted":0,"start":0', "truncated"),
        ("", "truncated"),
    ],
)
def test_what_is_no_event_is_refused(line, complaint):
    with pytest.raises(ValueError, match=complaint):
        decode(line)


def test_a_field_of_a_later_program_is_ignored():
    line = '{"v":1,"seq":1,"event":"partial","track":"t","emitted":0.5,"start":0.25,"text":"so","mood":"good"}'
    assert decode(line) == Envelope(1, 0.5, Partial(TrackName("t"), Position(4000), "so"))


def test_the_examples_of_the_page_are_lines_as_the_program_writes_them():
    lines = example_lines()
    assert {json.loads(line)["event"] for line in lines} == {
        "session", "partial", "commit", "segment", "gap", "state", "summary",
    }  # fmt: skip
    for line in lines:
        assert encode(decode(line)) == line


@pytest.mark.parametrize("kind", AnyLine.__value__.__args__, ids=lambda kind: kind.__name__)
def test_the_page_documents_every_field(kind):
    page = EVENTS_PAGE.read_text(encoding="utf-8")
    missing = [field.encode_name for field in msgspec.structs.fields(kind) if f"`{field.encode_name}`" not in page]
    assert not missing
