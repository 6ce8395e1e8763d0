"""Words of the domain: values that every layer may use and none may change.

Time is an integer sample position on a track's 16 kHz clock. It is never a float and never wall time: seconds appear
only where people or programs outside read them (`transcriber.core.wire`).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NewType

RATE = 16_000
"""Samples a second on every track's clock, and in every recording: what Whisper and Silero take."""

SAMPLE_BYTES = 2
"""A sample on the track's clock is signed 16-bit little-endian PCM, one channel."""

Position = NewType("Position", int)
"""Sample index on a track's 16 kHz clock; 0 is the first sample of the session."""

TrackName = NewType("TrackName", str)
"""Name of a track: letters, digits, `.`, `_`, `-`; at most 64."""

SegmentId = NewType("SegmentId", str)
"""Stable name of a segment in its session: `TRACK-START`, START being the position where its utterance began."""


def seconds(samples: int) -> float:
    """Return a count of samples, or a position, as seconds rounded to a millisecond, for people and JSON.

    >>> seconds(24_000)
    1.5
    """
    return round(samples / RATE, 3)


def samples(duration: float) -> int:
    """Return a duration, or a moment, in seconds as a count of samples: what `seconds` undoes to a millisecond.

    >>> samples(1.5)
    24000
    """
    return round(duration * RATE)


class SampleFormat(StrEnum):
    """How one sample of one channel is stored; the names are ffmpeg's."""

    U8 = "u8"
    S16 = "s16le"
    S24 = "s24le"
    S32 = "s32le"
    F32 = "f32le"

    @property
    def width(self) -> int:
        """Bytes a sample."""
        return {"u8": 1, "s16le": 2, "s24le": 3}.get(self.value, 4)


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What a source delivers: frames a second, channels, and how a sample is stored. Channels are interleaved."""

    rate: int
    channels: int
    sample: SampleFormat = SampleFormat.S16

    @property
    def frame_bytes(self) -> int:
        """Bytes a frame: one sample of every channel."""
        return self.channels * self.sample.width

    def __str__(self) -> str:
        return f"{self.rate} Hz, {self.channels} ch, {self.sample}"


class GapReason(StrEnum):
    """Why audio is missing, or is there and not transcribed."""

    DEVICE = "device"
    """The device was gone or delivered nothing usable."""
    OVERLOAD = "overload"
    """The computer was too slow, or asleep, to take the samples off the device."""
    DISK = "disk"
    """The samples were captured and could be stored nowhere."""
    DAMAGE = "damage"
    """The samples were stored and cannot be read back."""
    ENGINE = "engine"
    """The samples are on disk; the engine failed on them again and again."""
    CRASH = "crash"
    """The program was killed: from the last durable sample to where a resumed capture began."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Samples `[start, end)` of a track that are missing, by name."""

    start: Position
    end: Position
    reason: GapReason


@dataclass(frozen=True, slots=True)
class Reading:
    """What one read of a source gave: whole frames in the source's own format.

    `lost` counts frames that the source knows it dropped just before these; `at` is the monotonic time in seconds
    (`time.monotonic`) at which the last frame was in hand. `absent`, where there are no frames, says that this is no
    silence: nobody feeds the source, and what sounds now will never come.
    """

    pcm: bytes
    at: float
    lost: int = 0
    absent: bool = False


@dataclass(frozen=True, slots=True)
class DeviceBlock:
    """Frames in the device's own format, placed on the track's clock: the first frame sounds at `start`."""

    start: Position
    pcm: bytes
    format: AudioFormat

    @property
    def frames(self) -> int:
        """Frames in the block."""
        return len(self.pcm) // self.format.frame_bytes


@dataclass(frozen=True, slots=True)
class Block:
    """Samples `[start, end)` of a track: PCM16 little-endian, 16 kHz, mono."""

    start: Position
    pcm: bytes

    @property
    def end(self) -> Position:
        """Position just after the last sample."""
        return Position(self.start + len(self.pcm) // SAMPLE_BYTES)

    def after(self, position: Position) -> "Block":
        """Return the part of the block that begins at `position`, or all of it if that is before its start."""
        if position <= self.start:
            return self
        return Block(position, self.pcm[(position - self.start) * SAMPLE_BYTES :])


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word on the track's clock.

    `text` carries its leading space, as Whisper writes it; joining the words of a segment gives the segment's text.
    """

    text: str
    start: Position
    end: Position
    probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    """Committed text. It will not change. Its text is exactly its words, which are exactly its commits."""

    id: SegmentId
    track: TrackName
    start: Position
    end: Position
    words: tuple[Word, ...]
    language: str

    @property
    def text(self) -> str:
        """The words joined, without the space in front of the first."""
        return "".join(word.text for word in self.words).strip()


@dataclass(frozen=True, slots=True)
class Coverage:
    """What became of a track's samples `[0, position)`; the three counts always add up to `position`."""

    position: Position = Position(0)
    transcribed: int = 0
    silence: int = 0
    missing: int = 0


Pace = Literal["realtime", "fast"]
"""As it sounds, or as fast as it is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOptions:
    """How a source is to be read, as far as it has a choice.

    `pace` is for what is not live. `block` is in seconds of audio read from a device at a time; `device_buffer` in
    seconds that a device should hold for a late reader.
    """

    pace: Pace = "realtime"
    block: float = 0.04
    device_buffer: float = 0.5


class SourceKind(StrEnum):
    """What a source records."""

    LOOPBACK = "loopback"
    MICROPHONE = "microphone"
    FILE = "file"
    PCM = "pcm"
    WEBSOCKET = "websocket"
    URL = "url"


@dataclass(frozen=True, slots=True)
class Device:
    """Something that can be captured, as `transcriber devices` lists it."""

    name: str
    kind: SourceKind
    default: bool
    format: AudioFormat
    description: str = ""


@dataclass(frozen=True, slots=True)
class DecodeRequest:
    """Ask an engine for the words of `pcm` (PCM16, 16 kHz, mono, at most 30 s).

    `final` decodes carefully (full beam); otherwise the answer is for a partial and should be quick.
    `language` is an ISO 639-1 code, or None to detect it.
    """

    pcm: bytes
    final: bool
    language: str | None = None
    prompt: str = ""
    hotwords: str = ""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word of a hypothesis, in seconds from the start of the audio that was decoded."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The result of one decode."""

    words: tuple[SpokenWord, ...]
    language: str
    no_speech: float
    """Probability that there is no speech at all, 0 to 1."""
    compression: float
    """Length of the text over its zlib length; above 2.4 the text repeats itself (Whisper's own threshold)."""
    took: float
    """Seconds the decode took."""
