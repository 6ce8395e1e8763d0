"""Resampling: exact counts, no clicks at the seams, speech kept, and nothing folded back into it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcriber.adapters.soxr_resampler import SoxrResampler
from transcriber.types import AudioFormat

RATES = [44_100, 48_000, 8_000, 11_025, 96_000, 16_000]


def run(rate, samples, cuts):
    resampler = SoxrResampler(AudioFormat(rate, 1))
    pieces = np.split(samples, sorted(cut % (len(samples) + 1) for cut in cuts))
    pcm = b"".join(resampler.feed(piece.astype("<i2").tobytes()) for piece in pieces) + resampler.flush()
    return np.frombuffer(pcm, "<i2")


def tone(frequency, rate, seconds=1.0):
    return np.rint(10_000 * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)).astype("<i2")


@given(
    st.sampled_from(RATES), st.integers(0, 30_000), st.lists(st.integers(0, 30_000), max_size=20), st.integers(0, 2**32)
)
@settings(max_examples=60, deadline=None)
def test_the_count_is_exact_and_the_result_independent_of_the_cut(rate, frames, cuts, seed):
    samples = np.random.default_rng(seed).integers(-20_000, 20_000, frames).astype("<i2")
    whole = run(rate, samples, [])
    assert len(whole) == round(frames * 16_000 / rate)
    assert np.array_equal(run(rate, samples, cuts), whole)


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_the_count_is_exact_over_hours(rate):
    """Two hours and an odd frame in blocks of 10 s."""
    resampler = SoxrResampler(AudioFormat(rate, 1))
    block = bytes(rate * 10 * 2)
    given = sum(len(resampler.feed(block)) for _ in range(2 * 360)) + len(resampler.feed(bytes(2)))
    given += len(resampler.flush())
    assert given // 2 == round((rate * 7_200 + 1) * 16_000 / rate)


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate != 16_000])
def test_a_tone_comes_out_as_that_tone(rate):
    """No click, no shift: a pure 1 kHz tone in 10 ms blocks leaves a residue 60 dB below itself."""
    got = run(rate, tone(1_000, rate), range(rate // 100, rate, rate // 100)).astype(float)[800:-800]
    expected = tone(1_000, 16_000).astype(float)[800 : 800 + len(got)]
    assert np.abs(got - expected).max() < 10


def test_what_is_above_8_khz_does_not_fold_back_into_speech():
    assert np.abs(run(48_000, tone(10_000, 48_000), [])[800:-800]).max() <= 1


def test_after_a_flush_it_is_as_new():
    resampler = SoxrResampler(AudioFormat(44_100, 2))
    pcm = np.repeat(tone(440, 44_100), 2).tobytes()
    assert resampler.feed(pcm) + resampler.flush() == resampler.feed(pcm) + resampler.flush()


def test_full_scale_does_not_wrap():
    square = np.repeat(np.array([32_767, -32_768] * 500, "<i2"), 48)
    got = run(48_000, square, []).astype(int)
    middle = got.reshape(-1, 16)[2:-2, 6:10]
    assert (np.abs(middle) > 20_000).all()
    assert (np.sign(middle[::2]) != np.sign(middle[1::2])).all()
