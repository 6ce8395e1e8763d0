"""The engine child: `python -m transcriber.adapters.engine.worker`, with requests on stdin and answers on stdout.

The reader is the main thread: it answers pings itself and hands the rest to two threads, so that neither a question
about speech nor a ping waits behind a decode (CTranslate2 and ONNX Runtime release the interpreter lock). When stdin
ends the parent is gone, and the process ends there and then, whatever it is doing.
"""

import faulthandler
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO

from transcriber.adapters.engine.memory import resident_set
from transcriber.adapters.engine.messages import (
    LENGTH_BYTES,
    Abandon,
    CorruptStream,
    DetectSpeech,
    Failed,
    Fault,
    Message,
    Ping,
    Pong,
    Ready,
    Request,
    SpeechDetected,
    ToChild,
    body_length,
    frame,
    read_request,
)
from transcriber.adapters.engine.recognition import Recognition
from transcriber.adapters.engine.vad import Silero


class Pipe:
    """Requests in, answers out. Writing is safe from any thread."""

    def __init__(self, source: BinaryIO, sink: int) -> None:
        self._source = source
        self._sink = sink
        self._lock = threading.Lock()

    def read(self) -> ToChild | None:
        """Return the next request, or None at the end of the stream."""
        prefix = self._source.read(LENGTH_BYTES)
        if len(prefix) < LENGTH_BYTES:
            return None
        length = body_length(prefix)
        body = self._source.read(length)
        return read_request(body) if len(body) == length else None

    def write(self, message: Message) -> None:
        """Send an answer."""
        data = memoryview(frame(message))
        with self._lock:
            while data:
                data = data[os.write(self._sink, data) :]


class Lane[R: Request]:
    """A thread that answers one kind of request, one at a time, in order."""

    def __init__(self, name: str, answer: Callable[[R], None], pipe: Pipe) -> None:
        self._answer = answer
        self._pipe = pipe
        self._requests = queue.SimpleQueue[R]()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def put(self, request: R) -> None:
        """Queue a request."""
        self._requests.put(request)

    def _run(self) -> None:
        while True:
            request = self._requests.get()
            try:
                self._answer(request)
            except Exception as error:  # noqa: BLE001 - the boundary of the process: the parent judges
                self._pipe.write(Failed(request.id, Fault.ENGINE, f"{type(error).__name__}: {error}"))


def serve(pipe: Pipe) -> None:
    """Answer requests until the stream ends.

    Raises:
        CorruptStream: what arrived is not ours.

    """
    silero = Silero()
    recognition = Recognition(pipe.write)

    def detect(request: DetectSpeech) -> None:
        pipe.write(SpeechDetected(request.id, *silero.probabilities(request.pcm, request.state)))

    speech = Lane("vad", detect, pipe)
    decodes = Lane("whisper", recognition.answer, pipe)
    pipe.write(Ready(os.getpid()))
    while (request := pipe.read()) is not None:
        match request:
            case Ping():
                pipe.write(Pong(request.id, *resident_set()))
            case DetectSpeech():
                speech.put(request)
            case Abandon():
                recognition.abandon(request.id)
            case _:
                decodes.put(request)


def private_pipe() -> Pipe:
    """Take stdin and stdout for the protocol alone: what a library reads is empty, what it prints goes to stderr."""
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - exists on Windows alone

        for descriptor in (source, sink):
            msvcrt.setmode(descriptor, os.O_BINARY)
    return Pipe(os.fdopen(source, "rb"), sink)


def main() -> None:
    """Serve until the parent is gone; never return."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    if sys.platform != "win32":
        faulthandler.register(signal.SIGUSR1, all_threads=True)
    try:
        serve(private_pipe())
    except (CorruptStream, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the log of this process
    # Not sys.exit: a decode in a C++ thread would keep the interpreter until it is done.
    os._exit(0)


if __name__ == "__main__":
    main()
