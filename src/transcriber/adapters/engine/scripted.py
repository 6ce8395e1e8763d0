"""An engine without models, for tests and demonstrations: it hears words that were written into the audio.

`say` writes each word of a vocabulary as a tone of its own loudness, and `ScriptedEngine` reads them back from any cut
of that audio, so that what is recognised follows from the samples alone, as with the real one.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import count

import anyio
import anyio.lowlevel
import numpy as np
from numpy.typing import NDArray

from transcriber.core.endpointing import WINDOW
from transcriber.errors import EngineError, RequestFailed
from transcriber.types import RATE, DecodeRequest, Hypothesis, SpokenWord, samples

VOCABULARY = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

QUIETEST = 2000
STEP = 64
"""Loudness of word number k: `QUIETEST + k * STEP`, as the height of a square wave."""

WORD = RATE * 3 // 10
PAUSE = RATE // 10
"""Samples of a word, and of the silence after it."""

HEARD = WORD // 4
"""Samples of a word that must be in the audio for it to be heard at all."""

FLOOR, CEILING = -60.0, -30.0
"""Level of a window in dB of full scale at which speech is impossible, and certain."""


def say(words: Iterable[str], vocabulary: Sequence[str] = VOCABULARY) -> bytes:
    """Return PCM16 in which the scripted engine hears `words`: 0.3 s each, and 0.1 s of silence after each."""
    half_period = RATE // 400
    sign = np.where(np.arange(WORD) // half_period % 2, -1, 1)
    said = [np.concatenate([sign * (QUIETEST + STEP * vocabulary.index(word)), np.zeros(PAUSE)]) for word in words]
    return np.concatenate([np.zeros(0), *said]).astype("<i2").tobytes()


def silence(seconds: float) -> bytes:
    """Return PCM16 in which nothing is heard."""
    return bytes(2 * samples(seconds))


class ScriptedEngine:
    """`Vad` and `Engine` in one, deterministic.

    `requests` holds what was asked to decode, in the order in which it was begun. `faults` are raised by the next
    decodes, one each. `took` is how long a decode takes. After `hang()` decodes wait until `resume()`.
    """

    def __init__(self, vocabulary: Sequence[str] = VOCABULARY, *, took: float = 0.0, language: str = "en") -> None:
        self.requests: list[DecodeRequest] = []
        self.faults: deque[EngineError] = deque()
        self.took = took
        self._vocabulary = vocabulary
        self._language = language
        self._waiting: list[tuple[int, int]] = []
        self._tickets = count()
        self._decoding = False
        self._changed = anyio.Event()
        self._hung = False

    async def probabilities(self, pcm: bytes, state: bytes) -> tuple[Sequence[float], bytes]:  # noqa: ARG002 - the port's
        """Return for each window of 512 samples how loud it is, between the floor and the ceiling."""
        await anyio.lowlevel.checkpoint()
        windows = _samples(pcm).reshape(-1, WINDOW)
        power = np.mean(windows.astype(np.float64) ** 2, axis=1) / 32768**2
        level = 10 * np.log10(np.maximum(power, 1e-12))
        return np.clip((level - FLOOR) / (CEILING - FLOOR), 0, 1).tolist(), b"scripted"

    async def decode(self, request: DecodeRequest, *, urgency: int = 0) -> Hypothesis:
        """Return the words that were said, one request at a time, the most urgent first."""
        await self._turn(urgency)
        try:
            self.requests.append(request)
            await anyio.sleep(self.took)
            while self._hung:
                await self._changed.wait()
            if self.faults:
                raise self.faults.popleft()
            return self._hypothesis(request)
        finally:
            self._decoding = False
            self._tell()

    def fail(self, times: int = 1) -> None:
        """Let the next decodes fail."""
        self.faults.extend(RequestFailed("scripted") for _ in range(times))

    def hang(self) -> None:
        """Let decodes wait until `resume`."""
        self._hung = True

    def resume(self) -> None:
        """Go on after `hang`."""
        self._hung = False
        self._tell()

    async def _turn(self, urgency: int) -> None:
        ticket = (urgency, next(self._tickets))
        heapq.heappush(self._waiting, ticket)
        try:
            await anyio.lowlevel.checkpoint()
            while self._decoding or self._waiting[0] != ticket:
                await self._changed.wait()
            self._decoding = True
        finally:
            self._waiting.remove(ticket)
            heapq.heapify(self._waiting)
            self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def _hypothesis(self, request: DecodeRequest) -> Hypothesis:
        words = tuple(self._heard(_samples(request.pcm)))
        return Hypothesis(
            words=words,
            language=request.language or self._language,
            no_speech=0.0 if words else 1.0,
            compression=1.0 if words else 0.0,
            took=self.took,
        )

    def _heard(self, samples: NDArray[np.int16]) -> Iterable[SpokenWord]:
        loudness = np.abs(samples.astype(np.int32))
        borders = np.flatnonzero(np.diff(loudness, prepend=0, append=0))
        for start, end in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
            number, rest = divmod(int(loudness[start]) - QUIETEST, STEP)
            if end - start >= HEARD and rest == 0 and 0 <= number < len(self._vocabulary):
                probability = min(1.0, (end - start) / WORD)
                yield SpokenWord(f" {self._vocabulary[number]}", start / RATE, end / RATE, probability)


def _samples(pcm: bytes) -> NDArray[np.int16]:
    return np.frombuffer(pcm, dtype="<i2")
