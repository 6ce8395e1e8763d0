"""The engine as the actors see it: the `Vad` and `Engine` ports, whatever happens to the child behind them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import anyio

from transcriber.adapters.engine import messages
from transcriber.adapters.engine.calls import FILE_PATIENCE, Call, FileCall, Patience
from transcriber.adapters.engine.files import FileTranscription
from transcriber.adapters.engine.messages import Decoded, Failed, Fault, FromChild, SpeechDetected
from transcriber.errors import EngineError, TranscriberError
from transcriber.types import DecodeRequest, Hypothesis


@dataclass(frozen=True, slots=True)
class _Line:
    """The way to a living child."""

    pid: int
    send: Callable[[bytes], None]


class EngineClient:
    """Sends requests to the engine child of the moment, and outlives it.

    Whisper has one request at a time: of those that wait, the lowest `urgency` goes first, then the oldest. Voice
    activity detection is pipelined beside it. A request that was in flight when the child died goes to the next child;
    when three children failed on it, it alone ends in RequestFailed. A cancelled request is forgotten.
    """

    def __init__(self, *, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._ids = count(1)
        self._speech: dict[int, Call] = {}
        self._waiting: list[Call] = []
        self._decoding: Call | None = None
        self._line: _Line | None = None
        self._model = False
        self._closed: TranscriberError | None = None
        self._rss = 0
        self._peak = 0

    # What the actors ask for.

    async def probabilities(self, pcm: bytes, state: bytes) -> tuple[Sequence[float], bytes]:
        """Return a speech probability for each whole window of 512 samples, and the state for the next call."""
        call = Call(messages.DetectSpeech(next(self._ids), pcm, state), self._patience.of(pcm))
        self._refuse_if_closed()
        self._speech[call.request.id] = call
        self._dispatch()
        match await self._answer(call):
            case SpeechDetected(probabilities=probabilities, state=after):
                return probabilities, after
            case other:
                raise EngineError(f"the engine answered {type(other).__name__} to a question about speech")

    async def decode(self, request: DecodeRequest, *, urgency: int = 0) -> Hypothesis:
        """Return the words of at most 30 s of audio; wait while there is no child or no model yet.

        Raises:
            RequestFailed: three children failed on this request.
            EngineError: `fail` was called: there is no engine, and there will be none.

        """
        call = Call(messages.Decode(next(self._ids), request), self._patience.of(request.pcm), urgency)
        self._submit(call)
        match await self._answer(call):
            case Decoded(hypothesis=hypothesis):
                return hypothesis
            case other:
                raise EngineError(f"the engine answered {type(other).__name__} to a decode")

    def transcribe_file(self, path: Path, *, language: str | None = None, words: bool = False) -> FileTranscription:
        """Return the transcription of a media file, to be entered with `async with`. It holds Whisper until it ends."""
        request = messages.TranscribeFile(next(self._ids), str(path), language, words)
        return FileTranscription(FileCall(request, FILE_PATIENCE), self._submit, self._forget)

    def fail(self, error: TranscriberError) -> None:
        """End every request, and those to come, with `error`: there is no engine any more, until one connects."""
        self._closed = error
        for call in [*self._speech.values(), *self._waiting, *([self._decoding] if self._decoding else [])]:
            call.end(error)
        self._speech.clear()
        self._waiting.clear()

    # What monitoring asks for.

    @property
    def pid(self) -> int | None:
        """Process id of the child, or None while there is none."""
        return self._line.pid if self._line else None

    def rss(self) -> int:
        """Resident set of the child in bytes as it last said, at most a ping ago; 0 while there is none."""
        return self._rss

    def peak_rss(self) -> int:
        """Largest resident set in bytes that any child had."""
        return self._peak

    # What a life of the child tells (process.py).

    def connected(self, pid: int, send: Callable[[bytes], None]) -> None:
        """Begin with a new child: send it the questions about speech; Whisper waits for `model_loaded`."""
        self._line = _Line(pid, send)
        self._closed = None
        for call in self._speech.values():
            call.due = math.inf
        self._dispatch()

    def model_loaded(self) -> None:
        """Whisper is ready in the child: send it the most urgent request."""
        self._model = True
        self._dispatch()

    def received(self, answer: FromChild) -> None:
        """Pass an answer to whoever waits for it; answers that nobody waits for are dropped."""
        match answer:
            case messages.Pong():
                self._rss = answer.rss
                self._peak = max(self._peak, answer.peak)
            case messages.Ready() | messages.ModelLoaded():
                pass
            case _ if self._decoding is not None and answer.id == self._decoding.request.id:
                self._whisper_said(self._decoding, answer)
            case _ if answer.id in self._speech:
                self._speech_said(self._speech[answer.id], answer)
            case _:
                pass
        self._dispatch()

    def overdue(self) -> str | None:
        """Say which request is past its deadline, or None."""
        now = anyio.current_time()
        flying = [*self._speech.values(), *([self._decoding] if self._decoding else [])]
        late = next((call for call in flying if call.due < now), None)
        return late and f"no answer to {type(late.request).__name__} in {late.patience:.0f} s"

    def disconnected(self, reason: str) -> None:
        """Part from a child: what it had goes to the next one, unless it was the third that failed on it."""
        self._line, self._model, self._rss = None, False, 0
        lost = Failed(0, Fault.ENGINE, reason)
        for call in [call for call in self._speech.values() if call.due < math.inf and call.fail(lost)]:
            del self._speech[call.request.id]
        call, self._decoding = self._decoding, None
        if call is not None and call.wanted and call.error is None and not call.fail(lost):
            self._waiting.append(call)

    # Inside.

    def _submit(self, call: Call) -> None:
        self._refuse_if_closed()
        self._waiting.append(call)
        self._dispatch()

    def _refuse_if_closed(self) -> None:
        if self._closed is not None:
            raise type(self._closed)(*self._closed.args)

    async def _answer(self, call: Call) -> FromChild:
        try:
            await call.done.wait()
        finally:
            self._forget(call)
        if call.error is not None or call.answer is None:
            raise call.error or EngineError("the engine gave no answer")
        return call.answer

    def _forget(self, call: Call) -> None:
        call.wanted = False
        self._speech.pop(call.request.id, None)
        if call in self._waiting:
            self._waiting.remove(call)
        if call is self._decoding and isinstance(call, FileCall) and self._line:
            self._line.send(messages.frame(messages.Abandon(call.request.id)))

    def _speech_said(self, call: Call, answer: FromChild) -> None:
        over = call.fail(answer) if isinstance(answer, Failed) else call.take(answer)
        if over:
            del self._speech[call.request.id]
        else:
            call.due = math.inf

    def _whisper_said(self, call: Call, answer: FromChild) -> None:
        call.due = anyio.current_time() + call.patience
        if isinstance(answer, Failed):
            self._decoding = None
            if call.wanted and not call.fail(answer):
                self._waiting.append(call)
        elif call.take(answer):
            self._decoding = None

    def _dispatch(self) -> None:
        """Send what can be sent now."""
        if self._line is None:
            return
        for call in self._speech.values():
            if call.due == math.inf:
                self._send(call)
        if self._model and self._decoding is None and self._waiting:
            call = min(self._waiting, key=lambda waiting: (waiting.urgency, waiting.request.id))
            self._waiting.remove(call)
            self._decoding = call
            self._send(call)

    def _send(self, call: Call) -> None:
        if self._line is not None:
            call.due = anyio.current_time() + call.patience
            self._line.send(messages.frame(call.request))
