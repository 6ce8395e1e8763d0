"""Sample formats, mixing to mono and levels: what can be said of samples without knowing what they sound like.

`audioop` does the integers; floating-point samples and more than two channels need numpy, which audioop lacks.
"""

import math

import audioop
import numpy as np

from transcriber.types import SAMPLE_BYTES, AudioFormat, SampleFormat

FULL_SCALE = 32_768
"""Magnitude of the largest PCM16 sample."""

SILENCE_DBFS = -96.0
"""Level of digital silence, where the logarithm has no value: just below one bit of PCM16 (-90.3 dBFS)."""


def to_mono(pcm: bytes, form: AudioFormat) -> bytes:
    """Return whole frames of `form` as mono PCM16: the average of all channels, which cannot overflow.

    Floating-point samples are clipped to full scale; NaN is silence.
    """
    if form.sample is SampleFormat.F32:
        return _float_to_mono(pcm, form.channels)
    samples = _to_s16(pcm, form.sample)
    match form.channels:
        case 1:
            return samples
        case 2:
            return audioop.tomono(samples, SAMPLE_BYTES, 0.5, 0.5)
        case channels:
            total = np.frombuffer(samples, "<i2").reshape(-1, channels).sum(axis=1, dtype=np.int32)
            return (total // channels).astype("<i2").tobytes()


def peak_dbfs(pcm: bytes) -> float:
    """Return the largest magnitude of PCM16 samples in dB below full scale, which is 0."""
    magnitude = audioop.max(pcm, SAMPLE_BYTES)
    return max(SILENCE_DBFS, 20 * math.log10(magnitude / FULL_SCALE)) if magnitude else SILENCE_DBFS


def _to_s16(pcm: bytes, sample: SampleFormat) -> bytes:
    if sample is SampleFormat.U8:  # unsigned: move the middle from 128 to 0 first
        pcm = audioop.bias(pcm, 1, -128)
    return pcm if sample is SampleFormat.S16 else audioop.lin2lin(pcm, sample.width, SAMPLE_BYTES)


def _float_to_mono(pcm: bytes, channels: int) -> bytes:
    samples = np.nan_to_num(np.frombuffer(pcm, "<f4"), nan=0.0, posinf=1.0, neginf=-1.0)
    mono = np.clip(samples, -1.0, 1.0).reshape(-1, channels).mean(axis=1)
    return np.rint(mono * (FULL_SCALE - 1)).astype("<i2").tobytes()
