import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.core import flac
from transcriber.types import AudioFormat, SampleFormat

BITS = {SampleFormat.U8: 8, SampleFormat.S16: 16, SampleFormat.S24: 24}
forms = st.builds(AudioFormat, st.integers(1, 655_350), st.integers(1, 8), st.sampled_from(list(BITS)))


def beginning(form: AudioFormat, frames: int, *, bits: int | None = None, last: int = 0) -> bytes:
    """The first bytes of a file as RFC 9639 has them."""
    sizes = (4096).to_bytes(2) * 2 + (14).to_bytes(3) + (9999).to_bytes(3)
    fields = f"{form.rate:020b}{form.channels - 1:03b}{(bits or BITS[form.sample]) - 1:05b}{frames:036b}"
    return b"fLaC" + bytes([last << 7, 0, 0, 34]) + sizes + int(fields, 2).to_bytes(8) + bytes(range(16))


@given(forms, st.integers(0, 2**36 - 1), st.integers(0, 1), st.binary(max_size=20))
def test_the_beginning_says_what_a_file_holds(form, frames, last, rest):
    assert flac.parse(beginning(form, frames, last=last) + rest) == flac.Header(form, frames)


@pytest.mark.parametrize("bits", [4, 12, 20, 32])
def test_what_we_do_not_write_is_none_of_ours(bits):
    assert flac.parse(beginning(AudioFormat(48_000, 2), 100, bits=bits)) is None


@given(st.integers(0, flac.HEADER_BYTES - 1))
def test_a_beginning_that_is_cut_says_nothing(size):
    assert flac.parse(beginning(AudioFormat(48_000, 2), 100)[:size]) is None


@given(st.integers(0, 7), st.integers(1, 255))
def test_another_beginning_is_no_flac(place, flip):
    changed = bytearray(beginning(AudioFormat(48_000, 2), 100, last=1))
    changed[place] ^= flip
    assert flac.parse(bytes(changed)) is None or (place, flip) == (4, 128)


@given(st.binary(max_size=60))
def test_any_bytes_can_be_asked(content):
    assert flac.parse(content) is None


@pytest.mark.parametrize(
    ("form", "can"),
    [
        (AudioFormat(44_100, 2, SampleFormat.U8), True),
        (AudioFormat(655_350, 8, SampleFormat.S24), True),
        (AudioFormat(655_351, 8, SampleFormat.S24), False),
        (AudioFormat(48_000, 9, SampleFormat.S16), False),
        (AudioFormat(48_000, 2, SampleFormat.S32), False),
        (AudioFormat(48_000, 2, SampleFormat.F32), False),
    ],
)
def test_flac_holds_integers_of_up_to_24_bit_and_eight_channels(form, can):
    assert flac.holds(form) is can
