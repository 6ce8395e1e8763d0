"""One request of an actor on its way to an engine child, until it is answered, given up, or poison."""

import math
from dataclasses import dataclass, field

import anyio

from transcriber.adapters.engine import messages
from transcriber.adapters.engine.messages import Failed, Fault, FileSegment, FromChild
from transcriber.errors import RequestFailed, SourceError, TranscriberError
from transcriber.types import RATE, SAMPLE_BYTES

TRIES = 3
"""Children that may fail on the same request before it is poison."""

FILE_PATIENCE = 600.0
"""Seconds a file request may be silent. The child speaks up at every window of 30 s, and once the file is read."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer may take before the child counts as hung: `base + a_second * seconds of audio`."""

    base: float = 30.0
    a_second: float = 5.0

    def of(self, pcm: bytes) -> float:
        """Seconds for an answer about this much audio."""
        return self.base + self.a_second * len(pcm) / SAMPLE_BYTES / RATE


@dataclass(slots=True, eq=False)
class Call:
    """A request with a single answer."""

    request: messages.Decode | messages.DetectSpeech | messages.TranscribeFile
    patience: float
    urgency: int = 0
    failures: int = 0
    due: float = math.inf
    """When the child that has it counts as hung, on anyio's clock."""
    wanted: bool = True
    """False once its actor was cancelled; the child may still be busy with it."""
    answer: FromChild | None = None
    error: TranscriberError | None = None
    done: anyio.Event = field(default_factory=anyio.Event)

    def take(self, answer: FromChild) -> bool:
        """Take what the child said; return True if nothing more will come."""
        self.answer = answer
        self.done.set()
        return True

    def end(self, error: TranscriberError) -> None:
        """Give up. Each call gets its own copy: one exception raised in several tasks mixes their tracebacks up."""
        self.error = type(error)(*error.args)
        self.done.set()

    def fail(self, failure: Failed) -> bool:
        """Count a failure of the request; return True if it is not worth another try."""
        self.failures += 1
        if failure.fault is Fault.INPUT:
            self.end(SourceError(failure.reason))
        elif self.failures >= TRIES:
            self.end(RequestFailed(f"the engine failed {self.failures} times on one request: {failure.reason}"))
        return self.error is not None


@dataclass(slots=True, eq=False)
class FileCall(Call):
    """A request for a whole file: started, then segments, then ended. A new child goes on where the last one died."""

    started: messages.FileStarted | None = None
    segments: list[FileSegment] = field(default_factory=list[FileSegment])
    changed: anyio.Event = field(default_factory=anyio.Event)

    def take(self, answer: FromChild) -> bool:
        """Take the next part."""
        match answer:
            case messages.FileStarted():
                self.started = self.started or answer
            case FileSegment() if isinstance(self.request, messages.TranscribeFile):
                self.segments.append(answer)
                self.failures = 0
                self.request = _from(self.request, answer.end)
            case messages.FileEnded():
                self.done.set()
            case _:
                return False
        self._tell()
        return self.done.is_set()

    def end(self, error: TranscriberError) -> None:
        """Give up; segments that came before are still read."""
        Call.end(self, error)
        self._tell()

    def _tell(self) -> None:
        self.changed.set()
        self.changed = anyio.Event()


def _from(request: messages.TranscribeFile, start: float) -> messages.TranscribeFile:
    return messages.TranscribeFile(request.id, request.path, request.language, request.words, start)
