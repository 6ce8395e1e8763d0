import io
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core import wav
from transcriber.types import Position

positions = st.integers(0, 40 * wav.FILE_SAMPLES).map(Position)


@given(st.integers(0, 200_000))
def test_header_is_what_the_standard_library_reads(samples):
    with wave.open(io.BytesIO(wav.header(samples) + bytes(2 * samples))) as file:
        assert file.getparams()[:4] == (1, 2, 16_000, samples)
    assert wav.parse_header(wav.header(samples)) == samples
    assert wav.parse_header(wav.header(samples) + b"sound") == samples, "whatever is after it"


def test_the_length_in_a_header_is_that_of_the_file():
    assert int.from_bytes(wav.header(1000)[4:8], "little") == len(wav.header(1000) + bytes(2000)) - 8


def test_every_session_has_files_of_five_minutes():
    assert [wav.file_start(index) for index in (0, 1, 12)] == [0, 300 * 16_000, 3600 * 16_000]


@given(st.integers(0, 10**6), st.integers(0, wav.HEADER_BYTES - 1), st.integers(1, 255))
def test_a_changed_header_is_not_taken_for_ours(samples, place, flip):
    changed = bytearray(wav.header(samples))
    changed[place] ^= flip
    assert wav.parse_header(bytes(changed)) != samples


@given(st.binary(max_size=60))
def test_any_bytes_can_be_asked_for_a_header(content):
    assert wav.parse_header(content) is None


@given(positions, positions)
def test_spans_cover_a_range_once_and_stay_in_their_files(one, other):
    start, end = sorted((one, other))
    spans = list(wav.spans(start, end))
    assert [span.start for span in spans] + [end] == [start, *(span.end for span in spans)]
    for span in spans:
        assert wav.file_start(span.index) <= span.start < span.end <= wav.file_start(span.index + 1)
        assert span.offset == 44 + 2 * (span.start - wav.file_start(span.index))
        assert span.size == 2 * (span.end - span.start)


@pytest.mark.parametrize(("size", "samples"), [(0, 0), (43, 0), (44, 0), (45, 0), (46, 1), (44 + 2 * 9, 9)])
def test_a_file_has_as_many_samples_as_are_whole_after_its_header(size, samples):
    assert wav.whole_samples(size) == samples


@given(st.integers(0, 999_998))
def test_names_of_files_sort_and_come_back(index):
    assert wav.file_index(wav.file_name(index)) == index
    assert wav.file_name(index) < wav.file_name(index + 1) or index == 999_998


def test_other_names_are_no_files_of_a_track():
    assert [wav.file_index(name) for name in ("000000.wav", "1.wav", "000001.wav~", "notes.txt")] == [None] * 4


@given(positions, st.integers(0, 1000), st.integers(1, 100))
def test_the_parts_of_a_span_cover_it_once(start, length, most):
    for span in wav.spans(start, Position(start + length)):
        parts = list(span.parts(most))
        assert [part.start for part in parts] + [span.end] == [span.start, *(part.end for part in parts)]
        assert {part.index for part in parts} == {span.index}
        assert all(part.end - part.start == most for part in parts[:-1])
        assert 0 < parts[-1].end - parts[-1].start <= most


@given(st.integers(0, 10**6))
def test_the_size_of_a_file_tells_its_samples(samples):
    assert wav.byte_end(samples) == len(wav.header(samples)) + 2 * samples
    assert wav.whole_samples(wav.byte_end(samples)) == wav.whole_samples(wav.byte_end(samples) + 1) == samples
