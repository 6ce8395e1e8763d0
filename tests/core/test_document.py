import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core.document import FORMATS, Document, DocumentTrack, JsonDocument, JsonGap, JsonSegment, JsonTrack
from transcriber.core.wire import decode, encode
from transcriber.events import Committed, Envelope, GapFound, SegmentClosed, StateChanged
from transcriber.types import RATE, Coverage, Gap, GapReason, Position, Segment, SegmentId, TrackName, Word

THEM, ME = TrackName("them"), TrackName("me")


def segment(seq: int, track: TrackName, start: float, text: str) -> Envelope:
    at = round(start * RATE)
    words = tuple(
        Word(f" {word}", Position(at + i * 4800), Position(at + (i + 1) * 4800), 0.9)
        for i, word in enumerate(text.split())
    )
    closed = Segment(SegmentId(f"{track}-{at}"), track, Position(at), words[-1].end, words, "en")
    return Envelope(seq, start + 9.5, SegmentClosed(closed))


def gap(seq: int, track: TrackName, start: float, end: float) -> Envelope:
    missing = Gap(Position(round(start * RATE)), Position(round(end * RATE)), GapReason.DEVICE)
    return Envelope(seq, end, GapFound(track, missing))


def track(name: TrackName) -> DocumentTrack:
    coverage = Coverage(Position(90 * RATE), 50 * RATE, 37 * RATE, 3 * RATE)
    return DocumentTrack(name, "loopback", Position(100 * RATE), coverage)


def document(*envelopes: Envelope, tracks=(THEM,)) -> Document:
    return Document.of(
        envelopes,
        title="standup",
        tracks=[track(name) for name in tracks],
        model="tiny.en",
        started=datetime(2026, 11, 23, 9, 15, 2, tzinfo=UTC),
    )


STORY = (
    segment(1, THEM, 0, "Good morning."),
    segment(2, THEM, 1.2, "It is nine."),
    segment(4, THEM, 70, "Hello again."),
    gap(3, THEM, 62, 65.5),
    segment(5, THEM, 80, "Bye."),
)


def test_entries_are_merged_by_time_whatever_their_order():
    made = document(segment(9, ME, 3, "three"), segment(2, THEM, 5, "five"), gap(3, ME, 4, 4.5), tracks=(THEM, ME))
    assert [entry.seq for entry in made.entries] == [9, 3, 2]


def test_only_segments_and_gaps_of_the_tracks_asked_for_enter():
    made = document(
        segment(1, THEM, 0, "in"),
        segment(2, ME, 0, "out"),
        gap(3, ME, 0, 1),
        Envelope(4, 0, Committed(THEM, ())),
        Envelope(5, 0, StateChanged("engine", "loading", "ready", "")),
    )
    assert [entry.seq for entry in made.entries] == [1]


def test_txt_makes_paragraphs_at_pauses_and_shows_gaps():
    assert FORMATS["txt"](document(*STORY)) == (
        "Good morning. It is nine.\n\n[gap 00:01:02–00:01:05: device]\n\nHello again.\n\nBye.\n"  # noqa: RUF001 - a range
    )


def test_txt_names_the_track_when_there_are_several():
    made = document(
        segment(1, THEM, 0, "Good morning."), segment(2, ME, 1, "Morning."), gap(3, ME, 3, 4), tracks=(THEM, ME)
    )
    assert FORMATS["txt"](made) == (
        "them: Good morning.\n\nme: Morning.\n\nme: [gap 00:00:03–00:00:04: device]\n"  # noqa: RUF001 - a range
    )


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ("今日は。", "良い天気。", "今日は。良い天気。"),
        ("OK今日は", "良い", "OK今日は良い"),
        ("今日は", "良OK", "今日は良OK"),
        ("今日は", "OK", "今日は OK"),
        ("今日はK", "良い", "今日はK 良い"),
        ("OK", "今日は", "OK 今日は"),
    ],
)
def test_txt_joins_languages_without_spaces_without_spaces(first, second, joined):
    made = document(segment(1, THEM, 0, first), segment(2, THEM, 1, second))
    assert FORMATS["txt"](made) == f"{joined}\n"


@pytest.mark.parametrize(("pause", "paragraphs"), [(1.99, 1), (2.0, 2)])
def test_a_paragraph_ends_at_a_pause_however_late_it_is(pause, paragraphs):
    made = document(segment(1, THEM, 3600, "So."), segment(2, THEM, 3600.3 + pause, "Well."))
    assert len(FORMATS["txt"](made).split("\n\n")) == paragraphs


def test_a_segment_without_words_leaves_no_trace_in_txt():
    silent = Segment(SegmentId("them-0"), THEM, Position(0), Position(0), (), "en")
    assert FORMATS["txt"](document(Envelope(1, 0.0, SegmentClosed(silent)), segment(2, THEM, 1, "So."))) == "So.\n"


def test_a_long_talk_without_a_pause_still_has_paragraphs():
    talk = [segment(i, THEM, i * 3, "on and on and on it goes") for i in range(1, 200)]
    paragraphs = FORMATS["txt"](document(*talk)).strip().split("\n\n")
    assert len(paragraphs) > 5
    assert all(len(paragraph) < 700 for paragraph in paragraphs)


def test_subtitles_say_who_speaks_when_there_are_several():
    made = document(segment(1, THEM, 0, "Good morning."), segment(2, ME, 1, "Morning."), tracks=(THEM, ME))
    assert FORMATS["srt"](made) == (
        "1\n00:00:00,000 --> 00:00:01,000\nthem: Good morning.\n\n2\n00:00:01,000 --> 00:00:02,000\nme: Morning.\n"
    )
    assert "<v me>Morning." in FORMATS["vtt"](made)
    alone = document(segment(1, THEM, 0, "Good morning."))
    assert "them" not in FORMATS["srt"](alone)
    assert "them" not in FORMATS["vtt"](alone)


def test_jsonl_has_the_lines_of_the_event_stream():
    lines = FORMATS["jsonl"](document(*STORY)).splitlines()
    assert lines == [encode(STORY[i]) for i in (0, 1, 3, 2, 4)]
    assert document(*map(decode, lines)) == document(*STORY)


def test_json_is_one_object_with_all_there_is():
    made = json.loads(FORMATS["json"](document(*STORY)))
    assert made["v"] == 1
    assert (made["title"], made["model"], made["started"]) == ("standup", "tiny.en", "2026-11-23T09:15:02Z")
    assert made["tracks"] == [
        {
            "name": "them", "source": "loopback", "captured": 100.0, "covered": 90.0,
            "transcribed": 50.0, "silence": 37.0, "missing": 3.0, "coverage": 0.9,
            "samples": {
                "captured": 1_600_000, "covered": 1_440_000,
                "transcribed": 800_000, "silence": 592_000, "missing": 48_000,
                    "missing_by": {"device": 56_000},
            },
        }
    ]  # fmt: skip
    assert made["gaps"] == [{"track": "them", "start": 62.0, "end": 65.5, "reason": "device"}]
    first = made["segments"][0]
    assert (first["id"], first["text"], first["start"], first["end"]) == ("them-0", "Good morning.", 0.0, 0.6)
    assert first["words"][0] == {"word": " Good", "start": 0.0, "end": 0.3, "probability": 0.9}


@pytest.mark.parametrize("style", FORMATS)
def test_a_transcript_of_nothing_is_a_valid_file(style):
    written = FORMATS[style](document())
    assert written == {"txt": "", "srt": "", "vtt": "WEBVTT\n", "jsonl": ""}.get(style, written)
    if style == "json":
        assert json.loads(written)["segments"] == []


@given(
    st.lists(st.tuples(st.sampled_from([THEM, ME]), st.integers(0, 1000), st.text("ab .,", min_size=1)), max_size=20)
)
def test_txt_has_every_word_in_order_of_time(parts):
    parts = [(name, start, text) for name, start, text in parts if text.split()]
    entries = [segment(i, name, start, text) for i, (name, start, text) in enumerate(parts)]
    made = document(*entries, tracks=(THEM, ME))
    written = FORMATS["txt"](made).replace("them: ", "").replace("me: ", "").split()
    assert written == [word for one in made.segments for word in one.text.split()]


@pytest.mark.parametrize("kind", [JsonDocument, JsonTrack, JsonSegment, JsonGap], ids=lambda kind: kind.__name__)
def test_the_page_documents_every_field_of_the_json_format(kind):
    page = (
        (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8").partition("## The json format")
    )
    assert not [field.encode_name for field in msgspec.structs.fields(kind) if f"`{field.encode_name}`" not in page[2]]
