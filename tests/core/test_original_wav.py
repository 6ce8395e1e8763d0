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
