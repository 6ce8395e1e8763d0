"""Whisper in the engine process: a loaded model, and the decoding of utterances. Importing this takes half a second."""

# pyright: reportMissingTypeStubs=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false
# CTranslate2 and faster-whisper come without types.

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import override

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment as FoundSegment
from faster_whisper.transcribe import Word as FoundWord
from numpy.typing import NDArray

from transcriber.core.guards import REPETITIVE
from transcriber.types import RATE, DecodeRequest, Hypothesis, SpokenWord

FRAMES_A_SECOND = 100
"""Mel frames that Whisper's encoder takes for a second of audio."""

CONTEXT_EXTRA = 8.0
"""Seconds of padding that the encoder sees after the speech, instead of all that is missing from 30 s: half the cost at
the same accuracy. Less of it makes the decoder repeat and invent words (docs/models.md has the measurement)."""

STEP = 2 * FRAMES_A_SECOND
"""What is encoded has one of few lengths, because the kernels for each are kept: after 160 decodes of any length the
process had grown from 294 to 555 MB and went on; with steps of 2 s it stays at 285 MB."""

TOKENS_A_SECOND = 12
TOKENS_EXTRA = 24
"""Bound on the tokens of a decode: fast Chinese takes about ten a second. Only a decode that loops reaches it; without
it a loop goes on to 448 tokens."""

WHISPER_TOKENS = 448
"""Length of Whisper's text context: the prompt and what it answers."""

SPECIAL_TOKENS = 5
"""Start of the prompt, start of the transcript, language, task, no timestamps."""

PROMPT_TOKENS = 80
"""Tokens that the prompt and the hotwords may take, each: they leave 283 for the answer, 9 a second of 30 s."""

IMPROBABLE = -1.0
"""Mean log probability below which a text is a guess: Whisper's own threshold."""

SLACK = 0.1
"""Seconds that a word may begin past the end of the audio and still be one; the alignment is good to 0.02 s."""

TAIL = 1.5
"""Seconds after the last word that are decoded once more: longer than the pause that ends an utterance, so that they
can only be speech that the decoder left out."""

TIMELESS = 3
"""Words in a row that take no time: the decoder went on after the speech had ended."""

type Audio = NDArray[np.float32]


class LeanModel(WhisperModel):
    """Whisper that pays for the audio there is, not for 30 s, where it is told to."""

    def __init__(self, path: str, *, device: str, compute_type: str, cpu_threads: int) -> None:
        super().__init__(path, device=device, compute_type=compute_type, cpu_threads=cpu_threads)
        self.at_window: Callable[[], None] = _nothing
        """Called before each window is encoded."""
        self._short = False
        self._last: tuple[Audio, ctranslate2.StorageView] | None = None

    def one_window(self, *, short: bool) -> None:
        """Begin the transcription of at most 30 s; `short` trims what is encoded."""
        self._short, self._last = short, None

    def many_windows(self) -> None:
        """Begin the transcription of a file, as faster-whisper itself does it."""
        self._short, self._last = False, None

    @override
    def encode(self, features: Audio) -> ctranslate2.StorageView:
        self.at_window()
        if self._short:
            features = trimmed(features)
        # Language detection encodes the window that is then decoded: pay once.
        if self._last is None or not np.array_equal(self._last[0], features):
            self._last = features, super().encode(features)
        return self._last[1]


def _nothing() -> None:
    """At a window: nothing."""


def trimmed(features: Audio) -> Audio:
    """Return the features of one padded window without most of the padding: mels by a multiple of `STEP` frames."""
    sounding = np.flatnonzero(features.any(axis=0))
    content = int(sounding[-1]) + 1 if len(sounding) else 0
    frames = content + int(CONTEXT_EXTRA * FRAMES_A_SECOND)
    return features[:, : min(-(-frames // STEP) * STEP, features.shape[-1])]


@dataclass(frozen=True, slots=True)
class _Attempt:
    words: tuple[SpokenWord, ...] = ()
    language: str = ""
    no_speech: float = 1.0
    compression: float = 0.0
    logprob: float = 0.0

    @property
    def suspicious(self) -> bool:
        return self.compression > REPETITIVE or self.logprob < IMPROBABLE


class Whisper:
    """A loaded model. One call at a time."""

    def __init__(self, model: LeanModel) -> None:
        self.model = model

    def decode(self, request: DecodeRequest) -> Hypothesis:
        """Return the words of at most 30 s of audio.

        A final that looks wrong is decoded once more, with the full context and one step up in temperature.
        """
        began = time.perf_counter()
        audio = np.frombuffer(request.pcm, dtype="<i2").astype(np.float32) / np.float32(32768)
        found = self._attempt(audio, request, short=True, temperature=(0.0,))
        if request.final and found.suspicious:
            again = self._attempt(audio, request, short=False, temperature=(0.0, 0.4))
            found = max(found, again, key=lambda attempt: (not attempt.suspicious, attempt.logprob))
        return Hypothesis(
            words=found.words,
            language=found.language,
            no_speech=found.no_speech,
            compression=found.compression,
            took=time.perf_counter() - began,
        )

    def _attempt(
        self, audio: Audio, request: DecodeRequest, *, short: bool, temperature: tuple[float, ...]
    ) -> _Attempt:
        length = len(audio) / RATE
        prompt = self._tokens(request.prompt)[-PROMPT_TOKENS:]
        hotwords = self._tokens(request.hotwords)[:PROMPT_TOKENS]
        room = WHISPER_TOKENS - SPECIAL_TOKENS - len(prompt) - len(hotwords)
        self.model.one_window(short=short)
        segments, info = self.model.transcribe(
            audio,
            language=request.language,
            beam_size=5 if request.final else 1,
            temperature=temperature,
            best_of=1,
            condition_on_previous_text=False,
            initial_prompt=prompt or None,
            hotwords=self.model.hf_tokenizer.decode(hotwords) or None,
            without_timestamps=True,
            word_timestamps=True,
            max_new_tokens=min(room, int(TOKENS_EXTRA + TOKENS_A_SECOND * length)),
        )
        # Without timestamps a window is one segment. Whisper ends some windows early, in the middle of the speech: the
        # rest is decoded as a window of its own. It is not, where it is short: of the silence after the last word
        # Whisper makes words that nobody said.
        found: list[FoundSegment] = []
        for segment in segments:
            found.append(segment)
            if length - segment.end < TAIL:
                break
        if not found:
            return _Attempt(language=info.language)
        return _Attempt(
            words=_within((word for segment in found for word in segment.words or []), length),
            language=info.language,
            no_speech=min(segment.no_speech_prob for segment in found),
            compression=max(segment.compression_ratio for segment in found),
            logprob=min(segment.avg_logprob for segment in found),
        )

    def _tokens(self, text: str) -> list[int]:
        text = text.strip()
        return self.model.hf_tokenizer.encode(f" {text}", add_special_tokens=False).ids if text else []


def spoken(words: Iterable[FoundWord]) -> tuple[SpokenWord, ...]:
    """Return words as values of ours."""
    return tuple(SpokenWord(word.word, float(word.start), float(word.end), float(word.probability)) for word in words)


def _within(words: Iterable[FoundWord], length: float) -> tuple[SpokenWord, ...]:
    """Return the words that begin inside the audio, none of them ending outside it, up to where they take no time."""
    kept: list[SpokenWord] = []
    timeless = 0
    for word in spoken(words):
        timeless = timeless + 1 if word.end <= word.start else 0
        if timeless == TIMELESS:
            del kept[len(kept) - TIMELESS + 1 :]
            break
        if word.start < length + SLACK:
            kept.append(SpokenWord(word.text, min(word.start, length), min(word.end, length), word.probability))
    return tuple(kept)
