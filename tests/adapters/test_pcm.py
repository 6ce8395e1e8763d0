"""Mixing to mono and levels, against plain arithmetic."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.adapters.pcm import SILENCE_DBFS, peak_dbfs, to_mono
from transcriber.types import AudioFormat, SampleFormat

S16 = st.integers(-32_768, 32_767)


def ints(pcm):
    return np.frombuffer(pcm, "<i2").tolist()


@given(st.integers(1, 9).flatmap(lambda channels: st.lists(st.tuples(*[S16] * channels), min_size=1, max_size=20)))
def test_mono_is_the_average_of_all_channels(frames):
    channels = len(frames[0])
    pcm = np.array(frames, "<i2").tobytes()
    mono = ints(to_mono(pcm, AudioFormat(48_000, channels)))
    assert mono == [sum(frame) // channels for frame in frames]


@pytest.mark.parametrize(
    ("sample", "pcm"),
    [
        (SampleFormat.U8, bytes([128, 128, 0, 0, 192, 192])),
        (SampleFormat.S16, struct.pack("<6h", 0, 0, -32768, -32768, 16384, 16384)),
        (SampleFormat.S24, b"\0\0\0" * 2 + b"\0\0\x80" * 2 + b"\0\0\x40" * 2),
        (SampleFormat.S32, struct.pack("<6i", 0, 0, -(2**31), -(2**31), 2**30, 2**30)),
    ],
)
def test_every_integer_format_keeps_its_level(sample, pcm):
    assert ints(to_mono(pcm, AudioFormat(48_000, 2, sample))) == [0, -32768, 16384]


def test_floats_are_clipped_and_nan_is_silence():
    pcm = np.array([0.5, -0.5, math.nan, 3.0, math.inf, -math.inf, 1.0, 0.0, 3e38, 3e38], "<f4").tobytes()
    stereo = AudioFormat(48_000, 2, SampleFormat.F32)
    assert ints(to_mono(pcm, stereo)) == [0, 16384, 0, 16384, 32767]


def test_no_frames_are_no_samples():
    for sample in SampleFormat:
        for channels in (1, 2, 6):
            assert to_mono(b"", AudioFormat(48_000, channels, sample)) == b""


def test_levels_are_decibels_below_full_scale():
    square = np.array([-32768, 32767] * 800, "<i2").tobytes()
    sine = np.rint(16_384 * np.sin(np.arange(16_000) * 2 * np.pi / 160)).astype("<i2").tobytes()
    assert peak_dbfs(square) == pytest.approx(0, abs=0.001)
    assert peak_dbfs(sine) == pytest.approx(-6.02, abs=0.01)
    assert peak_dbfs(b"\0\0" * 100) == peak_dbfs(b"") == SILENCE_DBFS
    assert peak_dbfs(b"\1\0") > SILENCE_DBFS
