"""The pipes of one engine child, and the watch over it."""

import math
import signal
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

import anyio
from anyio.abc import Process, TaskStatus
from anyio.streams.text import TextReceiveStream

from transcriber.adapters.engine.client import EngineClient
from transcriber.adapters.engine.messages import (
    AnswerReader,
    CorruptStream,
    Failed,
    Fault,
    FromChild,
    LoadModel,
    ModelLoaded,
    Ping,
    Pong,
    Ready,
    frame,
)
from transcriber.errors import EngineError, TranscriberError

STDERR_LINES = 60
"""Lines of the child's stderr that are kept for an error: enough for the stacks of its few threads."""

LAST_WORDS = 0.5
"""Seconds to let a hung child write its stacks, or an ended one its exit code, before it is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """How a hung child is found: a ping every `interval` seconds, and none answered for `deadline` seconds."""

    interval: float = 1.0
    deadline: float = 10.0


class Life:
    """Carries bytes between the client and one child until the child is gone, or must go."""

    def __init__(self, process: Process, client: EngineClient, pulse: Pulse) -> None:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise ValueError("the process needs three pipes")
        self.process = process
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self.stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self.loading = False
        """True from the request to load the model to its answer."""
        self._client = client
        self._pulse = pulse
        self._outbox, self._queued = anyio.create_memory_object_stream[bytes](math.inf)
        self._ready = anyio.Event()
        self._load_answer: ModelLoaded | Failed | None = None
        self._load_answered = anyio.Event()
        self._unanswered = 0
        self._verdict: TranscriberError | None = None
        self._over = anyio.Event()

    async def run(self, load: Callable[[Self], Awaitable[None]], task_status: TaskStatus[None]) -> TranscriberError:
        """Return why this life ended. `load` runs once the child is up; its error ends the life too."""
        with self._outbox, self._queued:
            async with anyio.create_task_group() as tasks:
                for part in (self._write, self._read, self._listen):
                    tasks.start_soon(part)
                await self._ready.wait()
                if self._verdict is None:
                    task_status.started()
                    tasks.start_soon(self._try, load)
                    await self._watch()
                tasks.cancel_scope.cancel()
        return self._verdict or EngineError("the engine process ended")

    async def load(self, request: LoadModel) -> ModelLoaded | Failed:
        """Have the model loaded."""
        self.loading = True
        self._outbox.send_nowait(frame(request))
        await self._load_answered.wait()
        self.loading = False
        return self._load_answer or Failed(0, Fault.ENGINE, "no answer")

    def _end(self, error: TranscriberError) -> None:
        self._verdict = self._verdict or error
        self._ready.set()
        self._over.set()

    async def _try(self, load: Callable[[Self], Awaitable[None]]) -> None:
        try:
            await load(self)
        except TranscriberError as error:
            self._end(error)

    async def _write(self) -> None:
        try:
            async for data in self._queued:
                await self._stdin.send(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return  # the child is gone: the reader sees why

    async def _read(self) -> None:
        answers = AnswerReader()
        try:
            async for data in self._stdout:
                for answer in answers.feed(data):
                    self._take(answer)
        except CorruptStream as error:
            self._end(EngineError(f"the engine process does not speak our language: {error}"))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass
        with anyio.move_on_after(LAST_WORDS):
            await self.process.wait()
        self._end(EngineError(f"the engine process {_exit(self.process.returncode)}"))

    async def _listen(self) -> None:
        rest = ""
        try:
            async for text in TextReceiveStream(self._stderr, errors="replace"):
                *lines, rest = (rest + text).split("\n")
                self.stderr.extend(line.rstrip() for line in lines if line.strip())
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return

    def _take(self, answer: FromChild) -> None:
        match answer:
            case Ready():
                self._client.connected(answer.pid, self._outbox.send_nowait)
                self._ready.set()
            case ModelLoaded() | Failed(id=0):
                self._load_answer = answer
                self._load_answered.set()
            case Pong():
                self._unanswered = 0
                self._client.received(answer)
            case _:
                self._client.received(answer)

    async def _watch(self) -> None:
        """Return when the child is over; end it if it hangs."""
        while not self._over.is_set():
            late = self._client.overdue()
            # Counted in pings, not in time: a core that was asleep itself must not call its child hung.
            if self._unanswered * self._pulse.interval > self._pulse.deadline:
                late = f"no answer to a ping in {self._pulse.deadline:.0f} s"
            if late is not None:
                await self._last_words()
                self._end(EngineError(f"the engine process hangs: {late}"))
                return
            self._outbox.send_nowait(frame(Ping(0)))
            self._unanswered += 1
            with anyio.move_on_after(self._pulse.interval):
                await self._over.wait()

    async def _last_words(self) -> None:
        """Have a hung child write the stacks of its threads to stderr, if it still can."""
        if hasattr(signal, "SIGUSR1") and self.process.returncode is None:
            self.process.send_signal(signal.SIGUSR1)
            await anyio.sleep(LAST_WORDS)


def _exit(code: int | None) -> str:
    if code is None:
        return "closed its output"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
