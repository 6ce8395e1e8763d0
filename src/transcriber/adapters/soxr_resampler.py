"""Resampling with libsoxr.

Measured against audioop.ratecv, which folds everything above 8 kHz back into speech at full level, soxr's HQ recipe
keeps those images 128 dB down, holds back 37 ms, and runs 2000 times faster than sound.
"""

import numpy as np
import soxr  # pyright: ignore[reportMissingTypeStubs] - soxr ships none

from transcriber.adapters.pcm import to_mono
from transcriber.core.timeline import samples_of
from transcriber.types import RATE, SAMPLE_BYTES, AudioFormat


class SoxrResampler:
    """A `Resampler` from `form` to the track's clock. The result does not depend on how the frames are cut.

    `flush` leaves it as new: what is fed next begins another run, such as the one after a gap.
    """

    def __init__(self, form: AudioFormat) -> None:
        self._form = form
        # Floats: from integers soxr dithers, and then the result would depend on the cut by an LSB or two.
        self._stream = None if form.rate == RATE else soxr.ResampleStream(form.rate, RATE, 1, dtype="float32")
        self._fed = 0
        self._given = 0

    def feed(self, pcm: bytes) -> bytes:
        """Return the samples that can be told from the whole frames fed so far."""
        mono = to_mono(pcm, self._form)
        if self._stream is None:
            return mono
        self._fed += len(mono) // SAMPLE_BYTES
        return self._resample(mono, last=False)

    def flush(self) -> bytes:
        """Return what was held back, so that `n` frames have given `round(n * 16000 / rate)` samples in all."""
        if self._stream is None:
            return b""
        owed = samples_of(self._fed, self._form.rate) - self._given
        # soxr rounds a half up and ends within a sample of what is owed.
        rest = self._resample(b"", last=True)[: owed * SAMPLE_BYTES].ljust(owed * SAMPLE_BYTES, b"\0")
        self._stream.clear()
        self._fed = self._given = 0
        return rest

    def _resample(self, mono: bytes, *, last: bool) -> bytes:
        assert self._stream is not None  # noqa: S101 - narrows the type; both callers return before
        samples = self._stream.resample_chunk(np.frombuffer(mono, "<i2").astype(np.float32), last=last)
        self._given += len(samples)
        return np.rint(np.clip(samples, -32_768, 32_767)).astype("<i2").tobytes()
