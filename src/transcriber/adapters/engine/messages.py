"""What the core and the engine child say to each other, and how it is framed.

A frame is four bytes of length (little-endian) and one message in msgpack, as a tagged array. Requests carry an `id`
that their answers repeat; several answers may follow one request (a file's segments), ended by `FileEnded` or `Failed`.
"""

from enum import StrEnum

import msgspec

from transcriber.types import DecodeRequest, Hypothesis, SpokenWord

LENGTH_BYTES = 4
LARGEST_FRAME = 64 << 20
"""A frame above this is not ours: the stream is corrupt. The largest real one is 30 s of PCM16, below 1 MB."""


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of everything on the wire."""


class Request(Message, frozen=True):
    """Something asked of the child."""

    id: int


class Ping(Request, frozen=True):
    """Answered by the reader thread at once: the process runs and its interpreter is not stuck."""


class LoadModel(Request, frozen=True):
    """Load Whisper from a folder. `device` is `auto`, `cpu` or `cuda`; `compute_type` may be `auto`, `threads` 0."""

    path: str
    device: str
    compute_type: str
    threads: int


class DetectSpeech(Request, frozen=True):
    """Speech probabilities of whole windows of 512 samples, from a state that an earlier answer gave (empty: anew)."""

    pcm: bytes
    state: bytes


class Decode(Request, frozen=True):
    """Words of at most 30 s."""

    request: DecodeRequest


class TranscribeFile(Request, frozen=True):
    """Segments of a media file from `start` seconds on. `words` costs an alignment pass."""

    path: str
    language: str | None
    words: bool
    start: float = 0.0


class Abandon(Request, frozen=True):
    """Nobody waits for the file request `id` any more: stop after the segment in hand."""


class Ready(Message, frozen=True):
    """First message of a child: the voice activity detector answers from now on."""

    pid: int


class Answer(Message, frozen=True):
    """Something the child says about the request `id`."""

    id: int


class Pong(Answer, frozen=True):
    """Resident set of the child in bytes, now and at its largest."""

    rss: int
    peak: int


class ModelLoaded(Answer, frozen=True):
    """What was loaded in the end. `fallback` says why it is not what was asked for; empty if it is."""

    device: str
    compute_type: str
    threads: int
    multilingual: bool
    took: float
    fallback: str


class SpeechDetected(Answer, frozen=True):
    """One probability a window, and the state that the next call hands back."""

    probabilities: list[float]
    state: bytes


class Decoded(Answer, frozen=True):
    """The result of a decode."""

    hypothesis: Hypothesis


class FileStarted(Answer, frozen=True):
    """The file was read: its language and its length in seconds."""

    language: str
    duration: float


class Working(Answer, frozen=True):
    """The child is still at a file: sent at every window of 30 s, because a long silence gives no segment."""


class FileSegment(Answer, frozen=True):
    """A piece of a file's transcript, in seconds of the file. `words` is empty unless asked for."""

    start: float
    end: float
    text: str
    words: tuple[SpokenWord, ...]


class FileEnded(Answer, frozen=True):
    """The file is transcribed to its end."""


class Fault(StrEnum):
    """Whose fault a failed request is."""

    ENGINE = "engine"
    """Worth another try, perhaps in another child."""
    INPUT = "input"
    """What was given cannot be read: a try changes nothing."""


class Failed(Answer, frozen=True):
    """The request ended in an error. `reason` is one line and never holds text that was recognised."""

    fault: Fault
    reason: str


type ToChild = Ping | LoadModel | DetectSpeech | Decode | TranscribeFile | Abandon
type FromChild = (
    Ready | Pong | ModelLoaded | SpeechDetected | Decoded | FileStarted | Working | FileSegment | FileEnded | Failed
)

_encoder = msgspec.msgpack.Encoder()
_to_child: msgspec.msgpack.Decoder[ToChild] = msgspec.msgpack.Decoder(ToChild)
_from_child: msgspec.msgpack.Decoder[FromChild] = msgspec.msgpack.Decoder(FromChild)


class CorruptStream(Exception):  # noqa: N818 - it names what happened
    """What arrived is no frame, or no message: the other side is not ours, or something printed into the stream."""


def frame(message: Message) -> bytes:
    """Return the bytes of a message on the wire."""
    body = _encoder.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "little") + body


def body_length(prefix: bytes) -> int:
    """Return the length of the message that follows its four bytes of length.

    Raises:
        CorruptStream: no message is that long.

    """
    length = int.from_bytes(prefix, "little")
    if length > LARGEST_FRAME:
        raise CorruptStream(f"a frame of {length} bytes")
    return length


def read_request(body: bytes) -> ToChild:
    """Return the request in a frame's body.

    Raises:
        CorruptStream: it holds none.

    """
    try:
        return _to_child.decode(body)
    except msgspec.MsgspecError as error:
        raise CorruptStream(str(error)) from error


class AnswerReader:
    """Cuts a stream of bytes into answers, however the bytes arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[FromChild]:
        """Return the messages that are complete now.

        Raises:
            CorruptStream: the stream is not made of our messages.

        """
        self._buffer += data
        messages: list[FromChild] = []
        start = 0
        while len(self._buffer) - start >= LENGTH_BYTES:
            begin = start + LENGTH_BYTES
            end = begin + body_length(bytes(self._buffer[start:begin]))
            if len(self._buffer) < end:
                break
            try:
                messages.append(_from_child.decode(memoryview(self._buffer)[begin:end]))
            except msgspec.MsgspecError as error:
                raise CorruptStream(str(error)) from error
            start = end
        del self._buffer[:start]
        return messages
