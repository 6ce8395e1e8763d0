import io
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core import original_wav
from transcriber.core.original_wav import MOST_HEADER_BYTES, Header
from transcriber.types import AudioFormat, SampleFormat

forms = st.builds(AudioFormat, st.integers(8_000, 192_000), st.integers(1, 32), st.sampled_from(SampleFormat))
headers = st.builds(Header, forms, st.integers(0, 10**6))


@given(headers, st.binary(max_size=20))
def test_a_header_says_what_it_was_made_of(header, sound):
    data = header.encode()
    assert len(data) == header.size <= MOST_HEADER_BYTES
    assert original_wav.parse(data + sound) == header
    assert int.from_bytes(data[4:8], "little") == header.end - 8


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("sample", [SampleFormat.U8, SampleFormat.S16, SampleFormat.S24, SampleFormat.S32])
def test_the_standard_library_reads_it(channels, sample):
    form = AudioFormat(44_100, channels, sample)
    with wave.open(io.BytesIO(Header(form, 100).encode() + bytes(100 * form.frame_bytes))) as file:
        assert file.getparams()[:4] == (channels, sample.width, 44_100, 100)


@given(headers, st.data())
def test_a_changed_header_is_not_taken_for_ours(header, data):
    changed = bytearray(header.encode())
    place = data.draw(st.integers(0, len(changed) - 1))
    changed[place] ^= data.draw(st.integers(1, 255))
    assert original_wav.parse(bytes(changed)) != header


@given(st.binary(max_size=80))
def test_any_bytes_can_be_asked_for_a_header(content):
    assert original_wav.parse(content) is None


@given(headers, st.integers(0, 10**6))
def test_what_is_not_a_whole_frame_does_not_count(header, size):
    frames = header.whole_frames(header.size + size)
    assert frames * header.form.frame_bytes <= size < (frames + 1) * header.form.frame_bytes
    assert header.whole_frames(3) == 0


PCM = "0100000000001000800000aa00389b71"
AS_SPECIFIED = [
    ((2, SampleFormat.S16), "10000000 0100 0200 401f0000 007d0000 0400 1000", ""),
    ((1, SampleFormat.U8), "10000000 0100 0100 401f0000 401f0000 0100 0800", ""),
    ((3, SampleFormat.U8), "28000000 feff 0300 401f0000 c05d0000 0300 0800 1600 0800 00000000" + PCM, ""),
    ((1, SampleFormat.S24), "28000000 feff 0100 401f0000 c05d0000 0300 1800 1600 1800 04000000" + PCM, ""),
    ((2, SampleFormat.S32), "28000000 feff 0200 401f0000 00fa0000 0800 2000 1600 2000 03000000" + PCM, ""),
    ((2, SampleFormat.F32), "12000000 0300 0200 401f0000 00fa0000 0800 2000 0000", "04000000 05000000"),
]


@pytest.mark.parametrize(("form", "layout", "fact"), AS_SPECIFIED, ids=lambda value: str(value)[:20])
def test_the_chunks_are_as_specified(form, layout, fact):
    """By the multimedia standards update of 1994 and WAVEFORMATEXTENSIBLE, as players know them."""
    form = AudioFormat(8_000, *form)
    chunks = b"fmt " + bytes.fromhex(layout) + (b"fact" + bytes.fromhex(fact) if fact else b"")
    content = 5 * form.frame_bytes
    expected = [b"WAVE", chunks, b"data", content.to_bytes(4, "little")]
    size = sum(map(len, expected)) + content
    assert Header(form, 5).encode() == b"".join([b"RIFF", size.to_bytes(4, "little"), *expected])


def test_the_longest_header_is_as_long_as_is_said():
    assert max(Header(AudioFormat(8_000, 6, sample), 0).size for sample in SampleFormat) == MOST_HEADER_BYTES
